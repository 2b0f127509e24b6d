"""Replaying: what waited goes first, in order; who follows the stream is told what is missing."""

from __future__ import annotations

from app.adapters.disk.buffered_publisher import BufferedEventPublisher
from app.domain.events import Event, EventType
from app.services.replay_events import ReplayEvents
from tests.fakes.clock import FIRST_MOMENT, FakeClock
from tests.fakes.disk import FakeBuffer
from tests.fakes.redis import FakeEvents


def event(name: str) -> Event:
    return Event(event_id=name, type=EventType.ORDER_UPDATED, at=FIRST_MOMENT, payload={})


class Bus:
    """A stream with a buffer behind it."""

    def __init__(self, *, records_max: int | None = None) -> None:
        self.stream = FakeEvents()
        self.buffer: FakeBuffer[Event] = FakeBuffer(records_max=records_max)
        self.publisher = BufferedEventPublisher(self, self.buffer)
        self.replay = ReplayEvents(self.buffer, self.stream, FakeClock())

    def publish(self, events: list[Event]) -> None:
        """As the publisher on Redis: what could not be published is handed over."""
        if self.stream.is_away:
            self.publisher.keep(events, ConnectionError("away"))
        else:
            self.stream.publish(events)

    @property
    def published(self) -> list[str]:
        return [each.event_id for each in self.stream.published]


def test_while_the_stream_answers_nothing_touches_the_disk():
    bus = Bus()
    bus.publisher.publish([event("a")])
    assert bus.published == ["a"]
    assert bus.buffer.waiting == []
    assert bus.replay() is True


def test_what_the_stream_did_not_take_comes_before_what_was_published_after_its_return():
    bus = Bus()
    bus.publisher.publish([event("a")])
    bus.stream.is_away = True
    bus.publisher.publish([event("b"), event("c")])
    bus.stream.is_away = False
    bus.publisher.publish([event("d")])  # waits its turn
    assert bus.published == ["a"]
    assert bus.replay() is True
    bus.publisher.publish([event("e")])
    assert bus.published == ["a", "b", "c", "d", "e"]


def test_an_event_that_was_in_the_stream_all_along_is_not_doubled():
    bus = Bus()
    bus.publisher.publish([event("a")])
    bus.publisher.keep([event("a")], TimeoutError("no answer"))
    bus.replay()
    assert bus.published == ["a"]


def test_with_the_stream_still_away_everything_stays_where_it_is():
    bus = Bus()
    bus.stream.is_away = True
    bus.publisher.publish([event("a")])
    assert bus.replay() is False
    assert [each.event_id for each in bus.buffer.waiting] == ["a"]


def test_followers_are_told_of_what_fell_off_before_they_see_what_came_after():
    bus = Bus(records_max=2)
    bus.stream.is_away = True
    bus.publisher.publish([event(name) for name in "abc"])
    bus.stream.is_away = False
    bus.replay()
    alert, *rest = bus.stream.published
    assert (alert.type, alert.payload["component"]) == (EventType.HEALTH_ALERT, "event_buffer")
    assert alert.payload["cause"].startswith("1 events")
    assert [each.event_id for each in rest] == ["b", "c"]


def test_with_the_disk_gone_too_events_are_counted_as_lost_and_the_caller_is_spared():
    bus = Bus()
    bus.stream.is_away = True
    bus.buffer.is_full = True
    bus.publisher.publish([event("a"), event("b")])
    assert bus.publisher.lost_count == 2


def test_an_unreadable_buffer_does_not_stop_the_stream():
    bus = Bus()
    bus.buffer.is_broken = True
    bus.publisher.publish([event("a")])
    assert bus.published == ["a"]
    assert bus.replay() is False
