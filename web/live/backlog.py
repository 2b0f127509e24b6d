"""Events that wait to be sent: bounded, states conflated, what is given up counted by its absence."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from web.live.frames import EncodedEvent
from web.live.limits import (
    CONFLATE_ABOVE_EVENTS,
    ORDINARY_EVENTS_MAX,
    RESUME_EVENTS_MAX,
    WAITING_EVENTS_MAX,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BacklogLimits:
    """When a backlog begins to conflate, to drop, and to give up."""

    conflate_above: int = CONFLATE_ABOVE_EVENTS
    ordinary_max: int = ORDINARY_EVENTS_MAX
    waiting_max: int = WAITING_EVENTS_MAX


LIVE = BacklogLimits()
# For a client that asked for its history: every event of it, and room for what happens meanwhile.
LOSSLESS = BacklogLimits(
    conflate_above=2 * RESUME_EVENTS_MAX, ordinary_max=2 * RESUME_EVENTS_MAX, waiting_max=2 * RESUME_EVENTS_MAX
)


class Backlog:
    """Waiting events in order of their sequence, each with the time it began to wait. Every step is O(1) amortised."""

    def __init__(self, limits: BacklogLimits = LIVE) -> None:
        self.limits = limits
        self.overflowed = False
        self._waiting: dict[int, tuple[EncodedEvent, float]] = {}
        self._newest: dict[object, int] = {}  # subject -> its newest event that waits
        self._superseded: deque[int] = deque()
        self._ordinary: deque[int] = deque()  # may hold some that were taken meanwhile, always the oldest
        self._ordinary_count = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def waiting_since(self) -> float | None:
        """When the oldest began to wait; None when nothing does."""
        for _, since in self._waiting.values():
            return since
        return None

    def add(self, event: EncodedEvent, *, now: float) -> None:
        """Append the next event; `overflowed` is set when even conflation leaves too many."""
        self._waiting[event.seq] = (event, now)
        if event.subject is None:
            self._ordinary.append(event.seq)
            self._ordinary_count += 1
        else:
            older = self._newest.get(event.subject)
            if older is not None:
                self._superseded.append(older)
            self._newest[event.subject] = event.seq
        self._shrink()

    def use(self, limits: BacklogLimits) -> None:
        """Go by other limits from now on."""
        self.limits = limits
        self._shrink()

    def take(self, count: int) -> list[EncodedEvent]:
        """Remove and return the oldest."""
        taken: list[EncodedEvent] = []
        while self._waiting and len(taken) < count:
            seq = next(iter(self._waiting))
            taken.append(self._remove(seq))
        return taken

    def conflate(self) -> None:
        """Keep only the newest state of each thing."""
        while self._superseded:
            seq = self._superseded.popleft()
            if seq in self._waiting:
                self._remove(seq)

    def drop_oldest(self, *, keep: int) -> None:
        """Give up the oldest ordinary events until no more than `keep` wait; states of different things stay."""
        self._forget_taken()
        while len(self._waiting) > keep and self._ordinary_count > 0:
            self._remove(self._ordinary.popleft())
            self._forget_taken()

    def pending(self) -> list[tuple[EncodedEvent, float]]:
        """All that wait, oldest first."""
        return list(self._waiting.values())

    def _remove(self, seq: int) -> EncodedEvent:
        event, _ = self._waiting.pop(seq)
        if event.subject is None:
            self._ordinary_count -= 1
        elif self._newest.get(event.subject) == seq:
            del self._newest[event.subject]
        return event

    def _shrink(self) -> None:
        if len(self._waiting) > self.limits.conflate_above:
            self.conflate()
        self._forget_taken()
        while self._ordinary_count > self.limits.ordinary_max:
            self._remove(self._ordinary.popleft())
        self.overflowed = self.overflowed or len(self._waiting) > self.limits.waiting_max

    def _forget_taken(self) -> None:
        while self._ordinary and self._ordinary[0] not in self._waiting:
            self._ordinary.popleft()
