"""Drain the spool: signals promised while Postgres was away get their rows, and those still fresh their chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from app.domain.signals import Signal
from app.ports import (
    BufferUnavailableError,
    ConstraintViolatedError,
    DatabaseUnavailableError,
    DurableBuffer,
    Loss,
)
from app.services.admit_signals import AdmitSignals

BATCH_MAX = 200
RUN_SECONDS_MAX = 2.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DrainSpool:
    """Use case of `signals.drain`; any number of processes may run it at once, one of them does it."""

    spool: DurableBuffer[Signal]
    admit: AdmitSignals

    def __call__(self) -> bool:
        """Whether nothing is left to drain."""
        try:
            drained = self.spool.replay(
                self._store, on_lost=self._tell, batch_max=BATCH_MAX, seconds_max=RUN_SECONDS_MAX
            )
            if drained:
                log.info("spool_drained", count=drained)
            return not self.spool.has_backlog()
        except DatabaseUnavailableError as error:
            log.debug("spool_waits", error=str(error))
        except BufferUnavailableError as error:
            log.error("spool_unreadable", error=str(error))  # noqa: TRY400 - its text says it all
        return False

    def _store(self, signals: Sequence[Signal]) -> None:
        try:
            self.admit.store(signals)
        except DatabaseUnavailableError:
            raise
        except Exception as error:
            # One that the database does not take must not keep the others waiting for ever.
            if len(signals) == 1:
                if not isinstance(error, ConstraintViolatedError):
                    log.exception("spooled_signal_not_storable", signal_id=signals[0].signal_id)
                self.spool.set_aside(signals[0], repr(error))
                return
            middle = len(signals) // 2
            self._store(signals[:middle])
            self._store(signals[middle:])

    def _tell(self, count: int, loss: Loss) -> None:
        log.error("spooled_signals_lost", count=count, loss=loss.value)
