"""The exchange's limits, shared by every process."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from app.ports.exchange import RateLimits


class Lane(StrEnum):
    """Who asks for budget: ENTRY (entries, and whatever else can wait) may not touch the reserve; BOOKS (what was
    executed and is not booked yet) and PROTECTION (stops and targets) may take half of what SAFETY (cancels, exits,
    open questions, the emergency stop) may."""

    ENTRY = "ENTRY"
    BOOKS = "BOOKS"
    PROTECTION = "PROTECTION"
    SAFETY = "SAFETY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """No budget now; ask again after `seconds`. `reason` names the limit or the closed gate."""

    seconds: float
    reason: str


class RateBudget(Protocol):
    """The exchange's limits, shared by all processes and machines."""

    def acquire(self, *, weight: int, orders: int, lane: Lane) -> Wait | None:
        """Take budget for one request (None: taken). Never blocks, never raises when Redis is away (local share)."""
        ...

    def observe(self, *, used_weight: int | None, orders_10s: int | None, orders_1m: int | None) -> None:
        """Correct ourselves from response headers; negatives are ignored."""
        ...

    def close(self, *, seconds: float, reason: str, orders_only: bool = False) -> None:
        """429 or 418: nobody sends anything for `seconds`; with `orders_only` nobody creates an order."""
        ...

    def set_limits(self, limits: RateLimits) -> None:
        """What `exchangeInfo` says."""
        ...
