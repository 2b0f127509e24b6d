"""Domain values as JSON-ready items, in the shapes that readers of the API rely on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.adapters.postgres.json_values import plain_or_none, rfc3339, rfc3339_or_none
from app.domain.ess import EmergencyStop
from app.domain.fills import Fill
from app.domain.gates.verdicts import Verdict
from app.domain.market import AccountSnapshot, Quote
from app.domain.money import plain
from app.domain.orders import Attempt, Order
from app.domain.positions import Position, unrealised_pnl
from app.domain.protection.levels import Guard
from app.domain.signals import StoredSignal
from app.ports import NewDecision

Item = dict[str, Any]


def signal_item(stored: StoredSignal) -> Item:
    """A signal as lists show it."""
    signal = stored.signal
    return {
        "signal_id": signal.signal_id,
        "symbol": signal.symbol,
        "side": signal.side.value,
        "confidence": plain(signal.confidence),
        "strategy": signal.strategy,
        "state": stored.state.value,
        "reason_code": stored.reason_code,
        "reason": stored.reason,
        "generated_at": rfc3339(signal.generated_at),
        "received_at": rfc3339(signal.received_at),
        "expires_at": rfc3339(signal.expires_at),
        "dispatched_at": rfc3339_or_none(stored.dispatched_at),
        "decided_at": rfc3339_or_none(stored.decided_at),
        "reference_price": plain_or_none(signal.reference_price),
        "policy_version": stored.policy_version,
        "producer": signal.producer,
        "correlation_id": signal.correlation_id,
    }


def order_item(order: Order) -> Item:
    """An order as lists show it."""
    return {
        "order_id": str(order.order_id),
        "signal_id": order.signal_id,
        "symbol": order.symbol,
        "side": order.side.value,
        "purpose": order.purpose.value,
        "state": order.state.value,
        "reason_code": order.reason_code,
        "reason": order.reason,
        "quantity": plain(order.quantity),
        "reference_price": plain(order.reference_price),
        "limit_price": plain(order.limit_price),
        "executed_quantity": plain(order.executed_quantity),
        "booked_quantity": plain(order.booked_quantity),
        "attempts_made": order.attempts_made,
        "next_attempt_at": rfc3339_or_none(order.next_attempt_at),
        "policy_version": order.policy_version,
        "correlation_id": order.correlation_id,
        "created_at": rfc3339(order.created_at),
        "ended_at": rfc3339_or_none(order.ended_at),
    }


def attempt_item(attempt: Attempt) -> Item:
    """One request to the exchange."""
    return {
        "client_order_id": attempt.client_order_id,
        "number": attempt.number,
        "state": attempt.state.value,
        "order_type": attempt.order_type.value,
        "time_in_force": None if attempt.time_in_force is None else attempt.time_in_force.value,
        "quantity": plain(attempt.quantity),
        "price": plain_or_none(attempt.price),
        "reduce_only": attempt.reduce_only,
        "signed_at_ms": attempt.signed_at_ms,
        "recv_window_ms": attempt.recv_window_ms,
        "exchange_order_id": attempt.exchange_order_id,
        "executed_quantity": plain(attempt.executed_quantity),
        "average_price": plain_or_none(attempt.average_price),
        "error_code": attempt.error_code,
        "error_message": attempt.error_message,
        "not_found_count": attempt.not_found_count,
        "begun_at": rfc3339(attempt.begun_at),
        "unknown_since": rfc3339_or_none(attempt.unknown_since),
        "last_asked_at": rfc3339_or_none(attempt.last_asked_at),
        "ended_at": rfc3339_or_none(attempt.ended_at),
    }


def fill_item(fill: Fill) -> Item:
    """One trade of ours."""
    return {
        "symbol": fill.symbol,
        "trade_id": fill.trade_id,
        "exchange_order_id": fill.exchange_order_id,
        "client_order_id": fill.client_order_id,
        "side": fill.side.value,
        "price": plain(fill.price),
        "quantity": plain(fill.quantity),
        "fee": plain(fill.fee),
        "fee_asset": fill.fee_asset,
        "realised_pnl": plain(fill.realised_pnl),
        "is_maker": fill.is_maker,
        "traded_at": rfc3339(fill.traded_at),
        "source": fill.source.value,
        "adopted": fill.adopted,
    }


def audit_item(row: Any) -> Item:
    """One line of the audit: who did what, when, and why."""
    return {
        "audit_id": row.audit_id,
        "at": rfc3339(row.at),
        "actor": row.actor,
        "action": row.action,
        "reason": row.reason,
        "detail": dict(row.detail),
    }


def verdict_item(verdict: Verdict) -> Item:
    """One gate's answer."""
    return {
        "gate": verdict.gate,
        "passed": verdict.passed,
        "code": verdict.code,
        "numbers": dict(verdict.numbers),
    }


def decision_item(decision_id: int, decision: NewDecision, verdicts: list[Item]) -> Item:
    """One run of the gates."""
    return {
        "decision_id": decision_id,
        "order_id": None if decision.order_id is None else str(decision.order_id),
        "attempt_number": decision.attempt_number,
        "policy_version": decision.policy_version,
        "outcome": decision.outcome,
        "code": decision.code,
        "verdicts": verdicts,
        "inputs": dict(decision.inputs),
        "decided_at": rfc3339(decision.decided_at),
    }


def policy_item(
    *,
    version: int,
    body: Mapping[str, Any],
    body_before: Mapping[str, Any] | None,
    author: str,
    reason: str,
    created_at: datetime,
) -> Item:
    """A version of the policy as lists show it; `policy` is its body as it was stored.

    `changes` is what is different from the version before, taken from the stored bodies themselves; null for the first.
    """
    return {
        "version": version,
        "mode": body["mode"],
        "policy": dict(body),
        "changes": None if body_before is None else body_changes(body_before, body),
        "author": author,
        "reason": reason,
        "created_at": rfc3339(created_at),
    }


def body_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Item]:
    """The fields that two stored policies differ in, by name; a field that did not exist yet is null in `before`."""
    return [
        {"field": name, "before": before.get(name), "after": after.get(name)}
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def position_item(position: Position, guard: Guard | None, quote: Quote | None, *, now: datetime) -> Item:
    """A position valued at the mark; without a quote the value is not known, and says so.

    Stop and target are what the exchange has confirmed for all of the position, and null until it has.
    """
    unknown = []
    if quote is None:
        unknown.append("no mark price of this symbol is known")
        seen_at = position.updated_at
    else:
        seen_at = quote.observed_at
    unknown.extend(_unprotected(position, guard))
    return {
        "symbol": position.symbol,
        "quantity": plain(position.quantity),
        "entry_price": plain(position.entry_price),
        "mark_price": None if quote is None else plain(quote.mark_price),
        "unrealised_pnl": None if quote is None else plain(unrealised_pnl(position, mark_price=quote.mark_price)),
        "realised_pnl": plain(position.realised_pnl),
        "fees": plain(position.fees),
        "stop_price": plain_or_none(position.stop_price),
        "target_price": plain_or_none(position.target_price),
        "regime": None if guard is None or guard.regime is None else guard.regime.value,
        "holds_until": None if guard is None else rfc3339(guard.expires_at),
        "closing_because": None if guard is None else guard.closing_because,
        "updated_at": rfc3339_or_none(position.updated_at),
        "source": "ledger" if quote is None else "ledger, mark price from the exchange's stream",
        "age_seconds": age_seconds(seen_at, now=now),
        "reason": "; ".join(unknown) or None,
    }


def _unprotected(position: Position, guard: Guard | None) -> list[str]:
    """Why a level is not shown."""
    found = [
        f"no {name} is confirmed by the exchange for all of it"
        for name, level in (("stop", position.stop_price), ("target", position.target_price))
        if level is None
    ]
    if guard is not None and guard.closing_because is not None:
        found.append(f"it is being closed: {guard.closing_because}")
    elif found and guard is not None and guard.refusal is not None:
        found.append(f"refused: {guard.refusal}")
    return found


def account_item(account: AccountSnapshot | None, *, now: datetime) -> Item:
    """The account as the exchange last told; nothing but a reason while it has not."""
    if account is None:
        unknown = dict.fromkeys(("equity", "wallet_balance", "unrealised_pnl", "available_balance"))
        return {**unknown, "source": None, "age_seconds": None, "reason": "the exchange has not told yet"}
    return {
        "equity": plain(account.equity),
        "wallet_balance": plain(account.wallet_balance),
        "unrealised_pnl": plain(account.unrealised_pnl),
        "available_balance": plain(account.available_balance),
        "source": "exchange account",
        "age_seconds": age_seconds(account.observed_at, now=now),
    }


def ess_item(stop: EmergencyStop | None) -> Item:
    """The emergency stop; `safe` is true once a trip that still holds was acknowledged."""
    if stop is None:
        return {
            "state": None,
            "trip_reason": None,
            "tripped_at": None,
            "safe": None,
            "steps": None,
            "cooldown_until": None,
            "trip_count": None,
            "reset_count": None,
            "reason": "the emergency stop has not been set up: every entry is denied",
        }
    return {
        "state": stop.state.value,
        "trip_reason": stop.trip_reason,
        "tripped_at": rfc3339_or_none(stop.tripped_at),
        "tripped_by": stop.tripped_by,
        "safe": not stop.state.permits_entries and stop.safe_at is not None,
        "safe_at": rfc3339_or_none(stop.safe_at),
        "cooldown_started_at": rfc3339_or_none(stop.cooldown_started_at),
        "steps": ess_steps(stop),
        "cooldown_until": rfc3339_or_none(stop.cooldown_until),
        "held_because": stop.held_because,
        "trip_count": stop.trip_count,
        "reset_count": stop.reset_count,
        "flatten_requested": stop.flatten_requested,
        "updated_at": rfc3339(stop.updated_at),
    }


def ess_steps(stop: EmergencyStop) -> list[Item]:
    """How far a trip has been carried: each step and when it was done."""
    return [{"step": name, "done": at is not None, "at": rfc3339_or_none(at)} for name, at in stop.steps.items()]


def no_policy_item() -> Item:
    """What is told of the policy while there is none."""
    return {"version": None, "mode": None, "policy": None, "reason": "no policy has been stored: every entry is denied"}


def age_seconds(moment: datetime | None, *, now: datetime) -> float | None:
    """How long ago, never negative: a clock that runs ahead of ours makes nothing younger than now."""
    return None if moment is None else max(0.0, round((now - moment).total_seconds(), 3))
