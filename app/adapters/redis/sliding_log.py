"""A process' own log of what it took: sums over sliding windows, in its own memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from app.adapters.redis.budget_shape import COUNTERS, BudgetShape


class SlidingSum:
    """The sum of amounts added within the last `window_seconds`, never less than exact (buckets are kept whole)."""

    def __init__(self, *, window_seconds: float, bucket_seconds: float) -> None:
        self._window_seconds = window_seconds
        self._bucket_seconds = bucket_seconds
        self._entries: deque[list[float]] = deque()  # [release, amount], oldest first; at most one a bucket
        self._total = 0

    def add(self, amount: int, *, now: float) -> None:
        """Count `amount` from now on."""
        bucket_ends = (now // self._bucket_seconds + 1) * self._bucket_seconds
        release = bucket_ends + self._window_seconds
        if self._entries and self._entries[-1][0] >= release:
            self._entries[-1][1] += amount
        else:
            self._entries.append([release, amount])
        self._total += amount

    def total(self, *, now: float) -> int:
        """The sum that counts now."""
        while self._entries and self._entries[0][0] <= now:
            self._total -= int(self._entries.popleft()[1])
        return self._total

    def seconds_until(self, amount: int, *, now: float) -> float:
        """How long until `amount` of what counts now has left; the whole window when that much is not there."""
        self.total(now=now)
        for release, part in self._entries:
            amount -= int(part)
            if amount <= 0:
                return release - now
        return self._window_seconds


class OwnUsage:
    """A `SlidingSum` for each of the budget's counters."""

    def __init__(self, shape: BudgetShape) -> None:
        self._sums = [
            SlidingSum(
                window_seconds=seconds + shape.arrival_spread_seconds,
                bucket_seconds=seconds / shape.buckets_per_window,
            )
            for seconds in shape.windows_seconds
        ]
        self._asking = [0] * len(self._sums)

    def asking(self, cost: Sequence[int]) -> None:
        """A request's cost counts from now on, until `asked`."""
        self._asking = [before + amount for before, amount in zip(self._asking, cost, strict=True)]

    def asked(self, cost: Sequence[int]) -> None:
        """The answer is there; what was granted is then added."""
        self._asking = [before - amount for before, amount in zip(self._asking, cost, strict=True)]

    def add(self, cost: Sequence[int], *, now: float) -> None:
        """Count a request's cost from now on."""
        for part, amount in zip(self._sums, cost, strict=True):
            if amount:
                part.add(amount, now=now)

    def refusal(self, cost: Sequence[int], caps: Sequence[int], *, now: float) -> tuple[float, str] | None:
        """None when `cost` more stays within `caps`; else the seconds until it would, and the counter's name."""
        worst: tuple[float, str] | None = None
        for part, amount, cap, asking, name in zip(self._sums, cost, caps, self._asking, COUNTERS, strict=True):
            if amount == 0:
                continue
            excess = part.total(now=now) + asking + amount - cap
            if excess > 0:
                wait = part.seconds_until(excess, now=now)
                worst = max(worst or (wait, name), (wait, name))
        return worst
