"""Sweep signals: whatever a lost message, a flushed Redis or a dead worker left waiting is carried on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol, TypeVar

from app.domain.signals import SignalEvent, SignalState, StoredSignal
from app.flow import Happening
from app.ports import AdmissionWindow, Clock, TaskQueue, UnitOfWork, UnitOfWorkFactory, WindowUnavailableError
from app.services import announcements
from app.services.admit_signals import TIME_TO_LIVE_OVER, rank
from app.services.hints import announce, priority_of

# Long enough that an admission or a placement under way is left alone; repeating one is harmless, only wasteful.
UNRANKED_SECONDS = 1.0
UNPLACED_SECONDS = 2.0
ROWS_MAX = 500  # a page
PAGES_MAX = 400  # twice the largest window there may be

T = TypeVar("T")


class _Pages(Protocol):
    def __call__(self, *, limit: int, after: StoredSignal | None) -> Sequence[StoredSignal]: ...


@dataclass(frozen=True, slots=True)
class SweepSignals:
    """Use case of `signals.sweep`."""

    unit_of_work: UnitOfWorkFactory
    window: AdmissionWindow
    tasks: TaskQueue
    clock: Clock

    def __call__(self) -> None:
        """Expire, rank again, hint again."""
        now = self.clock.now()
        waiting = self._all_that_wait(
            now, lambda uow: partial(uow.signals.queued_before, now - timedelta(seconds=UNRANKED_SECONDS))
        )
        # Dispatched ones expire too: a worker that fails at one every time must not keep its credit for ever.
        unplaced = self._all_that_wait(
            now, lambda uow: partial(uow.signals.dispatched_before, now - timedelta(seconds=UNPLACED_SECONDS))
        )
        for row in unplaced:
            if row.signal.expires_at > now:
                announce(
                    self.tasks,
                    Happening.SIGNAL_DISPATCHED,
                    row.signal.signal_id,
                    priority=priority_of(row.signal.confidence),
                )
        over = [row.signal.signal_id for row in (*waiting, *unplaced) if row.signal.expires_at <= now]
        try:
            for batch in _batches(over):
                self.window.remove(batch)
            ranked = frozenset(self.window.members())
        except WindowUnavailableError:
            return  # they stay in Postgres; ranked when the window is back, while still fresh
        lost = [row.signal for row in waiting if row.signal.expires_at > now and row.signal.signal_id not in ranked]
        for signals in _batches(lost):
            rank(signals, window=self.window, unit_of_work=self.unit_of_work, clock=self.clock)

    def _all_that_wait(self, now: datetime, source: Callable[[UnitOfWork], _Pages]) -> Sequence[StoredSignal]:
        """Every row of a kind, page by page; those whose time to live is over are expired on the way."""
        rows: list[StoredSignal] = []
        last: StoredSignal | None = None
        for _ in range(PAGES_MAX):
            with self.unit_of_work() as uow:
                page = source(uow)(limit=ROWS_MAX, after=last)
                self._expire(uow, [row.signal.signal_id for row in page if row.signal.expires_at <= now], now)
                uow.commit()
            rows += page
            if len(page) < ROWS_MAX:
                break
            last = page[-1]
        return rows

    def _expire(self, uow: UnitOfWork, signal_ids: Sequence[str], now: datetime) -> None:
        reason = "older than its time to live while it waited"
        for signal_id in uow.signals.advance(
            signal_ids, SignalEvent.EXPIRED, now=now, reason_code=TIME_TO_LIVE_OVER, reason=reason
        ):
            uow.emit(announcements.signal_decided(signal_id, SignalState.EXPIRED, TIME_TO_LIVE_OVER, reason, now))


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for begin in range(0, len(items), ROWS_MAX):
        yield items[begin : begin + ROWS_MAX]
