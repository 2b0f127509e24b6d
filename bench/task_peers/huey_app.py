"""huey with its Redis storage; results are not kept."""

from __future__ import annotations

import os

from huey import RedisHuey

from bench.task_peers.reply import REDIS_VARIABLE, reply

huey = RedisHuey("bench", url=os.environ[REDIS_VARIABLE], results=False)
empty = huey.task(name="empty")(reply)


def publish(number: int) -> None:
    """One message."""
    empty(number)
