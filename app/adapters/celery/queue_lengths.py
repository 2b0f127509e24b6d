"""How many messages wait in the broker, by queue: the lists as kombu's Redis transport names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import redis

import celeryconfig
from app.adapters.redis.client import RedisLink, RedisUnavailableError
from app.flow import Queue
from app.ports import ProgressUnavailableError

_OPTIONS = celeryconfig.broker_transport_options


def _lists(queue: Queue) -> list[str]:
    """A queue is one list a priority step; the first has the plain name."""
    steps = cast(Sequence[int], _OPTIONS["priority_steps"])
    name = f"{_OPTIONS['global_keyprefix']}{queue.value}"
    return [f"{name}{_OPTIONS['sep']}{step}" if step else name for step in steps]


_LISTS = {queue.value: _lists(queue) for queue in Queue}


class RedisQueueLengths:
    """`app.ports.QueueLengths` on the broker that is Redis."""

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
