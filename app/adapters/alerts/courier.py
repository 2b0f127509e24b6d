"""Takes alerts to every channel, in order, until each has them: a channel that is away costs the others nothing."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from app.domain.alerts import Alert
from app.ports import AlertChannel, AlertNotDeliveredError

RETRY_SECONDS_FIRST = 1.0
RETRY_SECONDS_MAX = 60.0
ATTEMPTS_MAX = 200  # some three hours
WAITING_MAX = 1_000
STOP_SECONDS_MAX = 2.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelStatus:
    """How a channel is doing; `error` is None while it takes what it is given."""

    waiting: int
    delivered: int
    given_up: int
    error: str | None


class _Line:
    """One channel, what waits for it, and the thread that takes it there."""

    def __init__(self, channel: AlertChannel, on_delivered: Callable[[Alert], None], first_seconds: float) -> None:
        self._channel = channel
        self._on_delivered = on_delivered
        self._first_seconds = first_seconds
        self._waiting: deque[Alert] = deque()
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._delivered = 0
        self._given_up = 0
        self._error: str | None = None
        self._thread = threading.Thread(target=self._run, name=f"alerts-{channel.name}", daemon=True)
        self._thread.start()

    def put(self, alert: Alert) -> None:
        with self._changed:
            if len(self._waiting) >= WAITING_MAX:
                self._give_up(self._waiting.popleft(), "too many wait")
            self._waiting.append(alert)
            self._changed.notify()

    def status(self) -> ChannelStatus:
        with self._changed:
            return ChannelStatus(
                waiting=len(self._waiting) + (self._error is not None),  # one is in hand
                delivered=self._delivered,
                given_up=self._given_up,
                error=self._error,
            )

    def stop(self) -> None:
        self._stopping.set()
        with self._changed:
            self._changed.notify()
        self._thread.join(STOP_SECONDS_MAX)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._stopping.is_set():
                    self._changed.wait()
                if self._stopping.is_set():
                    return
                alert = self._waiting.popleft()
            self._take(alert)

    def _take(self, alert: Alert) -> None:
        """Try until it is delivered, given up, or the process ends (it is delivered by the next one then)."""
        pause = self._first_seconds
        for _ in range(ATTEMPTS_MAX):
            try:
                self._channel.deliver(alert)
            except AlertNotDeliveredError as error:
                log.warning("alert_not_delivered", channel=self._channel.name, error=str(error))
                self._failed(str(error))
            except Exception as error:  # whatever it is, the next alert must not suffer from it
                log.exception("alert_not_delivered", channel=self._channel.name)
                self._failed(type(error).__name__)
            else:
                with self._changed:
                    self._delivered += 1
                    self._error = None
                self._on_delivered(replace(alert, delivered={**alert.delivered, self._channel.name: alert.revision}))
                return
            if self._stopping.wait(pause):
                return
            pause = min(2 * pause, RETRY_SECONDS_MAX)
        with self._changed:
            self._give_up(alert, "tried too often")

    def _failed(self, error: str) -> None:
        with self._changed:
            self._error = error

    def _give_up(self, alert: Alert, why: str) -> None:
        self._given_up += 1
        log.error("alert_given_up", channel=self._channel.name, alert_id=alert.alert_id, why=why)


class AlertCourier:
    """Delivers at least once. `on_delivered` gets the alert with the channel's new revision in it, in any thread."""

    def __init__(
        self,
        channels: Sequence[AlertChannel],
        *,
        on_delivered: Callable[[Alert], None],
        retry_seconds_first: float = RETRY_SECONDS_FIRST,
    ) -> None:
        self._lines = {channel.name: _Line(channel, on_delivered, retry_seconds_first) for channel in channels}

    def send(self, alert: Alert) -> None:
        """Put it behind what waits for each channel that has not had this revision; returns at once."""
        for name, line in self._lines.items():
            if alert.delivered.get(name, 0) < alert.revision:
                line.put(alert)

    def status(self) -> Mapping[str, ChannelStatus]:
        """By channel."""
        return {name: line.status() for name, line in self._lines.items()}

    def stop(self) -> None:
        """End the threads; what waits is delivered by the next process, from the history."""
        for line in self._lines.values():
            line.stop()
