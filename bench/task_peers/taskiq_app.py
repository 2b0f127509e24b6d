"""taskiq on a Redis stream, which acknowledges; publishing runs on an event loop of its own."""

from __future__ import annotations

import asyncio
import os

from taskiq_redis import RedisStreamBroker

from bench.task_peers.reply import REDIS_VARIABLE, reply

broker = RedisStreamBroker(os.environ[REDIS_VARIABLE], queue_name="bench-taskiq")


@broker.task(task_name="empty")
async def empty(number: int) -> None:
    """The empty task."""
    reply(number)


_loop = asyncio.new_event_loop()
_started = False


def publish(number: int) -> None:
    """One message."""
    global _started
    if not _started:
        _loop.run_until_complete(broker.startup())
        _started = True
    _loop.run_until_complete(empty.kiq(number))
