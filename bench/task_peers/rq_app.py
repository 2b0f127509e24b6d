"""rq; its usual worker forks for every job, the simple one does not: the simple one is the fast one."""

from __future__ import annotations

import os

from redis import Redis
from rq import Queue, SimpleWorker

from bench.task_peers.reply import REDIS_VARIABLE, reply

QUEUE = "bench-rq"
queue = Queue(QUEUE, connection=Redis.from_url(os.environ[REDIS_VARIABLE]))


def publish(number: int) -> None:
    """One message."""
    queue.enqueue(reply, number, result_ttl=0)


def main() -> None:
    SimpleWorker([queue], connection=queue.connection).work(logging_level="ERROR")


if __name__ == "__main__":
    main()
