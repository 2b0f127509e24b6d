"""The disk: the last resort while Redis or Postgres is away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeVar

T = TypeVar("T")


class BufferUnavailableError(Exception):
    """The disk did not take or give what it was asked to; carries its cause. What was to be appended is not durable."""


class BufferFullError(BufferUnavailableError):
    """No space is left: on the disk, or within what the buffer may hold."""


class Loss(StrEnum):
    """Why something that was appended will never be delivered."""

    FELL_OFF = "FELL_OFF"  # more was appended than the ring holds
    CORRUPT = "CORRUPT"  # its checksum is wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferStatus:
    """How much waits since when, and what became of the rest since the buffer was made."""

    depth: int
    oldest_at: datetime | None
    replayed: int
    fell_off: int
    corrupt: int
    set_aside: int


class DurableBuffer(Protocol[T]):
    """Keeps items on this machine's disk while the server they are meant for is away, whatever happens to a process.

    Many processes append, one at a time replays. Every call raises `BufferUnavailableError` when the disk fails.
    """

    def append(self, items: Sequence[T]) -> None:
        """Durable when it returns; all of them or an error. Raises `BufferFullError`, never drops what it took."""
        ...

    def has_backlog(self) -> bool:
        """Whether anything waits; cheap enough to be asked for every event."""
        ...

    def replay(
        self,
        deliver: Callable[[Sequence[T]], None],
        *,
        on_lost: Callable[[int, Loss], None],
        batch_max: int,
        seconds_max: float,
    ) -> int | None:
        """Deliver what waits, oldest first, and forget what `deliver` returned for; how many were delivered.

        None while somebody else replays. What `deliver` raises ends the replay; its batch comes again. A process that
        dies in between makes at most one batch come twice. `on_lost` is told before what came after the loss.
        """
        ...

    def set_aside(self, item: T, reason: str) -> None:
        """Keep for a person what can never be delivered."""
        ...

    def status(self) -> BufferStatus:
        """As of now, all processes of this machine together."""
        ...

    def probe(self) -> None:
        """Raises `BufferFullError` or `BufferUnavailableError` when nothing could be appended now."""
        ...
