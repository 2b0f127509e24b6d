"""A circuit breaker: a server that is away costs its callers a time-out now and then instead of one each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class CircuitBreaker:
    """Closed: calls pass. Open, after `failures_max` failures in a row: they do not, for a doubling while.

    When the while is over one caller at a time is let through as a probe; its success closes the circuit.
    """

    def __init__(
        self,
        *,
        failures_max: int = 2,
        open_seconds_first: float = 0.25,
        open_seconds_max: float = 2.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._failures_max = failures_max
        self._open_seconds_first = open_seconds_first
        self._open_seconds_max = open_seconds_max
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._failures = 0
        self._open_seconds = open_seconds_first
        self._retry_at: float | None = None  # None: closed
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether the last thing heard of the server was that it is away."""
        return self._retry_at is not None

    def allows(self) -> bool:
        """Whether this caller may try; who is told yes must report `succeeded` or `failed`."""
        if not self.is_open:  # without the lock: the common case
            return True
        with self._lock:
            now = self._monotonic()
            if self._retry_at is None:
                return True
            if now < self._retry_at:
                return False
            # Nobody else until the probe has told, or its lease has run out with a prober that died.
            self._retry_at = now + self._open_seconds_max
            self._probing = True
            return True

    def succeeded(self) -> bool:
        """The server answered; True when that closed the circuit."""
        if self._failures == 0:
            return False
        with self._lock:
            was_open = self._retry_at is not None
            self._failures = 0
            self._open_seconds = self._open_seconds_first
            self._retry_at = None
            self._probing = False
            return was_open

    def failed(self) -> bool:
        """The server did not answer; True when that opened the circuit."""
        with self._lock:
            self._failures += 1
            if self._retry_at is not None and not self._probing:
                return False  # sent before the circuit opened: tells nothing new
            if self._failures < self._failures_max:
                return False
            opened = self._retry_at is None
            self._retry_at = self._monotonic() + self._open_seconds
            self._open_seconds = min(self._open_seconds * 2, self._open_seconds_max)
            self._probing = False
            return opened
