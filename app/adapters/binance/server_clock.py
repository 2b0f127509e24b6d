"""The exchange's clock: its offset from ours, measured by round trips, on a clock that nobody can set."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from app.ports import ExchangeError

log = structlog.get_logger(__name__)

NANOSECONDS_PER_MS = 1_000_000
# The exchange accepts timestamps up to one second ahead of its clock; half a round trip of error is fine below that.
ROUND_TRIP_MS_GOOD = 1_000


def boot_nanoseconds() -> int:
    """Time since boot, suspension included: neither NTP, nor an operator, nor a suspended machine sets it back."""
    boot_clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic_ns() if boot_clock is None else time.clock_gettime_ns(boot_clock)


def utc_now() -> datetime:
    """The machine's wall clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """The exchange's clock minus our ticks, in ms; true to within half the round trip."""

    offset_ms: int
    round_trip_ms: float
    measured_at_ns: int


class ServerClock:
    """`now_ms()` is the exchange's clock as well as we know it. Safe to use from several threads.

    `ask_server_ms` is one `/time` round trip and raises `ExchangeError`. The offset is the best (shortest round trip)
    of `samples`, measured again when older than `refresh_seconds` or after `mark_stale`. While it cannot be measured
    the old one serves until `age_seconds_max`; after that not knowing the time is an error.
    """

    def __init__(
        self,
        ask_server_ms: Callable[[], int],
        *,
        samples: int = 3,
        refresh_seconds: float = 60.0,
        retry_seconds: float = 5.0,
        age_seconds_max: float = 600.0,
        ticks_ns: Callable[[], int] = boot_nanoseconds,
        wall_now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._ask_server_ms = ask_server_ms
        self._samples = samples
        self._refresh_ns = int(refresh_seconds * 1e9)
        self._retry_ns = int(retry_seconds * 1e9)
        self._age_ns_max = int(age_seconds_max * 1e9)
        self._ticks_ns = ticks_ns
        self._wall_now = wall_now
        self._measuring = threading.Lock()
        self._best: Measurement | None = None
        self._is_stale = True
        self._not_before_ns = 0  # after a failed measurement

    def now_ms(self) -> int:
        """The exchange's clock in ms; `ExchangeError` when it was never measured or too long ago."""
        measurement = self._fresh()
        return self._ticks_ns() // NANOSECONDS_PER_MS + measurement.offset_ms

    def local_time_of(self, exchange_ms: int) -> datetime:
        """A moment of the exchange's clock on ours, never in the future. Does not wait for the network."""
        measurement = self._best
        now = self._wall_now()
        if measurement is None:
            raise ExchangeError("the exchange's clock was never measured")
        age_ms = self._ticks_ns() // NANOSECONDS_PER_MS + measurement.offset_ms - exchange_ms
        return now - timedelta(milliseconds=max(age_ms, 0))

    def mark_stale(self) -> None:
        """The exchange refused a timestamp: measure before the next use."""
        self._is_stale = True

    @property
    def measurement(self) -> Measurement | None:
        """What is believed now; None before the first measurement."""
        return self._best

    def _fresh(self) -> Measurement:
        best = self._best
        if best is not None and not self._is_due(best):
            return best
        # One thread measures; the others go on with what is known. Without anything known they wait their turn, which
        # is bounded by the time-outs of the round trips.
        if self._measuring.acquire(blocking=best is None):
            try:
                best = self._best
                if best is None and self._ticks_ns() < self._not_before_ns:
                    raise ExchangeError("the exchange's clock could not be measured a moment ago")
                if best is None or self._is_due(best):
                    self._measure()
            finally:
                self._measuring.release()
        return self._usable()

    def _is_due(self, measurement: Measurement) -> bool:
        now_ns = self._ticks_ns()
        if now_ns < self._not_before_ns:
            return False
        return self._is_stale or now_ns - measurement.measured_at_ns > self._refresh_ns

    def _usable(self) -> Measurement:
        best = self._best
        if best is None:
            raise ExchangeError("the exchange's clock was never measured")
        if self._ticks_ns() - best.measured_at_ns > self._age_ns_max:
            raise ExchangeError("the exchange's clock was not measured for too long")
        return best

    def _measure(self) -> None:
        best: Measurement | None = None
        try:
            for _ in range(self._samples):
                sample = self._sample()
                if best is None or sample.round_trip_ms < best.round_trip_ms:
                    best = sample
        except ExchangeError as error:
            if best is None:
                self._not_before_ns = self._ticks_ns() + self._retry_ns
                if self._best is None:
                    raise
                log.warning("exchange_clock_not_measured", error=str(error))
                return
        if best is None:
            raise ValueError("samples must be at least 1")
        if best.round_trip_ms > ROUND_TRIP_MS_GOOD:
            log.warning("exchange_clock_measured_badly", round_trip_ms=best.round_trip_ms)
        self._best = best
        self._is_stale = False
        self._not_before_ns = 0

    def _sample(self) -> Measurement:
        before_ns = self._ticks_ns()
        server_ms = self._ask_server_ms()
        after_ns = self._ticks_ns()
        middle_ns = (before_ns + after_ns) // 2
        return Measurement(
            offset_ms=server_ms - middle_ns // NANOSECONDS_PER_MS,
            round_trip_ms=(after_ns - before_ns) / NANOSECONDS_PER_MS,
            measured_at_ns=after_ns,
        )
