"""Events as they were committed: what the live stream is told again from when it forgot its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.domain.events import Event
from app.domain.signals import SignalState


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEvent:
    """Where an event stands in the record, and for how long. An event that follows from another has a higher number."""

    number: int
    event_id: str
    age_seconds: float


class EventRepository(Protocol):
    """What units of work emitted, recorded in the transaction of each; the oldest are forgotten after minutes."""

    def recorded(self, *, after: int, limit: int) -> Sequence[RecordedEvent]:
        """Those above a number, in order. A lower number may still appear while its transaction is under way."""
        ...

    def number_before(self, *, age_seconds: float) -> int:
        """The newest number recorded at least so long ago; 0 when there is none."""
        ...

    def newest_number(self) -> int:
        """0 while nothing is recorded."""
        ...

    def read(self, numbers: Sequence[int]) -> Sequence[Event]:
        """The events of these numbers that are still recorded, in order."""
        ...

    def claim(self, consumer: str, event_ids: Sequence[str]) -> Sequence[str]:
        """Those that this consumer has not applied yet; with the commit it has."""
        ...

    def add_outcomes(self, ends: Sequence[tuple[str, SignalState]]) -> Mapping[str, Mapping[str, int]]:
        """Count (signal_id, how it ended) for each signal's strategy; the new totals of those strategies by state."""
        ...

    def outcomes(self) -> Mapping[str, Mapping[str, int]]:
        """How many signals of each strategy ended in each state."""
        ...

    def forget(self, *, older_than_seconds: float, limit: int) -> int:
        """Remove the oldest, at most `limit`; how many were. What was applied is known for a day."""
        ...
