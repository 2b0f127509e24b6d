"""The best signals of the moment, ranked (Redis: speed; Postgres holds the signals)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A signal that wants a place in the window."""

    signal_id: str
    confidence: Decimal
    received_at: datetime
    expires_at: datetime


class OfferVerdict(StrEnum):
    """What the window did with an offer."""

    QUEUED = "QUEUED"
    REPLACED = "REPLACED"
    DROPPED = "DROPPED"
    EXPIRED = "EXPIRED"
    ALREADY_QUEUED = "ALREADY_QUEUED"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferResult:
    """The window's answer; `evicted` is the id that lost its place (only with REPLACED)."""

    signal_id: str
    verdict: OfferVerdict
    evicted: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Popped:
    """The best signals taken out of the window, best first, and those that expired in it."""

    signal_ids: Sequence[str]
    expired: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowStatus:
    """Occupancy and the counters since Redis was last empty."""

    occupancy: int
    capacity: int
    counters: Mapping[str, int]  # received, queued, evicted, dropped, expired, dispatched


class WindowUnavailableError(Exception):
    """Redis did not answer in time; carries its cause."""


class AdmissionWindow(Protocol):
    """At most `capacity` signals ranked by confidence (older first on a tie); every call is one atomic step.

    All methods raise `WindowUnavailableError` when Redis is away.
    """

    def offer(self, offers: Sequence[Offer], *, now: datetime) -> Sequence[OfferResult]:
        """Offer signals in order; answers in the same order."""
        ...

    def pop_best(self, count: int, *, now: datetime) -> Popped:
        """Take out the best `count`."""
        ...

    def remove(self, signal_ids: Sequence[str]) -> None:
        """Forget these (they were decided elsewhere)."""
        ...

    def members(self) -> Sequence[str]:
        """All ids in the window, best first."""
        ...

    def status(self) -> WindowStatus:
        """Occupancy and counters."""
        ...
