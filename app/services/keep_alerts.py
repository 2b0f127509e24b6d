"""Keep alerts: into Postgres and onto the live stream; onto this machine's disk while Postgres is away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from app.domain.alerts import Alert
from app.ports import (
    BufferUnavailableError,
    DatabaseUnavailableError,
    DurableBuffer,
    EventPublisher,
    Loss,
    UnitOfWorkFactory,
)
from app.services import announcements

BATCH_MAX = 100
RUN_SECONDS_MAX = 2.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class KeepAlerts:
    """The history of alerts. Saving twice or out of order is harmless: the newest revision of an alert wins."""

    unit_of_work: UnitOfWorkFactory
    journal: DurableBuffer[Alert]
    publisher: EventPublisher

    def __call__(self, alert: Alert) -> None:
        """Keep a change and announce it; never raises for a server or disk that is away."""
        event = announcements.health_alert(alert)
        try:
            with self.unit_of_work() as uow:
                uow.alerts.save(alert)
                uow.emit(event)
                uow.commit()
        except DatabaseUnavailableError as error:
            self._write_down(alert, error)
            self.publisher.publish([event])

    def note_delivery(self, alert: Alert) -> None:
        """Keep to whom it was delivered; lost, it is delivered once more."""
        try:
            with self.unit_of_work() as uow:
                uow.alerts.save(alert)
                uow.commit()
        except DatabaseUnavailableError as error:
            self._write_down(alert, error)

    def catch_up(self) -> bool:
        """Bring what was written down into Postgres; whether nothing is left."""
        try:
            if not self.journal.has_backlog():
                return True
            self.journal.replay(self._save_all, on_lost=_tell, batch_max=BATCH_MAX, seconds_max=RUN_SECONDS_MAX)
            return not self.journal.has_backlog()
        except (DatabaseUnavailableError, BufferUnavailableError) as error:
            log.debug("alerts_wait", error=str(error))
            return False

    def open_alerts(self) -> Sequence[Alert]:
        """Those not cleared; raises `DatabaseUnavailableError`."""
        with self.unit_of_work() as uow:
            return uow.alerts.open()

    def _save_all(self, alerts: Sequence[Alert]) -> None:
        with self.unit_of_work() as uow:
            for alert in alerts:
                uow.alerts.save(alert)
            uow.commit()

    def _write_down(self, alert: Alert, cause: Exception) -> None:
        try:
            self.journal.append([alert])
        except BufferUnavailableError as error:
            # It is still told to people and in the log; only the history misses it.
            log.error(  # noqa: TRY400 - both texts say it all
                "alert_not_kept", alert_id=alert.alert_id, component=alert.component, error=str(error), cause=str(cause)
            )


def _tell(count: int, loss: Loss) -> None:
    log.error("alerts_lost", count=count, loss=loss.value)
