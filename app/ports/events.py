"""What happened, told live: publishing and following."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from app.domain.events import Event, SequencedEvent


class EventPublisher(Protocol):
    """The live event stream."""

    def publish(self, events: Sequence[Event]) -> None:
        """Publish after a commit; never raises for a stream that is away, never blocks a caller for long."""
        ...


class EventDelivery(Protocol):
    """The live event stream for those who have the time to try again."""

    def deliver(self, events: Sequence[Event]) -> None:
        """Publish in order; those published before change nothing. Raises `EventsUnavailableError`."""
        ...


class EventsUnavailableError(Exception):
    """The live event stream did not answer in time; carries its cause. A reader must know that silence is not peace."""


class EventSource(Protocol):
    """The reading side of the live event stream; every call raises `EventsUnavailableError` when it is away."""

    def read(self, *, after: int, block_seconds: float, limit: int) -> Sequence[SequencedEvent]:
        """Events with a sequence above `after`, oldest first; empty after `block_seconds` without any."""
        ...

    def bounds(self) -> tuple[int, int]:
        """The oldest and newest sequence still held; (0, 0) when nothing was ever published."""
        ...
