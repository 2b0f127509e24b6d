"""dramatiq with its Redis broker."""

from __future__ import annotations

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from bench.task_peers.reply import REDIS_VARIABLE, reply

broker = RedisBroker(url=os.environ[REDIS_VARIABLE], namespace="bench-dramatiq")
dramatiq.set_broker(broker)
empty = dramatiq.actor(reply, actor_name="empty")


def publish(number: int) -> None:
    """One message."""
    empty.send(number)
