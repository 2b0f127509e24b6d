"""The user stream: a listen key kept alive, a socket kept open, and a gap told whenever something may be missing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import structlog

from app.adapters.binance.rest import QuestionError
from app.adapters.binance.server_clock import utc_now
from app.adapters.binance.stream_loop import ReconnectRequested, StreamLimits, StreamLoop
from app.adapters.binance.user_events import ListenKeyExpired, StreamGap, UserEvent, parse_user_event
from app.adapters.binance.wire import MalformedAnswerError

log = structlog.get_logger(__name__)

RENEW_SECONDS = 25 * 60.0  # a key lives 60 minutes
RENEW_AGAIN_SECONDS = 60.0  # after a renewal that failed
KEY_SECONDS_MAX = 55 * 60.0  # without a renewal: better a new key now than a silent stream later
GAP_SECONDS_MIN = 5.0  # between two gaps, so that odd messages cannot drown us in reconciliations
LISTEN_KEY_GONE = "-1125"


class ListenKeys(Protocol):
    """The part of `RestExchange` that this stream needs; all raise `QuestionError`."""

    def open_listen_key(self) -> str: ...

    def extend_listen_key(self) -> None: ...


class UserStream:
    """Blocking loop of the account's own events.

    The handler gets a `StreamGap` first and again after every reconnect: events said meanwhile are not repeated, so it
    must reconcile by REST. Events may come twice and late. What the handler raises ends `run`.
    `stream_url` has no path (`wss://fstream.binance.com`).
    """

    def __init__(
        self,
        *,
        listen_keys: ListenKeys,
        stream_url: str,
        random_share: Callable[[], float],
        limits: StreamLimits | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._listen_keys = listen_keys
        self._stream_url = stream_url.rstrip("/")
        self._random_share = random_share
        self._limits = limits
        self._monotonic = monotonic
        self._now = now
        self._loop: StreamLoop | None = None

    @property
    def last_message_at(self) -> datetime | None:
        """When something was last said; silence is normal while nothing is traded."""
        return self._loop.last_message_at if self._loop is not None else None

    @property
    def last_alive_at(self) -> datetime | None:
        """When the connection last proved to be alive: a message, or a pong at least every half minute."""
        return self._loop.last_alive_at if self._loop is not None else None

    def run(self, handler: Callable[[UserEvent], None], stop: threading.Event) -> None:
        """Listen until `stop` is set."""
        listener = _UserListener(self._listen_keys, self._stream_url, handler, self._monotonic)
        self._loop = StreamLoop(
            listener,
            name="user",
            random_share=self._random_share,
            limits=self._limits,
            monotonic=self._monotonic,
            now=self._now,
        )
        self._loop.run(stop)


class _UserListener:
    """What the user stream does with its connection."""

    def __init__(
        self,
        listen_keys: ListenKeys,
        stream_url: str,
        handler: Callable[[UserEvent], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._listen_keys = listen_keys
        self._stream_url = stream_url
        self._handler = handler
        self._monotonic = monotonic
        self._renewed = 0.0
        self._renew_at = 0.0
        self._gap_told = 0.0
        self._gap_pending: str | None = None

    def url(self) -> str:
        """A POST gives the present key with a new hour, or a new one."""
        key = self._listen_keys.open_listen_key()
        self._renewed = self._monotonic()
        self._renew_at = self._renewed + RENEW_SECONDS
        return f"{self._stream_url}/private/ws?listenKey={key}"

    def opened(self) -> None:
        self._tell_gap("connected")

    def received(self, message: str | bytes) -> None:
        try:
            event = parse_user_event(message)
        except MalformedAnswerError as error:
            log.warning("user_event_not_understood", reason=str(error))
            self._gap_pending = f"an event was not understood: {error}"
            return
        if event is None:
            return
        if isinstance(event, ListenKeyExpired):
            raise ReconnectRequested("the listen key has expired")
        self._handler(event)

    def idle(self) -> None:
        now = self._monotonic()
        if self._gap_pending is not None and now - self._gap_told >= GAP_SECONDS_MIN:
            self._tell_gap(self._gap_pending)
        if now >= self._renew_at:
            self._renew(now)

    def _tell_gap(self, reason: str) -> None:
        self._gap_told = self._monotonic()
        self._gap_pending = None
        self._handler(StreamGap(reason=reason))

    def _renew(self, now: float) -> None:
        try:
            self._listen_keys.extend_listen_key()
        except QuestionError as error:
            log.warning("listen_key_not_renewed", reason=str(error))
            if error.code == LISTEN_KEY_GONE or now - self._renewed > KEY_SECONDS_MAX:
                raise ReconnectRequested("the listen key is gone or about to go") from error
            self._renew_at = now + RENEW_AGAIN_SECONDS
            return
        self._renewed = now
        self._renew_at = now + RENEW_SECONDS
