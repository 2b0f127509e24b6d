"""Spares the door the waiting while Postgres is away: callers are refused at once, a thread of its own keeps asking."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from types import TracebackType

import structlog

from app.adapters.until_done import UntilDone
from app.domain.events import Event
from app.ports import DatabaseUnavailableError, UnitOfWork, UnitOfWorkFactory

log = structlog.get_logger(__name__)

FAILURES_MAX = 2
SILENT_SECONDS_MAX = 1.0  # a healthy Postgres has answered long before; its own limits take several times as long


class OutageGate:
    """Closes after `failures_max` quick failures in a row or a slow one, and while somebody has been waiting for longer
    than `silent_seconds_max`. Opens when `probe` returns without `DatabaseUnavailableError`.

    No caller ever probes: a Postgres that is frozen instead of dead would cost it seconds.
    """

    def __init__(
        self,
        probe: Callable[[], None],
        *,
        failures_max: int = FAILURES_MAX,
        silent_seconds_max: float = SILENT_SECONDS_MAX,
        pause_seconds: float = 0.25,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._probe = probe
        self._silent_seconds_max = silent_seconds_max
        self._monotonic = monotonic
        self._waiting: dict[int, float] = {}  # a caller's number -> since when; the oldest first
        self._numbers = itertools.count()
        self._failures_max = failures_max
        self._lock = threading.Lock()
        self._failures = 0
        self._is_closed = False
        self._watch = UntilDone(self._ask, name="postgres-watch", pause_seconds=pause_seconds)

    @property
    def is_closed(self) -> bool:
        """Whether Postgres was last heard of as being away, or has not been heard of for too long."""
        return self._is_closed or self._is_silent()

    def entered(self) -> int:
        """A caller goes through; answers the number that it says when it has come back, one way or the other."""
        with self._lock:
            number = next(self._numbers)
            self._waiting[number] = self._monotonic()
            return number

    def failed(self, number: int, error: DatabaseUnavailableError) -> None:
        """The caller met an outage, or something like it (a lock not granted, no free connection)."""
        with self._lock:
            was_slow = self._monotonic() - self._waiting.pop(number) > self._silent_seconds_max
            self._failures += 1
            if self._is_closed or (self._failures < self._failures_max and not was_slow):
                return
            self._is_closed = True
        log.warning("postgres_away", error=str(error))
        self._watch.wake()

    def succeeded(self, number: int) -> None:
        """The caller was served."""
        with self._lock:
            del self._waiting[number]
            self._failures = 0

    def close(self) -> None:
        """Stop asking."""
        self._watch.stop()

    def _is_silent(self) -> bool:
        with self._lock:
            since = next(iter(self._waiting.values()), None)
        return since is not None and self._monotonic() - since > self._silent_seconds_max

    def _ask(self) -> bool:
        try:
            self._probe()
        except DatabaseUnavailableError:
            return False
        with self._lock:
            self._failures = 0
            self._is_closed = False
        log.info("postgres_back")
        return True


class GuardedUnitOfWork(UnitOfWork):
    """Another unit of work; what becomes of it is told to the gate."""

    def __init__(self, inner: UnitOfWork, gate: OutageGate) -> None:
        self._inner = inner
        self._gate = gate
        self._number = -1

    def __enter__(self) -> GuardedUnitOfWork:
        self._number = self._gate.entered()
        try:
            entered = self._inner.__enter__()
        except DatabaseUnavailableError as error:
            self._gate.failed(self._number, error)
            raise
        except BaseException:
            self._gate.succeeded(self._number)  # whatever it was, nobody waits any more
            raise
        self.signals = entered.signals
        self.orders = entered.orders
        self.ledger = entered.ledger
        self.control = entered.control
        self.alerts = entered.alerts
        self.events = entered.events
        self.protection = entered.protection
        self.access = entered.access
        return self

    def emit(self, *events: Event) -> None:
        self._inner.emit(*events)

    def commit(self) -> None:
        self._inner.commit()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._inner.__exit__(kind, error, trace)
        finally:
            if isinstance(error, DatabaseUnavailableError):
                self._gate.failed(self._number, error)
            else:
                self._gate.succeeded(self._number)


class GuardedUnitOfWorkFactory(UnitOfWorkFactory):
    """Starts units of work while the gate is open; `DatabaseUnavailableError` at once while it is closed."""

    def __init__(self, inner: UnitOfWorkFactory, gate: OutageGate) -> None:
        self._inner = inner
        self._gate = gate

    def __call__(self) -> GuardedUnitOfWork:
        if self._gate.is_closed:
            raise DatabaseUnavailableError("Postgres was away a moment ago")
        return GuardedUnitOfWork(self._inner(), self._gate)
