"""The event stream on a real server: trimming, blocking, flushes, many publishers, and no Redis at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest
import redis

from app.adapters.redis import event_stream
from app.adapters.redis.client import connect
from app.adapters.redis.event_stream import RedisEventPublisher, RedisEventSource, connect_publisher
from app.domain.events import Event, EventType
from app.ports import EventsForgottenError, EventsUnavailableError
from tests.contract.test_event_stream import begin_stream

pytestmark = pytest.mark.integration
AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def event(name: object) -> Event:
    return Event(event_id=str(name), type=EventType.ORDER_UPDATED, at=AT, payload={"name": str(name)})


@pytest.fixture
def publisher(fresh_redis: str) -> Iterator[RedisEventPublisher]:
    link = connect(fresh_redis)
    begin_stream(link)
    yield RedisEventPublisher(link)
    link.close()


@pytest.fixture
def source(fresh_redis: str) -> Iterator[RedisEventSource]:
    link = connect(fresh_redis)
    yield RedisEventSource(link)
    link.close()


def test_the_stream_is_trimmed_to_about_its_limit_and_so_is_its_memory_of_ids(
    publisher: RedisEventPublisher, source: RedisEventSource, fresh_redis: str
) -> None:
    for start in range(0, 12_500, 500):
        publisher.publish([event(number) for number in range(start, start + 500)])
    oldest, newest = source.bounds()
    assert 10_000 <= newest - oldest + 1 <= 10_200
    with redis.Redis.from_url(fresh_redis) as client:
        assert client.zcard("qt:{events}:recent") == 12_500
    read = source.read(after=0, block_seconds=0, limit=20_000)
    assert read[-1].event == event(12_499)
    assert read[0].sequence == oldest  # a reader who had less sees the jump


def test_ids_are_remembered_for_longer_than_their_events_and_not_for_ever(
    fresh_redis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "REMEMBERED_EVENTS_MAX", 300)
    link = connect(fresh_redis)
    mending = begin_stream(link)
    publisher = RedisEventPublisher(link, events_max=100)
    for start in range(0, 1_000, 100):
        publisher.publish([event(number) for number in range(start, start + 100)])
    assert list(mending.missing([str(number) for number in range(690, 1_000)])) == [str(n) for n in range(690, 700)]
    link.close()


@pytest.mark.parametrize("how", ["flushed", "restarted"])
def test_a_stream_that_forgot_takes_nothing_new_before_it_was_mended(
    fresh_redis: str, source: RedisEventSource, how: str
) -> None:
    link = connect(fresh_redis)
    mending = begin_stream(link)
    left: list[str] = []
    publisher = RedisEventPublisher(
        link, on_unpublished=lambda events, _: left.extend(each.event_id for each in events)
    )
    publisher.publish([event(number) for number in range(20)])
    read = source.bounds()[1]
    with redis.Redis.from_url(fresh_redis) as client:
        if how == "flushed":
            client.flushall()
        else:
            # As a server looks that was killed before its file had the last five.
            for number in range(15, 20):
                client.xdel("qt:{events}:stream", f"{read - 19 + number}-0")
                client.zrem("qt:{events}:recent", str(number))
            client.set("qt:{events}:sequence", read - 5)
            client.script_flush()
    time.sleep(0.11)  # no restart takes less
    publisher.publish([event("new")])
    assert left == ["new"]
    assert mending.is_whole() is False
    with pytest.raises(EventsForgottenError):
        publisher.deliver([event("new")])
    mending.begin_anew()
    lost = range(20) if how == "flushed" else range(15, 20)
    assert list(mending.missing([str(number) for number in range(20)])) == [str(number) for number in lost]
    mending.restore([event(number) for number in range(20)])
    mending.declare_whole()
    publisher.publish([event("new")])
    seen = source.read(after=read, block_seconds=0, limit=100)
    assert [each.event for each in seen] == [*(event(number) for number in lost), event("new")]
    assert seen[0].sequence > read + 1  # whoever had read the lost ones sees that something happened
    assert [each.sequence for each in seen] == list(range(seen[0].sequence, seen[0].sequence + len(seen)))
    link.close()


def test_a_lost_counter_never_runs_behind_the_stream(
    publisher: RedisEventPublisher, source: RedisEventSource, fresh_redis: str
) -> None:
    publisher.publish([event(1)])
    newest = source.bounds()[1]
    with redis.Redis.from_url(fresh_redis) as client:
        client.set("qt:{events}:sequence", 5)  # as from an older file
    publisher.publish([event(2)])
    assert source.bounds() == (newest, newest + 1)


def test_publishers_side_by_side_leave_no_hole_and_no_double(fresh_redis: str, source: RedisEventSource) -> None:
    first = connect(fresh_redis)
    begin_stream(first)
    first.close()

    def publish(name: int) -> None:
        link = connect(fresh_redis)
        mine = RedisEventPublisher(link)
        for number in range(100):
            mine.publish([event(f"{name}-{number}-{part}") for part in range(3)])
        link.close()

    threads = [threading.Thread(target=publish, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    read = source.read(after=0, block_seconds=0, limit=5000)
    assert [each.sequence for each in read] == list(range(read[0].sequence, read[0].sequence + 1800))
    assert len({each.event.event_id for each in read}) == 1800


def test_a_blocked_reader_wakes_up_with_the_first_event(
    publisher: RedisEventPublisher, source: RedisEventSource
) -> None:
    publisher.publish([event("before")])
    newest = source.bounds()[1]
    timer = threading.Timer(0.5, lambda: publisher.publish([event("first"), event("second")]))
    timer.start()
    started = time.monotonic()
    read = source.read(after=newest, block_seconds=10, limit=10)  # longer than the connection's own time-out
    assert 0.3 < time.monotonic() - started < 5
    assert [each.event for each in read][:1] == [event("first")]
    timer.join(5)


def test_a_reader_without_events_is_told_so_when_its_time_is_over(source: RedisEventSource) -> None:
    started = time.monotonic()
    assert list(source.read(after=0, block_seconds=0.6, limit=10)) == []
    assert 0.5 < time.monotonic() - started < 3


def test_a_reader_learns_that_redis_is_away() -> None:
    away = RedisEventSource(connect("redis://127.0.0.1:1/0"))
    with pytest.raises(EventsUnavailableError):
        away.read(after=0, block_seconds=1, limit=1)
    with pytest.raises(EventsUnavailableError):
        away.bounds()


def test_without_redis_publishing_neither_raises_nor_blocks_and_hands_over_what_was_not_published() -> None:
    left: list[str] = []

    def keep(events: Sequence[Event], error: Exception) -> None:
        assert error.__cause__ is not None
        left.extend(each.event_id for each in events)

    away = RedisEventPublisher(connect_publisher("redis://127.0.0.1:1/0"), on_unpublished=keep)
    slowest = 0.0
    for number in range(300):
        started = time.monotonic()
        away.publish([event(f"{number}a"), event(f"{number}b")])
        slowest = max(slowest, time.monotonic() - started)
    assert left == [f"{number}{part}" for number in range(300) for part in "ab"]
    assert away.unpublished_count == 600
    assert slowest < 0.15  # 50 ms and the machine's own noise


def test_a_hanging_redis_costs_a_publisher_two_short_time_outs_and_is_used_again(
    fresh_redis: str, source: RedisEventSource
) -> None:
    link = connect_publisher(fresh_redis)
    begin_stream(link)
    publisher = RedisEventPublisher(link)
    publisher.publish([event("before")])
    with redis.Redis.from_url(fresh_redis) as other:
        other.execute_command("CLIENT", "PAUSE", "1000", "WRITE")
        started = time.monotonic()
        for number in range(100):
            publisher.publish([event(number)])
        assert time.monotonic() - started < 0.4
        assert publisher.unpublished_count == 100
        other.execute_command("CLIENT", "UNPAUSE")
    deadline = time.monotonic() + 10
    while publisher.unpublished_count and time.monotonic() < deadline:
        publisher.unpublished_count = 0
        publisher.publish([event("after")])
        time.sleep(0.02)  # between probes of the breaker
    assert source.read(after=0, block_seconds=0, limit=200)[-1].event == event("after")
    link.close()


def test_an_event_published_twice_after_a_doubtful_time_out_is_in_the_stream_once(
    publisher: RedisEventPublisher, source: RedisEventSource, fresh_redis: str
) -> None:
    link = connect(fresh_redis, answer_seconds_max=0.05)
    impatient = RedisEventPublisher(link)
    impatient.publish([event("warm")])
    with redis.Redis.from_url(fresh_redis) as other:
        other.execute_command("CLIENT", "PAUSE", "300", "WRITE")
        impatient.publish([event("doubtful")])  # sent, not answered
        assert impatient.unpublished_count == 1
        other.execute_command("CLIENT", "UNPAUSE")
    publisher.publish([event("doubtful")])
    read = source.read(after=0, block_seconds=0, limit=10)
    assert [each.event.event_id for each in read] == ["warm", "doubtful"]
    link.close()
