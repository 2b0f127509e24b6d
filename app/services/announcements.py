"""Builds the events that consumers of the live stream are told; payloads are JSON values, decimals as strings."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from app.domain.alerts import Alert
from app.domain.ess import EmergencyStop
from app.domain.events import Event, EventType
from app.domain.fills import Fill
from app.domain.health import Status
from app.domain.money import plain
from app.domain.orders import Order
from app.domain.policy import PolicyVersion
from app.domain.policy_changes import Change
from app.domain.positions import Position
from app.domain.signals import Signal, SignalState


def event(type_: EventType, at: datetime, payload: Mapping[str, Any]) -> Event:
    """An event with an id of its own."""
    return Event(event_id=uuid.uuid4().hex, type=type_, at=at, payload=payload)


def signal_received(signal: Signal) -> Event:
    """A signal was stored."""
    return event(
        EventType.SIGNAL_RECEIVED,
        signal.received_at,
        {
            "signal_id": signal.signal_id,
            "symbol": signal.symbol,
            "side": signal.side.value,
            "confidence": plain(signal.confidence),
            "strategy": signal.strategy,
            "received_at": signal.received_at.isoformat(),
            "state": SignalState.QUEUED.value,
        },
    )


def signal_decided(signal_id: str, state: SignalState, code: str | None, reason: str | None, at: datetime) -> Event:
    """A signal reached another state."""
    return event(
        EventType.SIGNAL_DECIDED,
        at,
        {
            "signal_id": signal_id,
            "state": state.value,
            "reason_code": code,
            "reason": reason,
            "decided_at": at.isoformat(),
        },
    )


def order_changed(type_: EventType, order: Order, at: datetime) -> Event:
    """An order was placed or updated."""
    return event(
        type_,
        at,
        {
            "order_id": str(order.order_id),
            "signal_id": order.signal_id,
            "symbol": order.symbol,
            "side": order.side.value,
            "purpose": order.purpose.value,
            "state": order.state.value,
            "quantity": plain(order.quantity),
            "executed_quantity": plain(order.executed_quantity),
            "booked_quantity": plain(order.booked_quantity),
            "limit_price": plain(order.limit_price),
            "reason_code": order.reason_code,
            "reason": order.reason,
            "created_at": order.created_at.isoformat(),
        },
    )


def trade_executed(fill: Fill, at: datetime) -> Event:
    """A fill was booked."""
    return event(
        EventType.TRADE_EXECUTED,
        at,
        {
            "symbol": fill.symbol,
            "trade_id": fill.trade_id,
            "order_id": None if fill.order_id is None else str(fill.order_id),
            "side": fill.side.value,
            "price": plain(fill.price),
            "quantity": plain(fill.quantity),
            "fee": plain(fill.fee),
            "fee_asset": fill.fee_asset,
            "realised_pnl": plain(fill.realised_pnl),
            "traded_at": fill.traded_at.isoformat(),
            "adopted": fill.adopted,
        },
    )


def position_updated(position: Position, at: datetime) -> Event:
    """A position changed by a fill; marks and unrealised PnL come with the snapshot and pnl events."""
    return event(
        EventType.POSITION_UPDATED,
        at,
        {
            "symbol": position.symbol,
            "quantity": plain(position.quantity),
            "entry_price": plain(position.entry_price),
            "realised_pnl": plain(position.realised_pnl),
            "fees": plain(position.fees),
        },
    )


def strategy_updated(strategy: str, counts: Mapping[str, int], at: datetime) -> Event:
    """Signals of a strategy ended; how many have, by state, since they are counted."""
    return event(EventType.STRATEGY_UPDATED, at, {"strategy": strategy, "signals": dict(counts)})


def policy_changed(version: PolicyVersion, changes: Sequence[Change], at: datetime) -> Event:
    """A new version of the policy counts."""
    return event(
        EventType.POLICY_CHANGED,
        at,
        {
            "version": version.version,
            "mode": version.policy.mode.value,
            "author": version.author,
            "reason": version.reason,
            "created_at": version.created_at.isoformat(),
            "changes": [{"field": each.field, "before": each.before, "after": each.after} for each in changes],
        },
    )


def ess_changed(stop: EmergencyStop, at: datetime) -> Event:
    """The emergency stop changed."""
    return event(
        EventType.ESS_STATE_CHANGED,
        at,
        {
            "state": stop.state.value,
            "trip_reason": stop.trip_reason,
            "tripped_at": None if stop.tripped_at is None else stop.tripped_at.isoformat(),
            "safe": stop.safe_at is not None,
            "cooldown_until": None if stop.cooldown_until is None else stop.cooldown_until.isoformat(),
            "trip_count": stop.trip_count,
            "reset_count": stop.reset_count,
        },
    )


def health_alert(alert: Alert) -> Event:
    """An alert was raised, changed or cleared; `status` is OK once it is over."""
    return event(
        EventType.HEALTH_ALERT,
        alert.changed_at,
        {
            "alert_id": alert.alert_id,
            "component": alert.component,
            "status": (alert.status if alert.is_open else Status.OK).value,
            "cause": alert.cause,
            "change": alert.last_change.value,
            "raised_at": alert.raised_at.isoformat(),
            "cleared_at": None if alert.cleared_at is None else alert.cleared_at.isoformat(),
            "occurrences": alert.occurrences,
        },
    )
