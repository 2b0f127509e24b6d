"""What every live event stream does, the one in Redis and the fake."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

import pytest

from app.adapters.redis.client import RedisLink, connect
from app.adapters.redis.event_stream import RedisEventMending, RedisEventPublisher, RedisEventSource
from app.domain.events import Event, EventType
from app.ports import EventMending, EventPublisher, EventSource
from tests.fakes.redis import FakeEvents

AT = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)


class Stream(NamedTuple):
    """Both ends of one stream."""

    publisher: EventPublisher
    source: EventSource


def begin_stream(link: RedisLink) -> RedisEventMending:
    """A server takes no events before somebody has looked what it may have forgotten."""
    mending = RedisEventMending(link)
    mending.begin_anew()
    mending.declare_whole()
    return mending


@pytest.fixture(params=["redis", "fake"])
def stream(request: pytest.FixtureRequest) -> Iterator[Stream]:
    if request.param == "fake":
        fake = FakeEvents()
        yield Stream(fake, fake)
        return
    link = connect(request.getfixturevalue("fresh_redis"))
    begin_stream(link)
    yield Stream(RedisEventPublisher(link), RedisEventSource(link))
    link.close()


class Mended(NamedTuple):
    """A stream and its mending."""

    stream: Stream
    mending: EventMending


@pytest.fixture(params=["redis", "fake"])
def mended(request: pytest.FixtureRequest) -> Iterator[Mended]:
    if request.param == "fake":
        fake = FakeEvents()
        yield Mended(Stream(fake, fake), fake)
        return
    link = connect(request.getfixturevalue("fresh_redis"))
    yield Mended(Stream(RedisEventPublisher(link), RedisEventSource(link)), begin_stream(link))
    link.close()


def event(number: int) -> Event:
    return Event(
        event_id=f"e{number}",
        type=EventType.TRADE_EXECUTED,
        at=AT + timedelta(microseconds=number),
        payload={"number": number, "price": "61000.10", "nested": {"ü": [None, True, "x"]}},
    )


def test_nothing_published_is_nothing_held(stream: Stream) -> None:
    assert stream.source.bounds() == (0, 0)
    assert list(stream.source.read(after=0, block_seconds=0, limit=10)) == []


def test_what_is_read_equals_what_was_published_in_order_with_consecutive_numbers(stream: Stream) -> None:
    stream.publisher.publish([event(1), event(2)])
    stream.publisher.publish([])
    stream.publisher.publish([event(3)])
    read = stream.source.read(after=0, block_seconds=0, limit=10)
    assert [each.event for each in read] == [event(1), event(2), event(3)]
    first = read[0].sequence
    assert [each.sequence for each in read] == [first, first + 1, first + 2]
    assert stream.source.bounds() == (first, first + 2)


def test_a_reader_goes_on_after_what_it_has_and_takes_no_more_than_its_limit(stream: Stream) -> None:
    stream.publisher.publish([event(number) for number in range(7)])
    first, newest = stream.source.bounds()
    part = stream.source.read(after=first + 1, block_seconds=0, limit=3)
    assert [each.sequence for each in part] == [first + 2, first + 3, first + 4]
    assert list(stream.source.read(after=newest, block_seconds=0, limit=3)) == []


def test_publishing_the_same_event_again_changes_nothing(stream: Stream) -> None:
    stream.publisher.publish([event(1), event(2)])
    stream.publisher.publish([event(2), event(3), event(3), event(1)])
    read = stream.source.read(after=0, block_seconds=0, limit=10)
    assert [each.event for each in read] == [event(1), event(2), event(3)]
    assert read[2].sequence == read[0].sequence + 2


def test_a_large_batch_keeps_its_order(stream: Stream) -> None:
    events = [event(number) for number in range(1201)]
    stream.publisher.publish(events)
    read = stream.source.read(after=0, block_seconds=0, limit=2000)
    assert [each.event for each in read] == events
    assert read[-1].sequence - read[0].sequence == 1200


def test_the_moment_of_an_event_is_kept_whatever_its_zone(stream: Stream) -> None:
    at = datetime(2026, 11, 22, 14, 0, 0, 1, tzinfo=timezone(timedelta(hours=2)))
    stream.publisher.publish([Event(event_id="z", type=EventType.PNL_UPDATED, at=at, payload={})])
    assert stream.source.read(after=0, block_seconds=0, limit=1)[0].event.at == at


def test_what_a_stream_never_had_is_missing_and_restoring_it_twice_tells_it_once(mended: Mended) -> None:
    mended.stream.publisher.publish([event(1), event(3)])
    assert list(mended.mending.missing(["e1", "e2", "e3", "e4"])) == ["e2", "e4"]
    assert list(mended.mending.missing([])) == []
    mended.mending.restore([event(2), event(3)])
    mended.mending.restore([event(2)])
    read = mended.stream.source.read(after=0, block_seconds=0, limit=10)
    assert [each.event for each in read] == [event(1), event(3), event(2)]


def test_numbers_jump_when_a_stream_begins_anew(mended: Mended) -> None:
    mended.stream.publisher.publish([event(1)])
    before = mended.stream.source.bounds()[1]
    time.sleep(0.11)  # no restart takes less
    mended.mending.begin_anew()
    mended.stream.publisher.publish([event(2)])
    assert mended.stream.source.bounds()[1] > before + 1


def test_how_far_the_record_was_checked_is_remembered(mended: Mended) -> None:
    assert mended.mending.checked_until() is None
    mended.mending.note_checked(41)
    mended.mending.note_checked(42)
    assert mended.mending.checked_until() == 42
    assert mended.mending.is_whole() is True
