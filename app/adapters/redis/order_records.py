"""What the durable records of all orders leave of the exchange's limits, for exits while Redis cannot be asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from fractions import Fraction

from app.adapters.redis.budget_shape import BudgetShape
from app.ports import Lane

COUNT_SECONDS = 0.5  # a count serves for this long

# How many orders were begun within (a little more than) the exchange's ten seconds and its minute, by everybody, from
# records that are durable before an order is sent; None: not known.
OrdersBegun = Callable[[], tuple[int, int] | None]


class OrderRecords:
    """Counts at most every `COUNT_SECONDS`. An older count only holds more of what Redis had granted, never less."""

    def __init__(self, count: OrdersBegun, shape: BudgetShape, monotonic: Callable[[], float]) -> None:
        self._count = count
        self._shape = shape
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._counted_at = float("-inf")
        self._begun: tuple[int, int] | None = None

    def begun(self) -> tuple[int, int] | None:
        """The newest count; may ask the database, so never with a lock held that others need."""
        with self._lock:
            now = self._monotonic()
            if now - self._counted_at > COUNT_SECONDS:
                self._begun, self._counted_at = self._count(), now
            return self._begun

    def caps(
        self, begun: tuple[int, int], lane: Lane, *, part: Fraction, limits: Sequence[int], share_caps: Sequence[int]
    ) -> Sequence[int]:
        """Until where a process' own log of orders may grow: its part of what is left, and never beyond its share.

        The half of the reserve that Redis never gives out comes on top, as it does there. Why this keeps the limits is
        in docs/decisions/0005-global-rate-budget.md.
        """
        part = part if lane is Lane.SAFETY else part / 2
        left = [
            limits[counter] - self._shape.reserve(counter, limits[counter]) // 2 - taken
            for counter, taken in enumerate(begun, start=1)
        ]
        orders = [min(int(part * max(0, each)), cap) for each, cap in zip(left, share_caps[1:], strict=True)]
        return [share_caps[0], *orders]
