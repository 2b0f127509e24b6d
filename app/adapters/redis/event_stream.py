"""The live events in a Redis stream: consecutive numbers, trimmed, and harmless to its callers when Redis is away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import orjson
import redis
import structlog

from app.adapters.redis.client import LuaScript, RedisLink, RedisUnavailableError, connect
from app.domain.events import Event, EventType, SequencedEvent
from app.ports import EventsUnavailableError

STREAM_EVENTS_MAX = 10_000  # trimmed to about this many, whole nodes of the stream at a time
EVENTS_PER_CALL_MAX = 500  # more are published in several steps
PUBLISH_SECONDS_MAX = 0.04  # each for connecting and for the answer: a caller waits behind a commit
BLOCK_SECONDS_MAX = 30.0
_ANSWER_MARGIN_SECONDS = 1.0  # a blocking read may be answered this much after its time

_SCRIPT = LuaScript.beside(__file__, "event_stream.lua")
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
    their ids are among the newest `STREAM_EVENTS_MAX`.
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
        self._keys = (f"{prefix}:sequence", f"{prefix}:stream", f"{prefix}:recent")
        self._events_max = events_max
        self.unpublished_count = 0

    def publish(self, events: Sequence[Event]) -> None:
        """Publish in order, atomically for up to `EVENTS_PER_CALL_MAX`; never raises for a Redis that is away."""
        for start in range(0, len(events), EVENTS_PER_CALL_MAX):
            try:
                self._run(events[start : start + EVENTS_PER_CALL_MAX])
            except RedisUnavailableError as error:
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
        arguments: list[str | bytes | int] = []
        for event in events:
            arguments += (event.event_id, _text(event))
        self._link.run(
            _SCRIPT,
            self._keys,
            (self._events_max, "", *arguments),
            # A restarted server may have lost the end of the stream: whoever had read it would take what is published
            # now under the same numbers for what it knows already.
            when_unknown=(self._events_max, "jump", *arguments),
        )

    def _give_up(self, events: Sequence[Event], error: RedisUnavailableError) -> None:
        self.unpublished_count += len(events)
        log.warning("events_unpublished", count=len(events), total=self.unpublished_count, error=str(error))
        if self._on_unpublished is not None:
            self._on_unpublished(events, error)


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


def _text(event: Event) -> bytes:
    return orjson.dumps(
        {"event_id": event.event_id, "type": event.type.value, "at": event.at.isoformat(), "payload": event.payload},
        default=dict,  # any Mapping
    )


def _sequenced(entry: tuple[bytes, Sequence[bytes]]) -> SequencedEvent:
    entry_id, fields = entry
    values = orjson.loads(fields[1])
    event = Event(
        event_id=values["event_id"],
        type=EventType(values["type"]),
        at=datetime.fromisoformat(values["at"]),
        payload=values["payload"],
    )
    return SequencedEvent(sequence=_sequence(entry_id), event=event)


def _sequence(entry_id: bytes) -> int:
    return int(entry_id.partition(b"-")[0])
