"""What processes of all machines got done last: one hash, one field a process, timed by Redis' own clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import redis
import structlog

from app.adapters.redis.client import LuaScript, RedisLink, RedisUnavailableError
from app.ports import Progress, ProgressUnavailableError

KEPT_SECONDS = 24 * 3600.0  # a process of yesterday, on a machine that is gone, is nobody's any more

log = structlog.get_logger(__name__)

# One clock for all machines: theirs may differ by more than what counts as silence.
_NOTE = LuaScript(
    """
    local now = redis.call('TIME')
    redis.call('HSET', KEYS[1], ARGV[1], now[1] * 1000 + math.floor(now[2] / 1000) .. ' ' .. ARGV[2])
    """
)


class RedisProgressBoard:
    """`app.ports.ProgressBoard`."""

    def __init__(self, link: RedisLink, *, key: str = "qt:progress") -> None:
        self._link = link
        self._key = key

    def note(self, progress: Progress) -> None:
        """Replace what was noted under its name; never raises."""
        value = orjson.dumps({"role": progress.role, "facts": progress.facts})
        try:
            self._link.run(_NOTE, [self._key], [progress.name, value])
        except RedisUnavailableError as error:
            log.debug("progress_not_noted", process=progress.name, error=str(error))

    def forget(self, name: str) -> None:
        """The process ends in good order; never raises."""
        try:
            self._link.call(lambda client: client.hdel(self._key, name))
        except RedisUnavailableError as error:
            log.debug("progress_not_forgotten", process=name, error=str(error))

    def all(self) -> Sequence[Progress]:
        """Of every process that noted anything within a day; raises `ProgressUnavailableError`."""
        try:
            (seconds, microseconds), noted = self._link.call(lambda client: _read_all(client, self._key))
        except RedisUnavailableError as error:
            raise ProgressUnavailableError(str(error)) from error
        now = seconds + microseconds / 1e6
        found = [_read(name.decode(), value, now) for name, value in sorted(noted.items())]
        for progress in found:
            if progress.age_seconds > KEPT_SECONDS:
                self.forget(progress.name)
        return [progress for progress in found if progress.age_seconds <= KEPT_SECONDS]


def _read_all(client: redis.Redis, key: str) -> Any:
    """The time and the hash, as of one moment."""
    pipeline = client.pipeline(transaction=True)
    pipeline.time()
    pipeline.hgetall(key)
    return pipeline.execute()


def _read(name: str, value: bytes, now: float) -> Progress:
    noted_ms, _, rest = value.partition(b" ")
    noted = orjson.loads(rest)
    return Progress(
        name=name, role=noted["role"], facts=noted["facts"], age_seconds=max(0.0, now - int(noted_ms) / 1000)
    )
