"""One websocket kept alive: bounded reconnects, pings, silence, daily rollover; what is heard goes to a listener."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from app.adapters.binance.server_clock import utc_now
from app.ports import ExchangeError

log = structlog.get_logger(__name__)

# The library writes every URL it opens at level DEBUG, and a listen key is as good as a password.
_quiet = logging.getLogger("app.adapters.binance.websockets")
_quiet.setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """Every wait of a stream."""

    open_seconds_max: float = 5.0
    close_seconds_max: float = 2.0
    poll_seconds: float = 0.5  # how soon a stop, a ping or a renewal that is due is noticed
    ping_after_seconds: float = 15.0  # of hearing nothing
    pong_seconds_max: float = 10.0
    silence_seconds_max: float | None = None  # without a message; None where silence is normal
    life_seconds_max: float = 23 * 3600 + 50 * 60.0  # the exchange cuts at 24 hours; we choose the moment
    message_bytes_max: int = 4 * 1024 * 1024
    queued_messages_max: int = 1_024
    backoff_first_seconds: float = 0.5
    backoff_seconds_max: float = 10.0
    stable_seconds: float = 30.0  # a connection that lived this long resets the back-off


class ReconnectRequested(Exception):
    """Raised by a listener that wants this connection replaced; the text says why."""


class StreamListener(Protocol):
    """What a stream does with its connection. Exceptions other than those named end `StreamLoop.run`."""

    def url(self) -> str:
        """Where to connect to; may ask the exchange and raise `ExchangeError`, which counts as a failed attempt."""
        ...

    def opened(self) -> None:
        """A connection stands; whatever was said before it is lost."""
        ...

    def received(self, message: str | bytes) -> None:
        """One message; may raise `ReconnectRequested`."""
        ...

    def idle(self) -> None:
        """Called between messages and at least every `poll_seconds`; may raise `ReconnectRequested`."""
        ...


class _LostError(Exception):
    """The connection ended or could not be made; the text says why, without its URL."""


class StreamLoop:
    """Runs one stream until told to stop. `name` is for the log; `random_share` is uniform in [0, 1)."""

    def __init__(
        self,
        listener: StreamListener,
        *,
        name: str,
        random_share: Callable[[], float],
        limits: StreamLimits | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._listener = listener
        self._name = name
        self._random_share = random_share
        self._limits = limits or StreamLimits()
        self._monotonic = monotonic
        self._now = now
        self.last_message_at: datetime | None = None
        self.last_alive_at: datetime | None = None  # a message, or a pong in a silent stream
        self.connections_made = 0

    def run(self, stop: threading.Event) -> None:
        """Connect, listen, reconnect, until `stop` is set. Exceptions of the listener pass through."""
        failures = 0
        while not stop.is_set():
            began = self._monotonic()
            try:
                self._connect_and_listen(stop)
                return
            except (_LostError, ReconnectRequested) as ending:
                reason = str(ending)
            failures = 0 if self._monotonic() - began >= self._limits.stable_seconds else failures + 1
            delay = self._backoff_seconds(failures)
            log.warning("stream_reconnects", stream=self._name, reason=reason, delay_seconds=round(delay, 2))
            stop.wait(delay)

    def _backoff_seconds(self, failures: int) -> float:
        """Doubling from the first delay to the cap, of which a random half to whole is waited."""
        doubled: float = self._limits.backoff_first_seconds * 2 ** min(failures, 16)
        longest = min(doubled, self._limits.backoff_seconds_max)
        return longest * (0.5 + self._random_share() / 2)

    def _connect_and_listen(self, stop: threading.Event) -> None:
        with ExitStack() as closing:
            connection = self._connect(closing)
            self.connections_made += 1
            self.last_alive_at = self._now()
            log.info("stream_connected", stream=self._name)
            self._listener.opened()
            self._listen(connection, stop)

    def _connect(self, closing: ExitStack) -> ClientConnection:
        limits = self._limits
        try:
            return closing.enter_context(
                connect(
                    self._listener.url(),
                    proxy=None,
                    compression=None,
                    open_timeout=limits.open_seconds_max,
                    close_timeout=limits.close_seconds_max,
                    ping_interval=None,  # pings are ours: see _Heartbeat
                    max_size=limits.message_bytes_max,
                    max_queue=limits.queued_messages_max,
                    logger=_quiet,
                )
            )
        except ExchangeError as error:
            raise _LostError(f"no address to connect to: {error}") from error
        # EOFError: the server closed in the middle of the handshake.
        except (OSError, EOFError, WebSocketException) as error:
            raise _LostError(f"could not connect: {_describe(error)}") from error

    def _listen(self, connection: ClientConnection, stop: threading.Event) -> None:
        limits = self._limits
        opened = heard = self._monotonic()
        heartbeat = _Heartbeat(connection, limits, opened)
        while not stop.is_set():
            message = self._receive(connection)
            now = self._monotonic()
            if message is not None:
                heard = now
                heartbeat.heard(now)
                self.last_message_at = self.last_alive_at = self._now()
                self._listener.received(message)
            elif heartbeat.check(now):
                self.last_alive_at = self._now()
            self._listener.idle()
            if limits.silence_seconds_max is not None and now - heard > limits.silence_seconds_max:
                raise _LostError(f"no message for {limits.silence_seconds_max:g} s")
            if now - opened > limits.life_seconds_max:
                raise _LostError("daily rollover")

    def _receive(self, connection: ClientConnection) -> str | bytes | None:
        try:
            return connection.recv(timeout=self._limits.poll_seconds)
        except TimeoutError:
            return None
        except ConnectionClosed as error:
            raise _LostError(f"connection closed: {_describe(error)}") from error


class _Heartbeat:
    """Asks for a pong when nothing was heard, and gives the connection up when none comes."""

    def __init__(self, connection: ClientConnection, limits: StreamLimits, now: float) -> None:
        self._connection = connection
        self._limits = limits
        self._alive = now
        self._pong: threading.Event | None = None
        self._pinged = now

    def heard(self, now: float) -> None:
        """Any message is as good as a pong."""
        self._alive, self._pong = now, None

    def check(self, now: float) -> bool:
        """Ping if it is time; True when a pong has come; `_LostError` when none did."""
        if self._pong is None:
            if now - self._alive >= self._limits.ping_after_seconds:
                self._ping(now)
            return False
        if self._pong.is_set():
            self.heard(now)
            return True
        if now - self._pinged > self._limits.pong_seconds_max:
            raise _LostError(f"no pong within {self._limits.pong_seconds_max:g} s")
        return False

    def _ping(self, now: float) -> None:
        try:
            self._pong = self._connection.ping()
        except ConnectionClosed as error:
            raise _LostError(f"connection closed: {_describe(error)}") from error
        self._pinged = now


def _describe(error: Exception) -> str:
    """What happened, without texts that may quote the URL and the listen key in it."""
    if isinstance(error, ConnectionClosed):
        code = error.rcvd.code if error.rcvd is not None else None
        return f"{type(error).__name__}, code={code}"
    if isinstance(error, InvalidStatus):
        return f"{type(error).__name__}, status={error.response.status_code}"
    if isinstance(error, OSError):
        return f"{type(error).__name__}, {error.strerror or 'no details'}"
    return type(error).__name__
