"""Eight processes hammering one budget with scaled-down windows, with Redis there and with Redis killed half way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from app.adapters.embedded import valkey
from app.adapters.processes.spawn import spawn
from tests.integration.redis.budget_hammer import LIMITS
from tests.integration.redis.test_rate_budget import most_within
from tests.support.servers import server_home
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]
PROCESSES = 8
SECOND = 1_000_000
REPOSITORY = Path(__file__).resolve().parents[3]


@contextmanager
def hammers(url: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that are ready to begin."""
    command = [sys.executable, "-m", "tests.integration.redis.budget_hammer", url, f"1/{PROCESSES}"]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
        for _ in range(PROCESSES)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            while process.stdout.readline() != "ready\n":
                assert process.poll() is None
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait(10)
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                pipe.close()


def begin(processes: list[subprocess.Popen[str]], *, ends_at: float) -> None:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(f"{ends_at}\n")
        process.stdin.flush()


def collect(processes: list[subprocess.Popen[str]]) -> list[tuple[int, bool]]:
    """(granted at, by Redis), of all processes."""
    grants = []
    for process in processes:
        output, _ = process.communicate(timeout=60)
        for line in output.split("\n"):
            moment, _, by_redis = line.partition(" ")
            if moment.isdigit():  # the rest is its log
                grants.append((int(moment), by_redis == "True"))
    return sorted(grants)


def assert_nothing_over(grants: list[tuple[int, bool]]) -> None:
    orders = [(at, 1) for at, _ in grants]
    assert most_within(orders, SECOND // 2) <= LIMITS.orders_per_10_seconds
    assert most_within(orders, 2 * SECOND) <= LIMITS.orders_per_minute


def test_eight_processes_use_95_percent_of_the_budget_and_never_more(fresh_redis: str) -> None:
    with hammers(fresh_redis) as processes:
        ends_at = time.time() + 13
        begin(processes, ends_at=ends_at)
        grants = collect(processes)
    assert_nothing_over(grants)
    assert all(by_redis for _, by_redis in grants)
    # Settling and its shares are over after three seconds; then eight, four of its "minutes".
    best = max(
        sum(1 for at, _ in grants if start <= at < start + 8 * SECOND)
        for start in range(grants[0][0], round(ends_at * SECOND) - 8 * SECOND, SECOND // 20)
    )
    assert best >= 0.95 * 4 * LIMITS.orders_per_minute


def test_with_redis_killed_half_way_and_back_later_nothing_is_over_and_work_goes_on() -> None:
    with server_home("qt-test-valkey-") as home:
        server = valkey.prepare_valkey(home, throwaway=True)

        def start() -> subprocess.Popen[bytes]:
            process = spawn(
                server.command,
                environment=os.environ,
                log_path=home / "valkey.log",
                working_directory=Path("/"),
                death_signal=valkey.DEATH_SIGNAL,
            )
            wait_until(lambda: answers(server.url()), seconds=20, what="Valkey to answer")
            return process

        running = start()
        try:
            with hammers(server.url()) as processes:
                ends_at = time.time() + 17
                begin(processes, ends_at=ends_at)
                wait_until(lambda: time.time() > ends_at - 13, seconds=30, what="the first part to pass")
                running.send_signal(signal.SIGKILL)
                running.wait(10)
                killed_at = time.time()
                wait_until(lambda: time.time() > ends_at - 6, seconds=30, what="the part without Redis to pass")
                back_at = time.time()
                running = start()
                grants = collect(processes)
        finally:
            running.kill()
            running.wait(10)
    assert_nothing_over(grants)
    alone = [at for at, by_redis in grants if not by_redis]
    assert sum(1 for at, by_redis in grants if by_redis and at < killed_at * SECOND) > LIMITS.orders_per_minute
    assert sum(1 for at in alone if killed_at * SECOND < at < back_at * SECOND) > LIMITS.orders_per_minute
    assert sum(1 for at, by_redis in grants if by_redis and at > back_at * SECOND) > LIMITS.orders_per_minute


def answers(url: str) -> bool:
    with redis.Redis.from_url(url, socket_timeout=1) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
