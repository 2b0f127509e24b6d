"""Watch the account: ask every trigger once a second, and trip the emergency stop when one fires."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from app.domain.ess import EssState
from app.domain.policy import Policy
from app.domain.triggers.facts import HeldMarket, WatchFacts
from app.domain.triggers.readings import Reading
from app.domain.triggers.trigger_book import fired, read_triggers
from app.ports import Clock, MarketData, UnitOfWork, UnitOfWorkFactory
from app.services.policy_cache import PolicyCache
from app.services.trip_ess import TripEss

ACTOR = "watch"
OPEN_ATTEMPTS_MAX = 1_000


class WatchAccount:
    """Use case of `ess.watch`. Thread-safe; remembers only since when a held symbol has had no price at all."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        market: MarketData,
        policy: PolicyCache,
        clock: Clock,
        trip: TripEss,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._market = market
        self._policy = policy
        self._clock = clock
        self._trip = trip
        self._lock = threading.Lock()
        self._missing_since: dict[str, datetime] = {}

    def __call__(self) -> Sequence[Reading]:
        """What fired; nothing is asked unless the stop is ARMED: DISABLED, automatic triggers do not act."""
        with self._unit_of_work() as uow:
            stop = uow.control.ess()
        if stop is None or stop.state is not EssState.ARMED:
            return []
        readings = self.readings()
        reasons = fired(readings)
        if reasons:
            self._trip(
                actor=ACTOR,
                reason="; ".join(str(each) for each in reasons),
                automatic=True,
                detail={"readings": readings_as_json(readings)},
            )
        return reasons

    def readings(self) -> Sequence[Reading]:
        """What every trigger sees at this moment."""
        version = self._policy.current()
        policy = None if version is None else version.policy
        now = self._clock.now()
        with self._unit_of_work() as uow:
            held = [each.symbol for each in uow.ledger.positions() if each.quantity]
            facts = self._facts(uow, held, policy, now)
        return read_triggers(facts)

    def _facts(self, uow: UnitOfWork, held: Sequence[str], policy: Policy | None, now: datetime) -> WatchFacts:
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        troubled = newest_ended = None
        if policy is not None:
            since = now - timedelta(seconds=policy.execution_error_window_seconds)
            troubled = uow.orders.troubled_since(since)
            # More than would fire: some of them never left this machine and do not count.
            limit = 2 * policy.rejections_in_a_row_max
            newest_ended = uow.orders.newest_ended_entries(since=since, limit=limit)
        last = uow.control.last_reconciliation()
        return WatchFacts(
            now=now,
            policy=policy,
            account=uow.ledger.account(),
            start_of_day_equity=uow.ledger.equity_at_or_after(midnight),
            troubled_attempts=troubled,
            newest_ended_entries=newest_ended,
            open_attempts=uow.orders.open_attempts(limit=OPEN_ATTEMPTS_MAX),
            held=self._held(held, now),
            differences=None if last is None else last.differences,
            reconciled_at=None if last is None else last.at,
        )

    def _held(self, symbols: Sequence[str], now: datetime) -> Sequence[HeldMarket]:
        quotes = self._market.quotes() if symbols else {}
        with self._lock:
            missing = {symbol: self._missing_since.get(symbol, now) for symbol in symbols if symbol not in quotes}
            self._missing_since = missing
        return [
            HeldMarket(
                symbol=symbol,
                observed_at=quotes[symbol].observed_at if symbol in quotes else None,
                missing_since=missing.get(symbol),
            )
            for symbol in symbols
        ]


def readings_as_json(readings: Sequence[Reading]) -> list[dict[str, Any]]:
    """What every trigger saw, for the audit."""
    return [{"trigger": each.trigger, "sight": each.sight.value, "numbers": dict(each.numbers)} for each in readings]
