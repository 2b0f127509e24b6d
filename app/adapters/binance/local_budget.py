"""The exchange's limits kept by one process alone: for a command that must work with everything else gone."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from app.ports import Lane, RateLimits, Wait

MINUTE_SECONDS = 60.0
TEN_SECONDS = 10.0
# Half of the exchange's limits: processes that still run know nothing of us, and a ban would help nobody.
WEIGHT_PER_MINUTE = 1_200
ORDERS_PER_10_SECONDS = 150
ORDERS_PER_MINUTE = 600


@dataclass(slots=True)
class _Window:
    """A sliding sum: at most `maximum` within `seconds`."""

    name: str
    seconds: float
    maximum: int
    used: deque[tuple[float, int]]

    def wait(self, amount: int, now: float) -> float:
        """Seconds until `amount` fits; zero when it fits now."""
        while self.used and self.used[0][0] <= now - self.seconds:
            self.used.popleft()
        over = sum(each for _, each in self.used) + amount - self.maximum
        for at, each in self.used:
            if over <= 0:
                break
            over -= each
            if over <= 0:
                return at + self.seconds - now
        return 0.0 if over <= 0 else self.seconds


class LocalRateBudget:
    """`app.ports.RateBudget` in one process; thread-safe. Headers are not trusted to give back, only to close."""

    def __init__(self, *, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._lock = threading.Lock()
        self._weight = _Window("weight per minute", MINUTE_SECONDS, WEIGHT_PER_MINUTE, deque())
        self._orders = (
            _Window("orders per 10 seconds", TEN_SECONDS, ORDERS_PER_10_SECONDS, deque()),
            _Window("orders per minute", MINUTE_SECONDS, ORDERS_PER_MINUTE, deque()),
        )
        self._gates = {False: (0.0, ""), True: (0.0, "")}  # for everything, for orders only: closed until, and why

    def acquire(self, *, weight: int, orders: int, lane: Lane) -> Wait | None:
        """Take it, or say how long to wait; every lane is the same here."""
        with self._lock:
            now = self._ticks()
            until, reason = max(self._gates[False], self._gates[True]) if orders else self._gates[False]
            if now < until:
                return Wait(seconds=until - now, reason=reason)
            asked = [(self._weight, weight), *((window, orders) for window in self._orders)]
            waits = [(window.wait(amount, now), window.name) for window, amount in asked if amount]
            longest, name = max(waits, default=(0.0, ""))
            if longest > 0:
                return Wait(seconds=longest, reason=name)
            for window, amount in asked:
                if amount:
                    window.used.append((now, amount))
            return None

    def observe(self, *, used_weight: int | None, orders_10s: int | None, orders_1m: int | None) -> None:
        """Others' use is the exchange's to count: passing a limit closes the gate."""

    def close(self, *, seconds: float, reason: str, orders_only: bool = False) -> None:
        """429 or 418: nothing (or no order) is sent for `seconds`."""
        with self._lock:
            until = self._ticks() + seconds
            if until > self._gates[orders_only][0]:
                self._gates[orders_only] = (until, reason)

    def set_limits(self, limits: RateLimits) -> None:
        """Lower limits than ours are taken over by half; higher ones are of no use here."""
        with self._lock:
            self._weight.maximum = min(WEIGHT_PER_MINUTE, limits.weight_per_minute // 2)
            self._orders[0].maximum = min(ORDERS_PER_10_SECONDS, limits.orders_per_10_seconds // 2)
            self._orders[1].maximum = min(ORDERS_PER_MINUTE, limits.orders_per_minute // 2)
