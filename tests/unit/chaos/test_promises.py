"""The chaos command's comparison really compares: each promise is broken by a record that breaks it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.chaos.books import Books, OurAttempt, OurOrder, OurProtection, _stopped
from app.chaos.promises import (
    Ledger,
    no_protection_is_left_behind,
    orders_tell_what_was_filled,
    positions_are_protected,
    stopped_means_stopped,
)

D = Decimal
SAFE_AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return SAFE_AT + timedelta(seconds=seconds)


def books(*, order: OurOrder | None = None, stopped: Any = ()) -> Books:
    return Books(
        signals={},
        orders={} if order is None else {"o": order},
        attempts={"q1": OurAttempt("q1", "o", "FILLED", D(1))},
        fills={},
        positions={},
        wallet=D(0),
        stopped=list(stopped),
    )


def ledger(*, received_at: datetime, executed: str = "1", fills: tuple[datetime, ...] = ()) -> Ledger:
    order = {
        "client_order_id": "q1",
        "error": None,
        "reduce_only": False,
        "received_at": received_at.isoformat(),
        "executed_quantity": executed,
        "fills": [{"at": at.isoformat()} for at in fills],
    }
    return Ledger({"orders": [order]})


def test_an_entry_that_came_before_and_was_accepted_after_the_acknowledgement_breaks_the_stop():
    stopped = [(SAFE_AT, None)]
    assert stopped_means_stopped(books(stopped=stopped), ledger(received_at=after(-1), fills=(after(-1),))).holds
    held_up = ledger(received_at=after(-1), fills=(after(0.5),))
    assert not stopped_means_stopped(books(stopped=stopped), held_up).holds
    assert not stopped_means_stopped(books(stopped=stopped), ledger(received_at=after(1))).holds


def test_arming_ends_every_stop_that_was_acknowledged_before_it():
    audit = [(after(0), "ess_safe"), (after(1), "ess_reset"), (after(2), "ess_safe"), (after(9), "ess_armed")]
    assert _stopped(audit) == [(after(0), after(9)), (after(2), after(9))]
    entry = ledger(received_at=after(10))
    assert stopped_means_stopped(books(stopped=_stopped(audit)), entry).holds


@pytest.mark.parametrize(
    ("state", "executed", "booked", "holds"),
    [
        ("FILLED", "1", "1", True),
        ("FILLED", "1", "0.5", False),
        ("PARTIALLY_FILLED", "0.5", "0.5", False),
        ("NOT_SENT", "1", "1", False),
    ],
)
def test_an_order_that_says_something_else_than_its_fills_is_found(state, executed, booked, holds):
    order = OurOrder(quantity=D(1), executed_quantity=D(executed), booked_quantity=D(booked), state=state)
    assert orders_tell_what_was_filled(books(order=order), ledger(received_at=SAFE_AT)).holds is holds


HELD = {"symbol": "BTCUSDT", "quantity": "2"}
STOP = {"client_algo_id": "p1", "symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET", "quantity": "2"}
TARGET = {**STOP, "client_algo_id": "p2", "type": "TAKE_PROFIT_MARKET"}


def guarded(positions: list[dict[str, str]], *algos: dict[str, str]) -> Ledger:
    return Ledger({"orders": [], "positions": positions, "algo_orders": [{"status": "NEW", **each} for each in algos]})


@pytest.mark.parametrize(
    ("algos", "holds"),
    [
        ([STOP, TARGET], True),
        ([STOP], False),
        ([TARGET], False),
        ([{**STOP, "quantity": "1.9"}, TARGET], False),
        ([{**STOP, "side": "BUY"}, TARGET], False),
        ([{**STOP, "status": "CANCELED"}, TARGET], False),
        ([{**STOP, "symbol": "ETHUSDT"}, TARGET], False),
    ],
)
def test_a_position_with_less_than_a_whole_stop_and_target_is_found(algos, holds):
    assert positions_are_protected(guarded([HELD], *algos)).holds is holds


@pytest.mark.parametrize(("positions", "known", "holds"), [([HELD], "WORKING", True), ([], "WORKING", False)])
def test_a_protective_order_without_its_position_is_found(positions, known, holds):
    ours = {"p1": OurProtection("BTCUSDT", "STOP", "SELL", D(2), known, False)}
    record = replace(books(), protection=ours)
    assert no_protection_is_left_behind(record, guarded(positions, STOP)).holds is holds
    assert not no_protection_is_left_behind(books(), guarded([HELD], STOP)).holds
