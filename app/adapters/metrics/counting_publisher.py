"""Counts what was committed, by the events that tell of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from app.adapters.metrics.instruments import FILLED_NOTIONAL, FILLS, ORDERS, SIGNALS_DECIDED, STOP_CHANGES
from app.domain.events import Event, EventType
from app.ports import EventPublisher


def _signal_decided(payload: Mapping[str, Any]) -> None:
    SIGNALS_DECIDED.labels(state=payload["state"], code=payload["reason_code"] or "").inc()


def _order_changed(payload: Mapping[str, Any]) -> None:
    ORDERS.labels(state=payload["state"], purpose=payload["purpose"]).inc()


def _trade_executed(payload: Mapping[str, Any]) -> None:
    FILLS.labels(side=payload["side"]).inc()
    # A metric is a float; the books are not.
    FILLED_NOTIONAL.inc(float(Decimal(payload["price"]) * Decimal(payload["quantity"])))


def _stop_changed(payload: Mapping[str, Any]) -> None:
    STOP_CHANGES.labels(state=payload["state"]).inc()


_COUNT: Mapping[EventType, Callable[[Mapping[str, Any]], None]] = {
    EventType.SIGNAL_DECIDED: _signal_decided,
    EventType.ORDER_PLACED: _order_changed,
    EventType.ORDER_UPDATED: _order_changed,
    EventType.TRADE_EXECUTED: _trade_executed,
    EventType.ESS_STATE_CHANGED: _stop_changed,
}


class CountingPublisher:
    """`app.ports.EventPublisher` in front of another one: it is called once for every commit that tells something."""

    def __init__(self, inner: EventPublisher) -> None:
        self._inner = inner

    def publish(self, events: Sequence[Event]) -> None:
        """Count, then publish."""
        for event in events:
            count = _COUNT.get(event.type)
            if count is not None:
                count(event.payload)
        self._inner.publish(events)
