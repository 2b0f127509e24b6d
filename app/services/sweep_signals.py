"""Sweep signals: whatever a lost message, a flushed Redis or a dead worker left waiting is carried on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from app.domain.signals import SignalEvent, SignalState
from app.flow import Happening
from app.ports import AdmissionWindow, Clock, TaskQueue, UnitOfWorkFactory, WindowUnavailableError
from app.services import announcements
from app.services.admit_signals import TIME_TO_LIVE_OVER, rank
from app.services.hints import announce, priority_of

# Long enough that an admission or a placement under way is left alone; repeating one is harmless, only wasteful.
UNRANKED_SECONDS = 1.0
UNPLACED_SECONDS = 2.0
ROWS_MAX = 500


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
        with self.unit_of_work() as uow:
            waiting = uow.signals.queued_before(now - timedelta(seconds=UNRANKED_SECONDS), limit=ROWS_MAX)
            unplaced = uow.signals.dispatched_before(now - timedelta(seconds=UNPLACED_SECONDS), limit=ROWS_MAX)
            # Dispatched ones too: a worker that fails at one every time must not keep its credit for ever.
            over = [row.signal.signal_id for row in (*waiting, *unplaced) if row.signal.expires_at <= now]
            reason = "older than its time to live while it waited"
            for signal_id in uow.signals.advance(
                over, SignalEvent.EXPIRED, now=now, reason_code=TIME_TO_LIVE_OVER, reason=reason
            ):
                uow.emit(announcements.signal_decided(signal_id, SignalState.EXPIRED, TIME_TO_LIVE_OVER, reason, now))
            uow.commit()
        for row in unplaced:
            if row.signal.expires_at > now:
                announce(
                    self.tasks,
                    Happening.SIGNAL_DISPATCHED,
                    row.signal.signal_id,
                    priority=priority_of(row.signal.confidence),
                )
        try:
            if over:
                self.window.remove(over)
            ranked = frozenset(self.window.members())
        except WindowUnavailableError:
            return  # they stay in Postgres; ranked when the window is back, while still fresh
        lost = [row.signal for row in waiting if row.signal.expires_at > now and row.signal.signal_id not in ranked]
        rank(lost, window=self.window, unit_of_work=self.unit_of_work, clock=self.clock)
