"""The one thread that follows the event stream and sends it to every dashboard.

Clients that keep up share one flow: its frames are built once and written to each socket. A client that cannot take
a frame, or that catches up on history, gets a flow of its own until it stands where the others stand. Only this
thread touches flows and clients; request threads hand new clients over through a queue.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

import structlog

from app.adapters.metrics.instruments import WEBSOCKET_CLIENTS
from app.domain.events import SequencedEvent
from app.ports import EventSource, EventsUnavailableError
from web.live.flow import Flow
from web.live.frames import PING_FRAME, EncodedEvent, close_frame, encode_event, snapshot_required
from web.live.limits import (
    BOUNDS_CHECK_SECONDS,
    CLIENTS_MAX,
    CLOSE_SECONDS_MAX,
    PING_SECONDS,
    READ_BLOCK_SECONDS,
    READ_EVENTS_MAX,
    RESUME_EVENTS_MAX,
    SILENCE_SECONDS_MAX,
    STALL_SECONDS_MAX,
    STREAM_GRACE_SECONDS,
    STREAM_RETRY_SECONDS,
    UPKEEP_SECONDS,
)
from web.live.outgoing import OutgoingSocket

log = structlog.get_logger("web.live")

GOING_AWAY = 1001
POLICY_VIOLATION = 1008
TRY_AGAIN_LATER = 1013


class Client:
    """One dashboard. `why_gone` says why it was sent away, or stays None when it left by itself."""

    def __init__(self, socket: OutgoingSocket, after: int | None, now: float) -> None:
        self.socket = socket
        self.after = after
        self.flow: Flow | None = None  # None: it goes with the others
        self.pinged_at = now
        self.frames = 0
        self.has_left = False
        self.why_gone: str | None = None
        self.closing_since: float | None = None


class Hub:
    """Starts its thread with the first client; `stop` ends it. `clock` is monotonic seconds."""

    def __init__(self, source: EventSource, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock
        self._lock = threading.Lock()  # guards the thread's start and end, who arrives, and the count of clients
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._has_parted = False  # we stop, and everybody who came before was told goodbye
        self._arriving: deque[Client] = deque()
        self._clients: list[Client] = []
        self._client_count = 0
        self._first = 0  # the oldest event that the stream held when we began
        self._newest = 0  # the last event read, or where the stream stood when we began
        self._history: deque[EncodedEvent] = deque(maxlen=RESUME_EVENTS_MAX)
        self._shared = Flow(0)
        self._is_following = False
        self._failing_since: float | None = None
        self._bounds_checked_at = 0.0
        self._upkeep_at = 0.0

    # ---------------------------------------------------------------------------------- for request threads

    @property
    def is_available(self) -> bool:
        """Whether new clients can be served: the stream can be read, as far as is known, and we are not stopping."""
        if self._stopping.is_set():
            return False
        return self._failing_since is None or self._clock() - self._failing_since < STREAM_GRACE_SECONDS

    @property
    def has_room(self) -> bool:
        """Whether one more client can be served."""
        return self._client_count < CLIENTS_MAX

    @property
    def client_count(self) -> int:
        """How many are connected."""
        return self._client_count

    def join(self, socket: OutgoingSocket, *, after: int | None) -> Client:
        """Serve this client from now on: from the event after `after`, or from the newest."""
        client = Client(socket, after, self._clock())
        with self._lock:
            self._client_count += 1
            WEBSOCKET_CLIENTS.set(self._client_count)
            is_too_late = self._has_parted
            if not is_too_late:
                self._arriving.append(client)
                if self._thread is None:
                    self._start_thread()
        if is_too_late:
            client.socket.abort()  # nobody will look again
        return client

    def leave(self, client: Client) -> None:
        """The client's connection has ended."""
        client.has_left = True
        with self._lock:
            self._client_count -= 1
            WEBSOCKET_CLIENTS.set(self._client_count)

    def stop(self) -> None:
        """Say goodbye to everybody and end the thread."""
        self._stopping.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(timeout=CLOSE_SECONDS_MAX + READ_BLOCK_SECONDS + 1.0)

    # ---------------------------------------------------------------------------------- the thread

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._step()
        except Exception:
            # A dashboard that nobody feeds looks alive: better to part with all, who come back to a new beginning.
            log.exception("dashboard_hub_failed")
        self._part_with_all()
        with self._lock:
            self._is_following = False
            self._history.clear()
            self._thread = None
            if self._arriving and not self._stopping.is_set():
                self._start_thread()

    def _start_thread(self) -> None:
        self._thread = threading.Thread(target=self._run, name="dashboard-hub", daemon=True)
        self._thread.start()

    def _step(self) -> None:
        try:
            events = self._read()
        except EventsUnavailableError as error:
            self._stream_failed(error)
            return
        self._stream_works()
        now = self._clock()
        for event in events:
            self._take_in(event, now)
        self._settle(now)

    def _settle(self, now: float) -> None:
        self._greet(now)
        self._send_shared(now)
        everybody = now >= self._upkeep_at
        if everybody:
            self._upkeep_at = now + UPKEEP_SECONDS
        for client in self._clients:
            # Most clients keep up and need nothing between one upkeep and the next.
            if everybody or client.flow is not None or not client.socket.is_clear:
                self._serve(client, now)
        if any(client.has_left for client in self._clients):
            self._clients = [client for client in self._clients if not client.has_left]

    # -- reading

    def _read(self) -> Sequence[SequencedEvent]:
        if not self._is_following:
            self._begin()
        events = self._source.read(after=self._newest, block_seconds=self._patience_seconds(), limit=READ_EVENTS_MAX)
        if not events and self._clock() - self._bounds_checked_at >= BOUNDS_CHECK_SECONDS:
            self._bounds_checked_at = self._clock()
            newest = self._source.bounds()[1]
            if newest < self._newest:
                self._start_over(newest, "the event stream began anew")
        return events

    def _begin(self) -> None:
        """Read the history that clients may ask for."""
        first, newest = self._source.bounds()
        position = max(first - 1, newest - RESUME_EVENTS_MAX, 0)
        history: list[EncodedEvent] = []
        while position < newest:
            events = self._source.read(after=position, block_seconds=0.0, limit=READ_EVENTS_MAX)
            if not events:
                break
            if history and events[0].sequence != position + 1:
                history.clear()
            history.extend(encode_event(event) for event in events)
            position = events[-1].sequence
        self._newest = max(position, newest)
        self._history.extend(history)
        self._first = first
        self._shared = Flow(self._newest)
        self._is_following = True

    def _patience_seconds(self) -> float:
        """How long the next read may wait for an event: until the next frame is due, at most a tenth of a second."""
        now = self._clock()
        flows = [self._shared, *(c.flow for c in self._clients if c.flow is not None and c.socket.is_clear)]
        waits = [wait for flow in flows if (wait := flow.due_in(now=now)) is not None]
        return 0.0 if self._arriving else min([READ_BLOCK_SECONDS, *waits])

    def _take_in(self, sequenced: SequencedEvent, now: float) -> None:
        if self._newest == 0:
            self._begin_at(sequenced.sequence)
        elif sequenced.sequence != self._newest + 1:
            self._start_over(sequenced.sequence - 1, f"events after {self._newest} are missing from the stream")
        event = encode_event(sequenced)
        self._newest = event.seq
        self._history.append(event)
        self._shared.offer(event, now=now)
        for client in self._clients:
            if client.flow is not None:
                client.flow.offer(event, now=now)

    def _begin_at(self, first: int) -> None:
        """The first event ever: whatever number a stream begins with, nothing is missing before it."""
        self._first = first
        self._newest = first - 1
        self._shared = Flow(self._newest)
        for client in self._clients:
            client.flow = Flow(self._newest)

    def _start_over(self, newest: int, reason: str) -> None:
        """Everybody's picture has a hole: all go on from `newest`, after a snapshot."""
        log.warning("live_stream_gap", reason=reason, newest=newest, clients=len(self._clients))
        self._newest = newest
        self._history.clear()
        self._shared = Flow(newest)
        for client in self._clients:
            self._send_to_snapshot(client, reason)

    # -- sending

    def _greet(self, now: float) -> None:
        while self._arriving:
            client = self._arriving.popleft()
            self._clients.append(client)
            after, newest = client.after, self._newest
            if after is None or after == newest:
                client.flow = Flow(newest)
                continue
            if after == 0 and self._history and self._history[0].seq == self._first:
                # So short a stream was never trimmed: from its beginning means from its first event.
                after = self._first - 1
            missed = [event for event in self._history if event.seq > after]
            if after < newest and missed and missed[0].seq == after + 1:
                client.flow = Flow(after, history=missed, now=now)
            else:
                reason = "no such event yet" if after > newest else "the events after it are no longer held"
                self._send_to_snapshot(client, reason)

    def _send_to_snapshot(self, client: Client, reason: str) -> None:
        client.flow = Flow(self._newest)
        first = self._history[0].seq if self._history else self._newest + 1
        self._write(client, snapshot_required(first_seq=first, last_seq=self._newest, reason=reason))

    def _send_shared(self, now: float) -> None:
        """Send what is due to all that keep up; who cannot take it goes on alone."""
        while self._shared.due_in(now=now) == 0.0:
            before = self._shared.position
            frame, events = self._shared.take(now=now)
            for client in self._clients:
                if client.flow is not None or client.closing_since is not None:
                    continue
                if client.socket.is_clear:
                    self._write(client, frame)
                else:
                    client.flow = self._shared.branch(events, position=before, now=now)
        self._shared.ease(now=now)

    def _serve(self, client: Client, now: float) -> None:
        """Everything that concerns one client alone."""
        if client.has_left:
            return
        if not client.socket.is_clear:
            try:
                client.socket.flush()
            except OSError:
                self._lose(client, "connection lost")
                return
        if client.closing_since is not None:
            if now - client.closing_since > CLOSE_SECONDS_MAX:
                client.socket.abort()
            return
        if not client.socket.is_clear and self._clock() - client.socket.progress_at > STALL_SECONDS_MAX:
            self._lose(client, "took nothing")
            return
        if now - client.socket.heard_at > SILENCE_SECONDS_MAX:
            self._lose(client, "silent")
            return
        if now - client.pinged_at > PING_SECONDS and client.socket.is_clear:
            client.pinged_at = now
            self._write(client, PING_FRAME)
        self._send_own(client, now)

    def _send_own(self, client: Client, now: float) -> None:
        flow = client.flow
        while flow is not None and client.socket.is_clear and not client.has_left:
            if flow.backlog.overflowed:
                self._send_to_snapshot(client, "too far behind")
                return
            if flow.position == self._shared.position:
                client.flow = None
                return
            if flow.due_in(now=now) != 0.0:
                flow.ease(now=now)
                return
            frame, _ = flow.take(now=now)
            self._write(client, frame)

    def _write(self, client: Client, frame: bytes) -> None:
        try:
            client.socket.send(frame)
            client.frames += 1
        except OSError:
            self._lose(client, "connection lost")

    def _lose(self, client: Client, why: str) -> None:
        client.why_gone = client.why_gone or why
        client.has_left = True
        client.socket.abort()

    # -- endings

    def _stream_failed(self, error: EventsUnavailableError) -> None:
        now = self._clock()
        if self._failing_since is None:
            self._failing_since = now
            log.warning("live_stream_unavailable", cause=repr(error)[:200])
        if now - self._failing_since >= STREAM_GRACE_SECONDS:
            self._part_with(TRY_AGAIN_LATER, "event stream away", now)
        while self._arriving:
            client = self._arriving.popleft()
            self._clients.append(client)
            client.flow = Flow(self._newest)
            self._goodbye(client, TRY_AGAIN_LATER, "event stream away", now)
        self._settle_closing(now)
        self._stopping.wait(STREAM_RETRY_SECONDS)

    def _stream_works(self) -> None:
        if self._failing_since is not None:
            log.info("live_stream_available", after_seconds=round(self._clock() - self._failing_since, 1))
            self._failing_since = None

    def _part_with(self, code: int, reason: str, now: float) -> None:
        for client in self._clients:
            if client.closing_since is None and not client.has_left:
                self._goodbye(client, code, reason, now)

    def _goodbye(self, client: Client, code: int, reason: str, now: float) -> None:
        client.why_gone = reason
        client.closing_since = now
        client.socket.say_goodbye(close_frame(code, reason))

    def _settle_closing(self, now: float) -> None:
        for client in self._clients:
            if client.closing_since is not None:
                self._serve(client, now)
        self._clients = [client for client in self._clients if not client.has_left]

    def _part_with_all(self) -> None:
        """We stop: a goodbye, a moment for the answers, then the end."""
        begun = self._clock()
        with self._lock:
            self._clients.extend(self._arriving)
            self._arriving.clear()
            self._has_parted = self._stopping.is_set()
        self._part_with(GOING_AWAY, "server stops", begun)
        while self._clients and self._clock() - begun < CLOSE_SECONDS_MAX:
            self._clients = [client for client in self._clients if not client.has_left]
            threading.Event().wait(0.02)
        for client in self._clients:
            client.socket.abort()
        self._clients = []
