"""The limit: a list that the publisher pushes to and a worker pops from, with nothing of a queue around it."""

from __future__ import annotations

import os

import redis

from bench.task_peers.reply import REDIS_VARIABLE, reply

LIST = "bench:bare-list"
WAIT_SECONDS = 2  # below the time-out that the client has by itself
client = redis.Redis.from_url(os.environ[REDIS_VARIABLE])


def publish(number: int) -> None:
    """One push."""
    client.lpush(LIST, number)


def main() -> None:
    while True:
        popped = client.brpop([LIST], timeout=WAIT_SECONDS)
        if popped is not None:
            reply(int(popped[1]))


if __name__ == "__main__":
    main()
