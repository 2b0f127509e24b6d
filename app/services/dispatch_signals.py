"""Dispatch: take the best signals out of the window, but only while few are being worked on."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.signals import SignalEvent, SignalState
from app.flow import Happening
from app.ports import AdmissionWindow, Clock, HintLatch, TaskQueue, UnitOfWorkFactory, WindowUnavailableError
from app.services import announcements
from app.services.admit_signals import TIME_TO_LIVE_OVER
from app.services.hints import announce, priority_of

BUSY_RETRY_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class DispatchSignals:
    """Use case of `signals.dispatch`: pops at most `per_cycle_max`, and never beyond `in_flight_max` at work."""

    unit_of_work: UnitOfWorkFactory
    window: AdmissionWindow
    tasks: TaskQueue
    latch: HintLatch
    clock: Clock
    per_cycle_max: int
    in_flight_max: int

    def __call__(self) -> int:
        """How many signals were handed to workers."""
        # Released first: whatever arrives from here on asks for a dispatch of its own.
        self.latch.release_hint("dispatch")
        now = self.clock.now()
        with self.unit_of_work() as uow:
            if not uow.control.try_lock("dispatch"):
                # Another dispatcher counts credits right now; ours may matter for what arrived after its pop.
                announce(self.tasks, Happening.SIGNALS_ADMITTED, priority=0, countdown_seconds=BUSY_RETRY_SECONDS)
                return 0
            credit = min(self.per_cycle_max, self.in_flight_max - uow.signals.in_flight_count())
            if credit <= 0:
                return 0
            try:
                popped = self.window.pop_best(credit, now=now)
            except WindowUnavailableError:
                return 0  # the signals are safe in Postgres; beat tries again every second
            reason = "older than its time to live when its turn came"
            for expired in uow.signals.advance(
                popped.expired, SignalEvent.EXPIRED, now=now, reason_code=TIME_TO_LIVE_OVER, reason=reason
            ):
                uow.emit(announcements.signal_decided(expired, SignalState.EXPIRED, TIME_TO_LIVE_OVER, reason, now))
            moved = set(uow.signals.advance(popped.signal_ids, SignalEvent.DISPATCHED, now=now))
            confidences = uow.signals.confidences(popped.signal_ids)
            uow.commit()
        # Dying here leaves DISPATCHED rows without a hint: the sweep hints them again.
        for signal_id in popped.signal_ids:
            if signal_id in moved:
                announce(
                    self.tasks,
                    Happening.SIGNAL_DISPATCHED,
                    signal_id,
                    priority=priority_of(confidences[signal_id]),
                )
        return len(moved)
