"""Replay events: what waited on the disk while the stream was away goes into it, in order, before anything newer."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from app.domain.events import Event, EventType
from app.ports import (
    BufferUnavailableError,
    Clock,
    DatabaseUnavailableError,
    DurableBuffer,
    EventDelivery,
    EventsUnavailableError,
    Loss,
)
from app.services import announcements
from app.services.mend_events import MendEvents

BATCH_MAX = 500
RUN_SECONDS_MAX = 2.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReplayEvents:
    """Use case of `events.replay`; any number of processes may run it at once, one of them does it."""

    buffer: DurableBuffer[Event]
    stream: EventDelivery
    mend: MendEvents
    clock: Clock

    def __call__(self) -> bool:
        """Whether nothing is left to replay."""
        try:
            self.mend()  # what the stream forgot came before what waits
            delivered = self.buffer.replay(
                self.stream.deliver, on_lost=self._tell, batch_max=BATCH_MAX, seconds_max=RUN_SECONDS_MAX
            )
            if delivered:
                log.info("events_replayed", count=delivered)
            return not self.buffer.has_backlog()
        except (EventsUnavailableError, DatabaseUnavailableError) as error:
            log.debug("events_wait", error=str(error))
        except BufferUnavailableError as error:
            log.error("event_buffer_unreadable", error=str(error))  # noqa: TRY400 - its text says it all
        return False

    def _tell(self, count: int, loss: Loss) -> None:
        """Whoever follows the stream learns that something is missing, before what came after it."""
        cause = {
            Loss.FELL_OFF: f"{count} events were given up for newer ones while the event stream was away",
            Loss.CORRUPT: f"{count} events were damaged on the disk",
        }[loss]
        payload = {"component": "event_buffer", "status": "DEGRADED", "cause": cause}
        self.stream.deliver([announcements.event(EventType.HEALTH_ALERT, self.clock.now(), payload)])
