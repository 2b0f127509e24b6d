"""Which symbols the exchange trades, for the door: answered from memory, read again in the background's good time."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import structlog

from app.ports import Clock, DatabaseUnavailableError, UnitOfWorkFactory

log = structlog.get_logger(__name__)

TRADING = "TRADING"
FRESH_SECONDS = 30
UNKNOWN_RETRY_SECONDS = 2  # while the exchange has not told yet


class KnowSymbols:
    """Thread-safe. One caller in a while reads, the others take what is known; an outage keeps what was known."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._reading = threading.Lock()
        self._known: frozenset[str] | None = None
        self._read_at: datetime | None = None

    def __call__(self) -> frozenset[str] | None:
        """The symbols; None while the exchange has not told yet."""
        if self._is_due() and self._reading.acquire(blocking=False):
            try:
                self._read()
            finally:
                self._reading.release()
        return self._known

    def _is_due(self) -> bool:
        age = FRESH_SECONDS if self._known is not None else UNKNOWN_RETRY_SECONDS
        return self._read_at is None or self._clock.now() - self._read_at >= timedelta(seconds=age)

    def _read(self) -> None:
        self._read_at = self._clock.now()
        try:
            with self._unit_of_work() as uow:
                rules = uow.control.symbols()
        except DatabaseUnavailableError as error:
            log.warning("symbols_not_read", error=str(error))
            return
        trading = frozenset(symbol for symbol, each in rules.items() if each.status == TRADING)
        self._known = trading or None
