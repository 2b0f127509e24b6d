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


class EventMending(Protocol):
    """A live event stream whose server may come back without the newest events; all raise `EventsUnavailableError`.

    From then on it takes nothing but `restore` until it is declared whole: nothing new overtakes what is restored.
    """

    def is_whole(self) -> bool:
        """Whether everything that was ever published is in it, or was trimmed in its turn."""
        ...

    def begin_anew(self) -> None:
        """Let its numbers jump, so that no reader takes what follows for what it knows already."""
        ...

    def restore(self, events: Sequence[Event]) -> None:
        """Publish in order, whether it is whole or not; those that it holds change nothing."""
        ...

    def declare_whole(self) -> None:
        """Everybody may publish again."""
        ...

    def missing(self, event_ids: Sequence[str]) -> Sequence[str]:
        """Those that were never published, or forgotten with its end; given and answered oldest first."""
        ...

    def checked_until(self) -> int | None:
        """Up to which number of the record nothing is missing; forgotten with what it speaks of."""
        ...

    def note_checked(self, number: int) -> None:
        """Nothing is missing up to this number, and never will be."""
        ...


class EventsUnavailableError(Exception):
    """The live event stream did not answer in time; carries its cause. A reader must know that silence is not peace."""


class EventsForgottenError(EventsUnavailableError):
    """The live event stream answers, and may have forgotten its newest events: it must be mended first."""


class EventSource(Protocol):
    """The reading side of the live event stream; every call raises `EventsUnavailableError` when it is away."""

    def read(self, *, after: int, block_seconds: float, limit: int) -> Sequence[SequencedEvent]:
        """Events with a sequence above `after`, oldest first; empty after `block_seconds` without any."""
        ...

    def bounds(self) -> tuple[int, int]:
        """The oldest and newest sequence still held; (0, 0) when nothing was ever published."""
        ...
