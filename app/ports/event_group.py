"""Consumers of the live event stream: each event to one member of a group, again until it is acknowledged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from app.domain.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An event on its way to being applied; `attempts` counts this delivery."""

    sequence: int
    event: Event
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An event that a group could not apply, and why."""

    letter_id: str
    event: Event
    reason: str
    buried_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupStatus:
    """How many wait to be delivered (None: Redis cannot tell), to be acknowledged, and for a person."""

    waiting: int | None
    unacknowledged: int
    dead: int


class EventGroup(Protocol):
    """One group. Every call raises `EventsUnavailableError`. A group that its server forgot begins with the stream."""

    def take(self, *, limit: int) -> Sequence[Delivery]:
        """What others took and did not acknowledge in time, oldest first, then what is new."""
        ...

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Applied: never delivered again, except by a server that forgot."""
        ...

    def bury(self, delivery: Delivery, reason: str) -> None:
        """Into the dead-letter stream and out of everybody's way, in one step."""
        ...

    def dead(self, *, limit: int) -> Sequence[DeadLetter]:
        """Oldest first."""
        ...

    def discard(self, letter_ids: Sequence[str]) -> int:
        """Remove dead letters; how many there were."""
        ...

    def status(self) -> GroupStatus:
        """As of now."""
        ...
