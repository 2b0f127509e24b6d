"""`app.ports.EventGroup` on a consumer group of the Redis stream of events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import redis

from app.adapters.redis.client import RedisLink, RedisUnavailableError
from app.adapters.redis.event_stream import away_as_events_unavailable, event_of, text_of
from app.ports import DeadLetter, Delivery, GroupStatus

T = TypeVar("T")

RETRY_SECONDS = 5.0  # what was taken and not acknowledged is delivered again after this
DEAD_LETTERS_MAX = 10_000


class RedisEventGroup:
    """Made on the server when first used, at the beginning of the stream: nothing published before is skipped."""

    def __init__(
        self,
        link: RedisLink,
        *,
        group: str,
        member: str,
        prefix: str = "qt:{events}",
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._link = link
        self._group = group
        self._member = member
        self._retry_ms = round(retry_seconds * 1000)
        self._stream = f"{prefix}:stream"
        self._dead = f"{prefix}:dead:{group}"

    def take(self, *, limit: int) -> Sequence[Delivery]:
        """Abandoned ones first: they are older."""

        def ask(client: redis.Redis) -> list[Any]:
            claimed: Any = client.xautoclaim(
                self._stream, self._group, self._member, min_idle_time=self._retry_ms, start_id="0-0", count=limit
            )
            entries: list[Any] = claimed[1]
            if len(entries) < limit:
                fresh: Any = client.xreadgroup(
                    self._group, self._member, {self._stream: ">"}, count=limit - len(entries)
                )
                entries = [*entries, *(fresh[0][1] if fresh else [])]
            return entries

        # An entry that was trimmed before it was acknowledged comes without its fields.
        entries = [entry for entry in self._ask(ask) if entry[1]]
        attempts = self._attempts(entries)
        return [
            Delivery(
                sequence=int(entry_id.partition(b"-")[0]),
                event=event_of(fields[b"event"]),
                attempts=attempts.get(entry_id, 1),
            )
            for entry_id, fields in entries
        ]

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """One command for all."""
        if deliveries:
            ids = [f"{each.sequence}-0" for each in deliveries]
            self._ask(lambda client: client.xack(self._stream, self._group, *ids))

    def bury(self, delivery: Delivery, reason: str) -> None:
        """In one transaction of the server."""

        def ask(client: redis.Redis) -> Any:
            pipeline: Any = client.pipeline(transaction=True)
            fields: Any = {"event": text_of(delivery.event), "reason": reason}
            pipeline.xadd(self._dead, fields, maxlen=DEAD_LETTERS_MAX, approximate=True)
            pipeline.xack(self._stream, self._group, f"{delivery.sequence}-0")
            return pipeline.execute()

        self._ask(ask)

    def dead(self, *, limit: int) -> Sequence[DeadLetter]:
        """They stay until they are discarded."""
        entries: Any = self._ask(lambda client: client.xrange(self._dead, count=limit))
        return [
            DeadLetter(
                letter_id=entry_id.decode(),
                event=event_of(fields[b"event"]),
                reason=fields[b"reason"].decode(),
                buried_at=datetime.fromtimestamp(int(entry_id.partition(b"-")[0]) / 1000, UTC),
            )
            for entry_id, fields in entries
        ]

    def discard(self, letter_ids: Sequence[str]) -> int:
        """Those that are not there count as nothing."""
        if not letter_ids:
            return 0
        removed: Any = self._ask(lambda client: client.xdel(self._dead, *letter_ids))
        return int(removed)

    def status(self) -> GroupStatus:
        """`lag` is Redis' own word for what waits; it does not know it after entries were trimmed unread."""

        def ask(client: redis.Redis) -> tuple[Any, Any]:
            return client.xinfo_groups(self._stream), client.xlen(self._dead)

        groups, dead = self._ask(ask)
        mine = next(each for each in groups if each["name"] == self._group.encode())
        return GroupStatus(waiting=mine.get("lag"), unacknowledged=mine["pending"], dead=dead)

    def _attempts(self, entries: Sequence[Any]) -> dict[bytes, int]:
        if not entries:
            return {}
        pending: Any = self._ask(
            lambda client: client.xpending_range(
                self._stream, self._group, min=entries[0][0], max=entries[-1][0], count=10 * len(entries)
            )
        )
        return {each["message_id"]: each["times_delivered"] for each in pending}

    def _ask(self, question: Callable[[redis.Redis], T]) -> T:
        with away_as_events_unavailable():
            try:
                return self._link.call(question)
            except RedisUnavailableError as error:
                if "NOGROUP" not in str(error) and "no such key" not in str(error):
                    raise
            self._link.call(self._make)
            return self._link.call(question)

    def _make(self, client: redis.Redis) -> None:
        try:
            client.xgroup_create(self._stream, self._group, id="0", mkstream=True)
        except redis.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise  # not that somebody else has just made it
