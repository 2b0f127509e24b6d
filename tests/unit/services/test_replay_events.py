"""Replaying: what waited goes first, in order; who follows the stream is told what is missing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.adapters.disk.buffered_publisher import BufferedEventPublisher
from app.domain.events import Event, EventType
from app.ports import EventsUnavailableError
from app.services import mend_events
from app.services.mend_events import MendEvents
from app.services.replay_events import ReplayEvents
from tests.fakes.clock import FIRST_MOMENT, FakeClock
from tests.fakes.disk import FakeBuffer
from tests.fakes.postgres import FakeDatabase, FakeUnitOfWorkFactory
from tests.fakes.redis import FakeEvents


def event(name: str) -> Event:
    return Event(event_id=name, type=EventType.ORDER_UPDATED, at=FIRST_MOMENT, payload={})


class Bus:
    """A stream with a buffer behind it."""

    def __init__(self, *, records_max: int | None = None) -> None:
        self.stream = FakeEvents()
        self.buffer: FakeBuffer[Event] = FakeBuffer(records_max=records_max)
        self.publisher = BufferedEventPublisher(self, self.buffer)
        self.database = FakeDatabase()
        self.begin = FakeUnitOfWorkFactory(self.database, self.publisher)
        self.mend = MendEvents(self.begin, self.stream)
        self.replay = ReplayEvents(self.buffer, self.stream, self.mend, FakeClock())

    def publish(self, events: list[Event]) -> None:
        """As the publisher on Redis: what could not be published is handed over."""
        try:
            self.stream.deliver(events)
        except EventsUnavailableError as error:
            self.publisher.keep(events, error)

    def commit(self, *names: str) -> None:
        """As a use case: recorded and published."""
        with self.begin() as uow:
            uow.emit(*(event(name) for name in names))
            uow.commit()

    def record(self, *names: str) -> None:
        """As a process that dies between its commit and its publishing."""
        with FakeUnitOfWorkFactory(self.database, FakeEvents())() as uow:
            uow.emit(*(event(name) for name in names))
            uow.commit()

    def later(self, seconds: float) -> None:
        self.database.now += timedelta(seconds=seconds)

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


def test_what_the_stream_forgot_comes_before_what_was_published_since():
    bus = Bus()
    bus.commit("a", "b")
    bus.commit("c")
    bus.stream.forget(2)
    bus.commit("d")
    assert bus.published == ["a"]
    assert bus.replay() is True
    assert bus.published == ["a", "b", "c", "d"]


def test_a_stream_that_lost_everything_is_told_the_last_minute_again():
    bus = Bus()
    bus.commit("old")
    bus.later(mend_events.RECALL_SECONDS)
    bus.commit("a")
    bus.stream.forget(2)
    assert bus.replay() is True
    assert bus.published == ["a"]


def test_while_postgres_is_away_too_nothing_overtakes_what_was_forgotten():
    bus = Bus()
    bus.commit("a")
    bus.stream.forget(1)
    bus.publisher.publish([event("b")])
    bus.database.is_away = True
    assert bus.replay() is False
    assert bus.published == []
    bus.database.is_away = False
    assert bus.replay() is True
    assert bus.published == ["a", "b"]


def test_an_event_whose_process_died_before_it_published_is_published_late_and_once():
    bus = Bus()
    bus.commit("a")
    bus.record("b")
    bus.commit("c")
    bus.mend.sweep()
    assert bus.published == ["a", "c"]  # its process may be about to
    bus.later(mend_events.UNPUBLISHED_SECONDS)
    bus.mend.sweep()
    bus.mend.sweep()
    assert bus.published == ["a", "c", "b"]


def test_a_sweep_looks_only_at_what_may_still_change():
    bus = Bus()
    bus.commit("a", "b")
    bus.later(mend_events.SETTLED_SECONDS)
    bus.commit("c")
    bus.mend.sweep()
    assert bus.stream.checked_until() == 2


def test_a_database_older_than_the_stream_has_seen_is_looked_at_again():
    bus = Bus()
    bus.commit("a")
    bus.stream.note_checked(1_000)
    bus.record("b")
    bus.later(mend_events.UNPUBLISHED_SECONDS)
    bus.mend.sweep()
    assert bus.published == ["a", "b"]


def test_the_record_is_shortened():
    bus = Bus()
    bus.commit("a")
    bus.later(mend_events.RECORD_SECONDS)
    bus.commit("b")
    bus.mend.sweep()
    assert [each.event_id for _, _, each in bus.database.state.events] == ["b"]


def test_more_than_a_page_is_restored_in_order(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mend_events, "PAGE_ROWS", 7)
    bus = Bus()
    names = [f"e{number:03}" for number in range(50)]
    bus.commit(*names)
    bus.stream.forget(40)
    assert bus.replay() is True
    assert bus.published == names
