"""The check of the exchange: it answers, our clocks agree, there is weight left and no gate is closed."""

from __future__ import annotations

import time
from datetime import timedelta

from app.adapters.binance.rest import NoBudgetError
from app.adapters.redis.client import RedisUnavailableError
from app.bootstrap import System
from app.domain.health import Finding, Status
from app.ports import ExchangeError

CLOCK_OFFSET_MS_MAX = 1_000
UNASKED_SECONDS_MAX = 30.0
COMPONENT = "exchange"


class ExchangeCheck:
    """Asks for the exchange's time at every call; remembers when it last answered."""

    def __init__(self) -> None:
        self._answered_at: float | None = None

    def __call__(self, system: System) -> Finding:
        """One round trip through the rate budget."""
        began_at = system.clock.now()
        try:
            exchange_ms = system.exchange.ask_time_ms()
        except ExchangeError as error:
            return self._unanswered(error)
        self._answered_at = time.monotonic()
        # The exchange read its clock half way between the question and its answer.
        middle = began_at + (system.clock.now() - began_at) / 2
        offset_ms = exchange_ms - int(middle.timestamp() * 1000)
        if abs(offset_ms) > CLOCK_OFFSET_MS_MAX:
            cause = f"our clock differs from the exchange's by {offset_ms} ms (corrected for)"
            return Finding(component=COMPONENT, status=Status.DEGRADED, cause=cause)
        return Finding(component=COMPONENT, status=Status.OK)

    def _unanswered(self, error: ExchangeError) -> Finding:
        """Not asked for want of budget is no illness while the last answer is recent; not answered is."""
        if isinstance(error, NoBudgetError) and self._answered_at is not None:
            age = time.monotonic() - self._answered_at
            status = Status.OK if age < UNASKED_SECONDS_MAX else Status.DEGRADED
            return Finding(component=COMPONENT, status=status, cause=str(error), age_seconds=age)
        return Finding(component=COMPONENT, status=Status.CRITICAL, cause=str(error))


def check_rate_budget(system: System) -> Finding:
    """Is the gate open, and how much of the limits is used?"""
    try:
        status = system.budget.status()
    except RedisUnavailableError as error:
        # Each process goes on with its share.
        return Finding(component="rate_budget", status=Status.DEGRADED, cause=f"shares only: {error}")
    if status.closed_seconds > 0:
        until = timedelta(seconds=round(status.closed_seconds))
        cause = f"the exchange refuses everything we send for another {until}"
        return Finding(component="rate_budget", status=Status.CRITICAL, cause=cause)
    if status.orders_closed_seconds > 0:
        cause = f"the exchange refuses new orders for another {status.orders_closed_seconds:.0f} s"
        return Finding(component="rate_budget", status=Status.DEGRADED, cause=cause)
    if status.recovering:
        # For a minute after every start of Redis: slower, and as it should be.
        return Finding(component="rate_budget", status=Status.OK, cause="shares only: what was used is not known")
    return Finding(component="rate_budget", status=Status.OK)
