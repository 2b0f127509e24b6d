"""Count outcomes: what became of each strategy's signals, each event once; a consumer of the live event stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from app.domain.events import Event, EventType
from app.domain.signals import SignalState
from app.ports import Clock, ConstraintViolatedError, DatabaseUnavailableError, Delivery, EventGroup, UnitOfWorkFactory
from app.services import announcements

CONSUMER = "strategies"
BATCH_MAX = 500
BATCHES_MAX = 10  # in one run
ATTEMPTS_MAX = 5
REVIVED_MAX = 1_000

log = structlog.get_logger(__name__)


class UncountableEventError(Exception):
    """The event does not say which signal ended how."""


@dataclass(frozen=True, slots=True)
class CountOutcomes:
    """Use case of `strategies.count`; raises `EventsUnavailableError` and `DatabaseUnavailableError`: it comes again.

    A batch that fails is applied event by event, so that one that cannot be applied keeps nobody else waiting; after
    `ATTEMPTS_MAX` deliveries it is a dead letter. Runs may overlap: an event is counted by whoever claims it first.
    """

    unit_of_work: UnitOfWorkFactory
    group: EventGroup
    clock: Clock

    def __call__(self) -> None:
        """Apply what is new and what was not acknowledged."""
        for _ in range(BATCHES_MAX):
            deliveries = self.group.take(limit=BATCH_MAX)
            self._carry_out(deliveries)
            if len(deliveries) < BATCH_MAX:
                return

    def revive(self, letter_ids: Sequence[str] | None = None) -> int:
        """Apply dead letters once more, all or these; how many were. Those that fail again stay."""
        revived = 0
        for letter in self.group.dead(limit=REVIVED_MAX):
            if letter_ids is not None and letter.letter_id not in letter_ids:
                continue
            try:
                self._apply([letter.event])
            except (UncountableEventError, ConstraintViolatedError) as error:
                log.warning("dead_letter_not_revived", letter_id=letter.letter_id, error=str(error))
                continue
            self.group.discard([letter.letter_id])
            revived += 1
        return revived

    def _carry_out(self, deliveries: Sequence[Delivery]) -> None:
        try:
            self._apply([each.event for each in deliveries])
        except DatabaseUnavailableError:
            raise
        except (UncountableEventError, ConstraintViolatedError) as error:
            if len(deliveries) == 1:
                self._fail(deliveries[0], error)
                return
            for each in deliveries:
                self._carry_out([each])
            return
        self.group.acknowledge(deliveries)

    def _fail(self, delivery: Delivery, error: Exception) -> None:
        log.warning("event_not_applied", event_id=delivery.event.event_id, attempts=delivery.attempts, error=str(error))
        if delivery.attempts >= ATTEMPTS_MAX:
            self.group.bury(delivery, f"{type(error).__name__}: {error}")

    def _apply(self, events: Sequence[Event]) -> None:
        ends = {event.event_id: _end_of(event) for event in events if event.type is EventType.SIGNAL_DECIDED}
        ended = {event_id: end for event_id, end in ends.items() if end[1].is_terminal}
        if not ended:
            return
        now = self.clock.now()
        with self.unit_of_work() as uow:
            fresh = uow.events.claim(CONSUMER, sorted(ended))
            totals = uow.events.add_outcomes([ended[event_id] for event_id in fresh])
            uow.emit(*(announcements.strategy_updated(strategy, counts, now) for strategy, counts in totals.items()))
            uow.commit()


def _end_of(event: Event) -> tuple[str, SignalState]:
    try:
        return str(event.payload["signal_id"]), SignalState(event.payload["state"])
    except (KeyError, ValueError) as error:
        raise UncountableEventError(f"event {event.event_id}: {error!r}") from error
