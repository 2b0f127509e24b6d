"""A Celery worker with one task that does nothing but say so: the round trip that latencies are compared with.

Configured as our workers are (`celeryconfig`), started by `bench.intake` with their command line on a queue of its own.
"""

from __future__ import annotations

import os
from functools import lru_cache

import redis
from celery import Celery

QUEUE = "bench-echo"
TASK = "bench.echo"
REPLIES = "bench:echo:replies"
REPLIES_SECONDS_MAX = 5

app = Celery("quantum-trader-bench")
app.config_from_object("celeryconfig")


@lru_cache(maxsize=1)
def _client() -> redis.Redis:
    return redis.Redis.from_url(os.environ["QT_REDIS_URL"])


@app.task(name=TASK)
def echo() -> None:
    """Cheaper than a result backend, so the bar is no lower than with one."""
    _client().rpush(REPLIES, b"")
