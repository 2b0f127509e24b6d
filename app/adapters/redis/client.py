"""Our connection to Redis: short time-outs, nothing retried behind our back, a breaker for when it is away.

Its time-outs are its own: the broker's client (Celery) waits for seconds, a signal or an order must not.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.adapters.redis.breaker import CircuitBreaker
from app.adapters.redis.sentinels import FailOverPool, fail_over_pool, sentinel_address

T = TypeVar("T")

CONNECT_SECONDS_MAX = 0.25
ANSWER_SECONDS_MAX = 0.25
POOL_CONNECTIONS_MAX = 32
IDLE_CONNECTIONS_MAX = 16  # kept out of the pool for scripts; less than the pool, which serves everything else
POOL_WAIT_SECONDS_MAX = 0.1
HEALTH_CHECK_SECONDS = 30

log = structlog.get_logger(__name__)


class RedisUnavailableError(Exception):
    """Redis did not answer in time, refused, or was away a moment ago; carries its cause."""


class ScriptUnknownError(RedisUnavailableError):
    """Redis answers, and has forgotten what it was told since it last started."""


@dataclass(frozen=True)
class LuaScript:
    """A Lua script of this package and the digest by which Redis knows it."""

    text: str

    @cached_property
    def digest(self) -> str:
        return hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    @classmethod
    def beside(cls, module_file: str, name: str) -> LuaScript:
        """The script `name` in the folder of `module_file`."""
        return cls(Path(module_file).with_name(name).read_text(encoding="utf-8"))


class RedisLink:
    """A redis-py client behind a breaker; every failure of Redis leaves it as `RedisUnavailableError`."""

    def __init__(self, client: redis.Redis, *, name: str = "redis", breaker: CircuitBreaker | None = None) -> None:
        self.client = client
        self._name = name
        self._breaker = breaker or CircuitBreaker()
        self._last_failure: Exception | None = None
        self._idle: deque[Any] = deque()
        self._process_id = os.getpid()

    @property
    def is_away(self) -> bool:
        """Whether the last thing heard of Redis was that it is away."""
        return self._breaker.is_open

    def call(self, operation: Callable[[redis.Redis], T]) -> T:
        """What `operation(client)` answers; at most one attempt. Raises `RedisUnavailableError`."""
        if not self._breaker.allows():
            raise RedisUnavailableError(f"{self._name} was away a moment ago") from self._last_failure
        try:
            answer = operation(self.client)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            # A copy: the error itself would keep the frames of its traceback alive.
            self._last_failure = redis.ConnectionError(str(error))
            if self._breaker.failed():
                log.warning("redis_away", link=self._name, error=str(error))
            raise RedisUnavailableError(f"{self._name}: {error}") from error
        except redis.RedisError as error:
            # It answered, if only to say no (out of memory, read-only replica, loading): not a reason to stop asking.
            self._succeeded()
            raise RedisUnavailableError(f"{self._name} refused: {error}") from error
        except BaseException:
            self._breaker.failed()  # whatever it was, a probe must not stay out for ever
            raise
        self._succeeded()
        return answer

    def run(
        self,
        script: LuaScript,
        keys: Sequence[str],
        arguments: Sequence[str | bytes | int],
    ) -> Any:
        """Run a script atomically by its digest; a server that does not know it yet is given the text."""

        def evaluate(_: redis.Redis) -> Any:
            try:
                return self._exchange(_by_digest(script, keys, arguments))
            except redis.exceptions.NoScriptError:
                return self._exchange(("EVAL", script.text, len(keys), *keys, *arguments))

        return self.call(evaluate)

    def run_if_known(self, script: LuaScript, keys: Sequence[str], arguments: Sequence[str | bytes | int]) -> Any:
        """As `run`, but a server that was not given the script with `load` answers `ScriptUnknownError`.

        Scripts live in a server's memory alone: one that does not know ours any more has restarted.
        """

        def evaluate(_: redis.Redis) -> Any:
            try:
                return self._exchange(_by_digest(script, keys, arguments))
            except redis.exceptions.NoScriptError:
                return ScriptUnknownError

        answer = self.call(evaluate)
        if answer is ScriptUnknownError:
            raise ScriptUnknownError(f"{self._name} does not know the script: it has restarted")
        return answer

    def load(self, script: LuaScript) -> None:
        """Let the server know the script."""
        self.call(lambda client: client.script_load(script.text))

    def knows(self, script: LuaScript) -> bool:
        """Whether the server was given the script since it started."""
        answer: Any = self.call(lambda client: client.script_exists(script.digest))
        return bool(answer[0])

    def close(self) -> None:
        """Close every connection of the pool."""
        self._let_go_of_idle()
        self.client.close()
        pool = self.client.connection_pool
        pool.disconnect()
        if isinstance(pool, FailOverPool):
            pool.sentinel_manager.close()

    def _exchange(self, command: Sequence[str | bytes | int]) -> Any:
        """Send one command and read its answer on a connection of our own keeping.

        `Redis.execute_command` takes twice as long for the same bytes (measured by `bench/redis_window.py`), and its
        `Script` objects another third: every signal and every order comes through here.
        """
        connection = self._take_connection()
        try:
            connection.send_packed_command((_packed(command),))
            answer = connection.read_response()
        except redis.ResponseError:
            self._give_back(connection)  # it was answered, with a refusal
            raise
        except BaseException:
            connection.disconnect()  # an answer may still come: nobody may take it for theirs
            self.client.connection_pool.release(connection)
            if isinstance(self.client.connection_pool, FailOverPool):
                self._let_go_of_idle()  # they lead to the same server, which may be master no more
            raise
        self._give_back(connection)
        return answer

    def _let_go_of_idle(self) -> None:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return
            connection.disconnect()
            self.client.connection_pool.release(connection)

    def _take_connection(self) -> Any:
        if self._process_id != os.getpid():
            self._idle.clear()  # they belong to the process that we were forked from
            self._process_id = os.getpid()
        pool: Any = self.client.connection_pool
        try:
            connection = self._idle.pop()
        except IndexError:
            return pool.get_connection()
        try:
            # Something to read before anything was asked: closed by the server, e.g. restarted since.
            is_stale = connection.can_read()
        except (redis.ConnectionError, redis.TimeoutError, OSError):
            is_stale = True
        if is_stale:
            connection.disconnect()
            pool.release(connection)
            return pool.get_connection()  # which connects it anew
        return connection

    def _give_back(self, connection: Any) -> None:
        if len(self._idle) < IDLE_CONNECTIONS_MAX:
            self._idle.append(connection)
        else:
            self.client.connection_pool.release(connection)

    def _succeeded(self) -> None:
        if self._breaker.succeeded():
            log.info("redis_back", link=self._name)


def _by_digest(
    script: LuaScript, keys: Sequence[str], arguments: Sequence[str | bytes | int]
) -> Sequence[str | bytes | int]:
    return ("EVALSHA", script.digest, len(keys), *keys, *arguments)


def _packed(command: Sequence[str | bytes | int]) -> bytes:
    """A command as the server reads it: an array of strings (RESP)."""
    parts = [b"*%d\r\n" % len(command)]
    for argument in command:
        value = argument if isinstance(argument, bytes) else str(argument).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(value), value))
    return b"".join(parts)


def connect(
    redis_url: str,
    *,
    name: str = "redis",
    connect_seconds_max: float = CONNECT_SECONDS_MAX,
    answer_seconds_max: float = ANSWER_SECONDS_MAX,
    pool_connections_max: int = POOL_CONNECTIONS_MAX,
    pool_wait_seconds_max: float = POOL_WAIT_SECONDS_MAX,
    monotonic: Callable[[], float] = time.monotonic,
) -> RedisLink:
    """A link to `redis://[user]:password@host:port/db`, `rediss://...`, `unix://[:password@]path?db=n`, or to the
    master that sentinels name (`sentinels.SentinelAddress`).

    Connects at the first call, never here. Raises `ValueError` for another scheme.
    """
    options: dict[str, Any] = {
        "max_connections": pool_connections_max,
        "timeout": pool_wait_seconds_max,
        "health_check_interval": HEALTH_CHECK_SECONDS,
        # Taking the best signal or a share of the budget twice is worse than failing: the caller decides.
        "retry": Retry(NoBackoff(), 0),
        # One handshake round trip fewer on every connect, and no server pushes to parse.
        "protocol": 2,
        "driver_info": None,
        **({} if redis_url.startswith("unix:") else {"socket_keepalive": True}),
    }
    address = sentinel_address(redis_url)
    pool: redis.ConnectionPool
    if address is None:
        pool = redis.BlockingConnectionPool.from_url(
            redis_url, socket_connect_timeout=connect_seconds_max, socket_timeout=answer_seconds_max, **options
        )
    else:
        pool = fail_over_pool(
            address, connect_seconds_max=connect_seconds_max, answer_seconds_max=answer_seconds_max, **options
        )
    return RedisLink(redis.Redis(connection_pool=pool), name=name, breaker=CircuitBreaker(monotonic=monotonic))
