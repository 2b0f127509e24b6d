"""Why an order was or was not sent: everything known of one signal, and when it happened."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from app.adapters.postgres.control import PostgresControl
from app.adapters.postgres.items import attempt_item, fill_item, order_item, signal_item
from app.adapters.postgres.json_values import rfc3339
from app.adapters.postgres.ledger import PostgresLedger
from app.adapters.postgres.orders import PostgresOrders
from app.adapters.postgres.signals import PostgresSignals
from app.adapters.postgres.transaction import Transaction
from app.domain.ensemble.provenance import provenance
from app.domain.fills import Fill
from app.domain.money import plain
from app.domain.orders import Attempt, Order
from app.domain.signals import StoredSignal

Moment = tuple[datetime, str, str | None]


def explain(transaction: Transaction, signal_id: str) -> dict[str, Any] | None:
    """`signal, state, decision` (the newest)`, decisions, order, attempts, fills, timeline`; None when unknown."""
    stored = PostgresSignals(transaction).get(signal_id)
    if stored is None:
        return None
    decisions = PostgresControl(transaction).decisions(signal_id)
    orders = PostgresOrders(transaction)
    order = orders.by_signal(signal_id)
    attempts = [] if order is None else orders.attempts(order.order_id)
    fills = [] if order is None else PostgresLedger(transaction).fills_of(order.order_id)
    return {
        "signal": {**signal_item(stored), "models": _models(stored)},
        "state": stored.state.value,
        "decision": decisions[-1] if decisions else None,
        "decisions": list(decisions),
        "order": None if order is None else order_item(order),
        "attempts": [attempt_item(each) for each in attempts],
        "fills": [fill_item(each) for each in fills],
        "timeline": timeline(stored, decisions, order, attempts, fills),
    }


def explain_order(transaction: Transaction, order_id: uuid.UUID) -> dict[str, Any] | None:
    """`order, attempts, fills`; None when unknown."""
    orders = PostgresOrders(transaction)
    order = orders.get(order_id)
    if order is None:
        return None
    return {
        "order": order_item(order),
        "attempts": [attempt_item(each) for each in orders.attempts(order_id)],
        "fills": [fill_item(each) for each in PostgresLedger(transaction).fills_of(order_id)],
    }


def timeline(
    stored: StoredSignal,
    decisions: Sequence[Mapping[str, Any]],
    order: Order | None,
    attempts: Sequence[Attempt],
    fills: Sequence[Fill],
) -> list[dict[str, Any]]:
    """What happened, oldest first: `at, what, detail, clock`. Fills carry the exchange's clock, the signal's making
    the producer's, all else ours: an order of events across clocks is only as good as the clocks."""
    moments = [
        *_of_signal(stored),
        *((datetime.fromisoformat(each["decided_at"]), each["outcome"].lower(), each["code"]) for each in decisions),
        *_of_order(order),
        *(moment for each in attempts for moment in _of_attempt(each)),
        *((each.traded_at, "filled", f"{plain(each.quantity)} at {plain(each.price)}") for each in fills),
    ]
    clocks = {"generated": "producer", "filled": "exchange"}
    return [
        {"at": rfc3339(at), "what": what, "detail": detail, "clock": clocks.get(what, "ours")}
        for at, what, detail in sorted(moments, key=lambda moment: moment[0])  # a stable sort
    ]


def _of_signal(stored: StoredSignal) -> Iterator[Moment]:
    yield stored.signal.generated_at, "generated", stored.signal.strategy
    yield stored.signal.received_at, "received", f"from {stored.signal.producer}"
    if stored.dispatched_at is not None:
        yield stored.dispatched_at, "dispatched", None
    # A signal that reached an order ended with it: the order tells.
    if stored.state.is_terminal and stored.decided_at is not None:
        yield stored.decided_at, "left_the_queue", stored.reason_code


def _of_order(order: Order | None) -> Iterator[Moment]:
    if order is None:
        return
    yield order.created_at, "order_created", f"{plain(order.quantity)} at no worse than {plain(order.limit_price)}"
    if order.ended_at is not None:
        yield order.ended_at, f"order_{order.state.value.lower()}", order.reason_code


def _of_attempt(attempt: Attempt) -> Iterator[Moment]:
    name = f"attempt {attempt.number}"
    yield attempt.begun_at, "sending", name
    if attempt.unknown_since is not None:
        yield attempt.unknown_since, "answer_unknown", name
    if attempt.ended_at is not None:
        code = "" if attempt.error_code is None else f" ({attempt.error_code})"
        yield attempt.ended_at, f"attempt_{attempt.state.value.lower()}", f"{name}{code}"


def _models(stored: StoredSignal) -> dict[str, Any]:
    """The votes that came along, each with what it was worth when it came."""
    signal = stored.signal
    cast_at = min(signal.generated_at, signal.received_at)
    told = {}
    for name, vote in signal.models.items():
        kind, reason = provenance(vote, cast_at=cast_at, now=signal.received_at)
        told[name] = {
            "action": vote.action,
            "confidence": plain(vote.confidence),
            "source": vote.source,
            "provenance": kind.value,
            "reason": reason,
        }
    return told
