"""What the dashboard and other consumers are told after a commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class EventType(StrEnum):
    """The types of the live event stream."""

    SIGNAL_RECEIVED = "signal_received"
    SIGNAL_DECIDED = "signal_decided"
    ORDER_PLACED = "order_placed"
    ORDER_UPDATED = "order_updated"
    TRADE_EXECUTED = "trade_executed"
    POSITION_UPDATED = "position_updated"
    PNL_UPDATED = "pnl_updated"
    ESS_STATE_CHANGED = "ess_state_changed"
    POLICY_CHANGED = "policy_changed"
    STRATEGY_UPDATED = "strategy_updated"
    HEALTH_ALERT = "health_alert"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event; `payload` holds JSON values only (decimals as strings). `event_id` makes applying it idempotent."""

    event_id: str
    type: EventType
    at: datetime
    payload: Mapping[str, Any]

    @property
    def subject(self) -> str | None:
        """Whose story it is part of: a signal's, else an order's, else a symbol's. Events of one keep their order."""
        for name in ("signal_id", "order_id", "symbol"):
            value = self.payload.get(name)
            if value is not None:
                return str(value)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class SequencedEvent:
    """An event with its place in the live stream; sequence numbers are consecutive, a jump means a gap."""

    sequence: int
    event: Event
