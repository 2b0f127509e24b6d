"""The live events in a Redis stream: consecutive numbers, trimmed, and harmless to its callers when Redis is away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import orjson
import redis
import structlog

from app.adapters.redis.client import LuaScript, RedisLink, RedisUnavailableError, ScriptUnknownError, connect
from app.domain.events import Event, EventType, SequencedEvent
from app.ports import EventsForgottenError, EventsUnavailableError

STREAM_EVENTS_MAX = 10_000  # trimmed to about this many, whole nodes of the stream at a time
REMEMBERED_EVENTS_MAX = 3 * STREAM_EVENTS_MAX  # ids by which an event that is published again is known
EVENTS_PER_CALL_MAX = 500  # more are published in several steps
PUBLISH_SECONDS_MAX = 0.04  # each for connecting and for the answer: a caller waits behind a commit
BLOCK_SECONDS_MAX = 30.0
_ANSWER_MARGIN_SECONDS = 1.0  # a blocking read may be answered this much after its time

# Known to a server only while its stream is whole: what a restarted one has forgotten comes before anything new.
_PUBLISH = LuaScript.beside(__file__, "event_stream.lua")
_MEND = LuaScript(f"-- mending\n{_PUBLISH.text}")
log = structlog.get_logger(__name__)

OnUnpublished = Callable[[Sequence[Event], Exception], None]


def connect_publisher(redis_url: str) -> RedisLink:
    """A link whose calls never hold a caller up for more than some 50 ms; a publisher's own, with its own breaker."""
    return connect(
        redis_url,
        name="redis-events",
        connect_seconds_max=PUBLISH_SECONDS_MAX,
        answer_seconds_max=PUBLISH_SECONDS_MAX,
        pool_wait_seconds_max=PUBLISH_SECONDS_MAX,
    )


class RedisEventPublisher:
    """`app.ports.EventPublisher`. What could not be published goes to `on_unpublished` and is counted.

    After a time-out the events may be in the stream all the same; publishing them again changes nothing as long as
    their ids are among the newest `REMEMBERED_EVENTS_MAX`. A stream that may have forgotten its end takes nothing until
    `RedisEventMending` has made it whole.
    """

    def __init__(
        self,
        link: RedisLink,
        *,
        on_unpublished: OnUnpublished | None = None,
        prefix: str = "qt:{events}",
        events_max: int = STREAM_EVENTS_MAX,
    ) -> None:
        self._link = link
        self._on_unpublished = on_unpublished
        self._keys = _keys(prefix)
        self._events_max = events_max
        self.unpublished_count = 0

    def publish(self, events: Sequence[Event]) -> None:
        """Publish in order, atomically for up to `EVENTS_PER_CALL_MAX`; never raises for a Redis that is away."""
        for start in range(0, len(events), EVENTS_PER_CALL_MAX):
            try:
                self._run(events[start : start + EVENTS_PER_CALL_MAX])
            except (RedisUnavailableError, EventsForgottenError) as error:
                # The rest as well: an order among events is worth more than a few that might still get through.
                self._give_up(events[start:], error)
                return

    def deliver(self, events: Sequence[Event]) -> None:
        """`app.ports.EventDelivery`: publish in order, or raise `EventsUnavailableError`."""
        try:
            for start in range(0, len(events), EVENTS_PER_CALL_MAX):
                self._run(events[start : start + EVENTS_PER_CALL_MAX])
        except RedisUnavailableError as error:
            raise EventsUnavailableError(str(error)) from error

    def _run(self, events: Sequence[Event]) -> None:
        try:
            first, _ = self._link.run_if_known(_PUBLISH, self._keys, _arguments(self._events_max, "", events))
        except ScriptUnknownError as error:
            raise EventsForgottenError(str(error)) from error
        if first < 0:
            raise EventsForgottenError("the event stream was flushed")

    def _give_up(self, events: Sequence[Event], error: Exception) -> None:
        self.unpublished_count += len(events)
        log.warning("events_unpublished", count=len(events), total=self.unpublished_count, error=str(error))
        if self._on_unpublished is not None:
            self._on_unpublished(events, error)


class RedisEventMending:
    """`app.ports.EventMending`. A server that was given the publishing script since it started has been mended."""

    def __init__(self, link: RedisLink, *, prefix: str = "qt:{events}", events_max: int = STREAM_EVENTS_MAX) -> None:
        self._link = link
        self._keys = _keys(prefix)
        self._checked = f"{prefix}:checked"
        self._events_max = events_max

    def is_whole(self) -> bool:
        """The script says "not restarted", the counter "not flushed"."""
        with away_as_events_unavailable():
            return self._link.knows(_PUBLISH) and bool(self._link.call(lambda client: client.exists(self._keys[0])))

    def begin_anew(self) -> None:
        """Let the numbers jump."""
        self._run("begin", ())

    def restore(self, events: Sequence[Event]) -> None:
        """Publish in order what is not in it."""
        for start in range(0, len(events), EVENTS_PER_CALL_MAX):
            self._run("restore", events[start : start + EVENTS_PER_CALL_MAX])

    def declare_whole(self) -> None:
        """Give the server the script by which everybody publishes."""
        with away_as_events_unavailable():
            self._link.load(_PUBLISH)

    def missing(self, event_ids: Sequence[str]) -> Sequence[str]:
        """Those whose ids are not remembered."""
        if not event_ids:
            return []
        with away_as_events_unavailable():
            scores: Any = self._link.call(lambda client: client.zmscore(self._keys[2], list(event_ids)))
        return [event_id for event_id, score in zip(event_ids, scores, strict=True) if score is None]

    def checked_until(self) -> int | None:
        """As noted, by anybody."""
        with away_as_events_unavailable():
            noted: Any = self._link.call(lambda client: client.get(self._checked))
        return None if noted is None else int(noted)

    def note_checked(self, number: int) -> None:
        """Kept beside the stream, so that it goes back as far as the stream does."""
        with away_as_events_unavailable():
            self._link.call(lambda client: client.set(self._checked, number))

    def _run(self, mode: str, events: Sequence[Event]) -> None:
        with away_as_events_unavailable():
            self._link.run(_MEND, self._keys, _arguments(self._events_max, mode, events))


class RedisEventSource:
    """`app.ports.EventSource`. Blocks on a connection whose time-out is longer than the blocking.

    Raises `EventsUnavailableError`: a reader must know that silence is not peace.
    """

    def __init__(self, link: RedisLink, *, prefix: str = "qt:{events}") -> None:
        self._link = link
        self._stream = f"{prefix}:stream"

    def read(self, *, after: int, block_seconds: float, limit: int) -> Sequence[SequencedEvent]:
        """Events above `after`, oldest first, at most `limit`; empty after `block_seconds` without any."""
        if not 0 <= block_seconds <= BLOCK_SECONDS_MAX:
            raise ValueError(f"block_seconds={block_seconds} is not within 0..{BLOCK_SECONDS_MAX}")
        position = f"{max(after, 0)}-0"

        def ask(client: redis.Redis) -> Any:
            command: list[str | int] = ["XREAD", "COUNT", limit]
            if block_seconds > 0:
                command += ["BLOCK", max(1, round(block_seconds * 1000))]
            return _blocking(client, [*command, "STREAMS", self._stream, position], block_seconds)

        answer = self._ask(ask)
        return [] if not answer else [_sequenced(entry) for entry in answer[0][1]]

    def bounds(self) -> tuple[int, int]:
        """The oldest and newest sequence still held; (0, 0) when nothing was ever published."""

        def ask(client: redis.Redis) -> Any:
            pipeline: Any = client.pipeline(transaction=True)
            pipeline.xrange(self._stream, count=1)
            pipeline.xrevrange(self._stream, count=1)
            return pipeline.execute()

        oldest, newest = self._ask(ask)
        return (_sequence(oldest[0][0]), _sequence(newest[0][0])) if oldest else (0, 0)

    def _ask(self, question: Callable[[redis.Redis], Any]) -> Any:
        try:
            return self._link.call(question)
        except RedisUnavailableError as error:
            raise EventsUnavailableError(str(error)) from error


def _blocking(client: redis.Redis, command: Sequence[str | int], block_seconds: float) -> Any:
    """Run a command that may be answered `block_seconds` late, whatever the connection's own time-out."""
    pool: Any = client.connection_pool
    connection = pool.get_connection()
    try:
        connection.send_command(*command)
        return connection.read_response(timeout=block_seconds + _ANSWER_MARGIN_SECONDS)
    except BaseException:
        connection.disconnect()  # its answer may still come: nobody else may read it
        raise
    finally:
        pool.release(connection)


@contextmanager
def away_as_events_unavailable() -> Iterator[None]:
    """Say in the core's words that Redis is away."""
    try:
        yield
    except RedisUnavailableError as error:
        raise EventsUnavailableError(str(error)) from error


def _keys(prefix: str) -> tuple[str, str, str]:
    return (f"{prefix}:sequence", f"{prefix}:stream", f"{prefix}:recent")


def _arguments(events_max: int, mode: str, events: Sequence[Event]) -> list[str | bytes | int]:
    arguments: list[str | bytes | int] = [events_max, REMEMBERED_EVENTS_MAX, mode]
    for event in events:
        arguments += (event.event_id, text_of(event))
    return arguments


def text_of(event: Event) -> bytes:
    """An event as it stands in the stream."""
    return orjson.dumps(
        {"event_id": event.event_id, "type": event.type.value, "at": event.at.isoformat(), "payload": event.payload},
        default=dict,  # any Mapping
    )


def event_of(text: bytes) -> Event:
    """The event that `text_of` made."""
    values = orjson.loads(text)
    return Event(
        event_id=values["event_id"],
        type=EventType(values["type"]),
        at=datetime.fromisoformat(values["at"]),
        payload=values["payload"],
    )


def _sequenced(entry: tuple[bytes, Sequence[bytes]]) -> SequencedEvent:
    entry_id, fields = entry
    return SequencedEvent(sequence=_sequence(entry_id), event=event_of(fields[1]))


def _sequence(entry_id: bytes) -> int:
    return int(entry_id.partition(b"-")[0])
