"""How many messages wait in the broker, by queue: Redis lists as kombu names them, or what RabbitMQ says of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import redis
from amqp.exceptions import AMQPError, NotFound
from kombu import Connection
from kombu.exceptions import OperationalError

from app.adapters.celery.broker import REDIS_OPTIONS, impatient_options, transport_options
from app.adapters.redis.breaker import CircuitBreaker
from app.adapters.redis.client import RedisLink, RedisUnavailableError
from app.flow import Queue
from app.ports import ProgressUnavailableError

# Asked by health each second for every queue: what takes longer is an answer too.
ANSWER_SECONDS_MAX = 0.5
RABBITMQ = "rabbitmq"


def _lists(queue: Queue) -> list[str]:
    """A queue is one list a priority step; the first has the plain name."""
    steps = cast(Sequence[int], REDIS_OPTIONS["priority_steps"])
    name = f"{REDIS_OPTIONS['global_keyprefix']}{queue.value}"
    return [f"{name}{REDIS_OPTIONS['sep']}{step}" if step else name for step in steps]


_LISTS = {queue.value: _lists(queue) for queue in Queue}


class RedisQueueLengths:
    """`app.ports.QueueLengths` on the broker that is Redis."""

    source = "redis"

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    def waiting(self) -> Mapping[str, int]:
        """By queue; raises `ProgressUnavailableError`."""
        names = [name for lists in _LISTS.values() for name in lists]
        try:
            lengths = dict(zip(names, self._link.call(lambda client: _lengths(client, names)), strict=True))
        except RedisUnavailableError as error:
            raise ProgressUnavailableError(str(error)) from error
        return {queue: sum(lengths[name] for name in lists) for queue, lists in _LISTS.items()}


def _lengths(client: redis.Redis, names: list[str]) -> list[int]:
    pipeline = client.pipeline(transaction=False)
    for name in names:
        pipeline.llen(name)
    lengths: list[int] = pipeline.execute()
    return lengths


class RabbitQueueLengths:
    """`app.ports.QueueLengths` on RabbitMQ, over AMQP alone: no management plug-in is needed.

    A queue is declared by the first worker or message; one that does not exist yet is left out. Thread-safe.
    """

    source = RABBITMQ

    def __init__(self, broker_url: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._broker_url = broker_url
        self._lock = threading.Lock()
        self._breaker = CircuitBreaker(monotonic=monotonic)
        self._connection: Connection | None = None
        self._last_failure = "RabbitMQ was never asked"

    def waiting(self) -> Mapping[str, int]:
        """By queue, ready messages only (what a worker holds is not waiting); raises `ProgressUnavailableError`."""
        with self._lock:
            if not self._breaker.allows():
                raise ProgressUnavailableError(f"RabbitMQ was away a moment ago: {self._last_failure}")
            try:
                lengths = self._ask()
            except (OperationalError, OSError, AMQPError) as error:
                self._breaker.failed()
                self._close()
                self._last_failure = str(error) or type(error).__name__
                raise ProgressUnavailableError(f"RabbitMQ does not answer: {self._last_failure}") from error
            except BaseException:
                self._breaker.failed()
                raise
            self._breaker.succeeded()
            return lengths

    def close(self) -> None:
        """Hang up."""
        with self._lock:
            self._close()

    def _ask(self) -> dict[str, int]:
        connection = self._connected()
        channel: Any = connection.channel()
        lengths = {}
        for queue in Queue:
            try:
                lengths[queue.value] = int(channel.queue_declare(queue.value, passive=True).message_count)
            except NotFound:
                channel = connection.channel()  # RabbitMQ closes the one on which it said so
        channel.close()
        return lengths

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = Connection(
                self._broker_url,
                connect_timeout=ANSWER_SECONDS_MAX,
                transport_options=impatient_options(transport_options(self._broker_url), seconds=ANSWER_SECONDS_MAX),
            )
            self._connection.connect()
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.collect()  # without a farewell, which would wait for an answer
            self._connection = None
