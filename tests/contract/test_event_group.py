"""What every consumer group does, the one in Redis and the fake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from app.adapters.redis.client import connect
from app.adapters.redis.event_group import RedisEventGroup
from app.adapters.redis.event_stream import RedisEventPublisher
from app.ports import EventGroup, EventPublisher
from tests.contract.test_event_stream import begin_stream, event
from tests.fakes.redis import FakeEventGroup, FakeEvents
from tests.support.waiting import wait_until

RETRY_SECONDS = 0.2


class Grouped(NamedTuple):
    """A stream, a group on it, and what makes the group deliver again what was not acknowledged."""

    publisher: EventPublisher
    group: EventGroup
    later: Callable[[], None]


@pytest.fixture(params=["redis", "fake"])
def grouped(request: pytest.FixtureRequest) -> Iterator[Grouped]:
    if request.param == "fake":
        fake = FakeEvents()
        group = FakeEventGroup(fake)
        yield Grouped(fake, group, group.later)
        return
    url = request.getfixturevalue("fresh_redis")
    link = connect(url)
    begin_stream(link)

    def later() -> None:
        idle = link.client.xpending_range
        wait_until(
            lambda: all(
                each["time_since_delivered"] >= 1000 * RETRY_SECONDS
                for each in idle("qt:{events}:stream", "g", min="-", max="+", count=10)
            ),
            seconds=10,
            what="the retry to be due",
        )

    yield Grouped(
        RedisEventPublisher(link),
        RedisEventGroup(link, group="g", member="m", retry_seconds=RETRY_SECONDS),
        later,
    )
    link.close()


def test_each_event_is_delivered_once_in_order_also_those_published_before_the_group_was_used(grouped: Grouped) -> None:
    grouped.publisher.publish([event(1), event(2)])
    taken = [each.event for each in grouped.group.take(limit=10)]
    grouped.publisher.publish([event(3)])
    taken += [each.event for each in grouped.group.take(limit=10)]
    assert taken == [event(1), event(2), event(3)]
    assert list(grouped.group.take(limit=10)) == []


def test_what_was_not_acknowledged_comes_again_and_counts_its_attempts(grouped: Grouped) -> None:
    grouped.publisher.publish([event(1), event(2)])
    first, second = grouped.group.take(limit=10)
    grouped.group.acknowledge([first])
    grouped.later()
    (again,) = grouped.group.take(limit=10)
    assert (again.event, again.attempts, second.attempts) == (event(2), 2, 1)
    grouped.group.acknowledge([again])
    grouped.later()
    assert list(grouped.group.take(limit=10)) == []


def test_a_dead_letter_is_out_of_the_way_and_can_be_looked_at_and_discarded(grouped: Grouped) -> None:
    grouped.publisher.publish([event(1), event(2)])
    first, second = grouped.group.take(limit=10)
    grouped.group.bury(first, "makes no sense")
    grouped.group.acknowledge([second])
    grouped.later()
    assert list(grouped.group.take(limit=10)) == []
    (letter,) = grouped.group.dead(limit=10)
    assert (letter.event, letter.reason) == (event(1), "makes no sense")
    assert grouped.group.status().dead == 1
    assert grouped.group.discard([letter.letter_id, "7-7"]) == 1
    assert grouped.group.discard([]) == 0
    assert list(grouped.group.dead(limit=10)) == []


def test_the_status_tells_what_waits_and_what_is_on_its_way(grouped: Grouped) -> None:
    grouped.publisher.publish([event(number) for number in range(5)])
    grouped.group.take(limit=2)
    status = grouped.group.status()
    assert (status.waiting, status.unacknowledged, status.dead) == (3, 2, 0)
