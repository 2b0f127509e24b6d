"""What lives on the disk, in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Generic, TypeVar

from app.ports import BufferFullError, BufferStatus, BufferUnavailableError, KnownToken, Loss
from tests.fakes.clock import FIRST_MOMENT

T = TypeVar("T")


class FakeBuffer(Generic[T]):
    """`app.ports.DurableBuffer`. `is_full`: no space left; `is_broken`: the directory cannot be used.

    A ring of `records_max` when given. `held_by_other`: another process is replaying.
    """

    def __init__(self, *, records_max: int | None = None, now: Callable[[], datetime] = lambda: FIRST_MOMENT) -> None:
        self._records_max = records_max
        self._now = now
        self._waiting: list[tuple[datetime, T]] = []
        self._replayed = 0
        self._fell_off = 0
        self.aside: list[tuple[T, str]] = []
        self.is_full = False
        self.is_broken = False
        self.held_by_other = False

    def append(self, items: Sequence[T]) -> None:
        self._work()
        if self.is_full:
            raise BufferFullError("the fake disk is full")
        self._waiting += [(self._now(), item) for item in items]

    def has_backlog(self) -> bool:
        self._work()
        return bool(self._waiting)

    def replay(
        self,
        deliver: Callable[[Sequence[T]], None],
        *,
        on_lost: Callable[[int, Loss], None],
        batch_max: int,
        seconds_max: float,
    ) -> int | None:
        self._work()
        if self.held_by_other:
            return None
        surplus = 0 if self._records_max is None else max(0, len(self._waiting) - self._records_max)
        if surplus:
            on_lost(surplus, Loss.FELL_OFF)
            self._fell_off += surplus
            del self._waiting[:surplus]
        delivered = 0
        while batch := [item for _, item in self._waiting[:batch_max]]:
            deliver(batch)
            del self._waiting[: len(batch)]
            delivered += len(batch)
        self._replayed += delivered
        return delivered

    def set_aside(self, item: T, reason: str) -> None:
        self._work()
        self.aside.append((item, reason))

    def status(self) -> BufferStatus:
        self._work()
        return BufferStatus(
            depth=len(self._waiting),
            oldest_at=self._waiting[0][0] if self._waiting else None,
            replayed=self._replayed,
            fell_off=self._fell_off,
            corrupt=0,
            set_aside=len(self.aside),
        )

    def probe(self) -> None:
        self._work()
        if self.is_full:
            raise BufferFullError("the fake disk is full")

    @property
    def waiting(self) -> list[T]:
        """What waits, oldest first."""
        return [item for _, item in self._waiting]

    def _work(self) -> None:
        if self.is_broken:
            raise BufferUnavailableError("the fake disk is broken")


class FakeTokenMemory:
    """`app.ports.TokenMemory`; outlives the authenticators that are given it."""

    def __init__(self) -> None:
        self.tokens: dict[str, KnownToken] = {}
        self.writes = 0

    def recall(self) -> Mapping[str, KnownToken]:
        return dict(self.tokens)

    def keep(self, tokens: Mapping[str, KnownToken]) -> None:
        self.tokens = dict(tokens)
        self.writes += 1
