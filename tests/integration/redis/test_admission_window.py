"""The admission window against a real server: many processes' worth of concurrency, restarts, absence."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import redis

from app.adapters.redis.admission_window import RedisAdmissionWindow
from app.adapters.redis.client import connect
from app.ports import Offer, OfferVerdict, WindowStatus, WindowUnavailableError
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def window(fresh_redis: str) -> Iterator[RedisAdmissionWindow]:
    link = connect(fresh_redis)
    yield RedisAdmissionWindow(link, capacity=100)
    link.close()


def offers(count: int, *, seed: int, name: str = "s") -> list[Offer]:
    chance = random.Random(seed)
    return [
        Offer(
            signal_id=f"{name}{number}",
            confidence=Decimal(chance.randrange(10**6)) / 10**6,
            received_at=NOW + timedelta(microseconds=number),
            expires_at=NOW + timedelta(seconds=30),
        )
        for number in range(count)
    ]


def test_of_a_thousand_at_once_from_eight_threads_the_best_hundred_stay(window: RedisAdmissionWindow) -> None:
    made = offers(1000, seed=7)
    results = []

    def post(part: list[Offer]) -> None:
        for start in range(0, len(part), 25):
            results.extend(window.offer(part[start : start + 25], now=NOW))

    threads = [threading.Thread(target=post, args=(made[index::8],)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    best = sorted(made, key=lambda one: (-one.confidence, one.received_at))[:100]
    assert set(window.members()) == {one.signal_id for one in best}
    # Nobody is lost without being told: every signal is in the window, dropped, or somebody's evicted.
    dropped = {result.signal_id for result in results if result.verdict is OfferVerdict.DROPPED}
    evicted = {result.evicted for result in results if result.verdict is OfferVerdict.REPLACED}
    assert dropped | evicted | set(window.members()) == {one.signal_id for one in made}
    assert len(dropped) + len(evicted) + 100 == 1000


def test_memory_stays_flat_under_a_flood(window: RedisAdmissionWindow, fresh_redis: str) -> None:
    with redis.Redis.from_url(fresh_redis) as client:
        sizes = []
        for round_ in range(6):
            for start in range(0, 2000, 500):
                window.offer(offers(500, seed=round_ * 10_000 + start, name=f"r{round_}-{start}-"), now=NOW)
            sizes.append(sum(client.memory_usage(key, samples=0) or 0 for key in client.keys("qt:*")))
            assert len(client.keys("qt:*")) == 4
    assert max(sizes[1:]) <= sizes[1] * 1.1


def test_a_lowered_capacity_lets_the_worst_go_at_the_next_offer(window: RedisAdmissionWindow, fresh_redis: str) -> None:
    made = offers(100, seed=1)
    window.offer(made, now=NOW)
    link = connect(fresh_redis)
    smaller = RedisAdmissionWindow(link, capacity=10)
    smaller.offer(offers(1, seed=2, name="new"), now=NOW)
    assert smaller.status().occupancy == 10
    assert window.status().counters["evicted"] >= 90
    link.close()


def test_a_server_that_forgot_its_scripts_is_told_again(window: RedisAdmissionWindow, fresh_redis: str) -> None:
    window.offer(offers(1, seed=1), now=NOW)
    with redis.Redis.from_url(fresh_redis) as client:
        client.script_flush()
        assert window.offer(offers(2, seed=1), now=NOW)[0].verdict is OfferVerdict.ALREADY_QUEUED
        client.flushall()
    assert window.offer(offers(1, seed=1), now=NOW)[0].verdict is OfferVerdict.QUEUED


def test_more_expired_than_one_run_removes_are_never_dispatched(fresh_redis: str) -> None:
    link = connect(fresh_redis, answer_seconds_max=5)
    large = RedisAdmissionWindow(link, capacity=3000)
    made = offers(3000, seed=3)
    for start in range(0, 3000, 500):
        large.offer(made[start : start + 500], now=NOW)
    popped = large.pop_best(10, now=NOW + timedelta(seconds=31))
    assert popped.signal_ids == []
    assert len(popped.expired) == 3000
    assert large.status().counters["expired"] == 3000
    link.close()


def test_a_server_that_is_absent_is_an_error_with_a_cause_and_costs_next_to_nothing() -> None:
    link = connect("redis://127.0.0.1:1/0")
    absent = RedisAdmissionWindow(link, capacity=100)
    started = time.monotonic()
    for operation in (
        lambda: absent.offer(offers(1, seed=1), now=NOW),
        lambda: absent.pop_best(1, now=NOW),
        lambda: absent.remove(["a"]),
        absent.members,
        absent.status,
    ):
        for _ in range(200):
            with pytest.raises(WindowUnavailableError) as caught:
                operation()
            assert caught.value.__cause__ is not None
    assert time.monotonic() - started < 1.0


def test_a_server_that_hangs_costs_two_time_outs_and_is_used_again_once_it_thaws(
    window: RedisAdmissionWindow, fresh_redis: str
) -> None:
    window.offer(offers(1, seed=1), now=NOW)
    with redis.Redis.from_url(fresh_redis) as other:
        other.execute_command("CLIENT", "PAUSE", "1500", "ALL")
        started = time.monotonic()
        for _ in range(50):
            with pytest.raises(WindowUnavailableError):
                window.status()
        assert time.monotonic() - started < 1.2

    def thawed() -> WindowStatus | None:
        try:
            return window.status()
        except WindowUnavailableError:
            return None  # between probes of the breaker

    status = wait_until(thawed, seconds=10, what="the window to be used again")
    assert status is not None
    assert status.occupancy == 1


@pytest.mark.parametrize("confidence", ["1.000000000000000001", "-0.1", "NaN"])
def test_a_confidence_outside_of_0_to_1_is_a_bug_of_the_caller(window: RedisAdmissionWindow, confidence: str) -> None:
    bad = Offer(signal_id="x", confidence=Decimal(confidence), received_at=NOW, expires_at=NOW + timedelta(1))
    with pytest.raises((ValueError, ArithmeticError)):
        window.offer([bad], now=NOW)


def test_the_password_and_both_url_forms_work(fresh_redis: str) -> None:
    link = connect(fresh_redis)
    assert link.call(lambda client: client.ping()) is True
    socket_path = "/nonexistent/redis.sock"
    absent = RedisAdmissionWindow(connect(f"unix://:secret@{socket_path}?db=3"), capacity=1)
    with pytest.raises(WindowUnavailableError) as caught:
        absent.status()
    assert "secret" not in str(caught.value)
    with pytest.raises(ValueError):
        connect("http://127.0.0.1/")
    link.close()
