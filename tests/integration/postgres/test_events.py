"""Events of one story keep their order, whoever publishes them: what is committed after waiting for another's lock."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from app.adapters.postgres import PostgresUnitOfWorkFactory, events
from app.domain.events import Event, EventType
from tests.fakes.redis import FakeEvents

pytestmark = pytest.mark.integration
AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def event(name: str, signal_id: str, type_: EventType = EventType.ORDER_UPDATED) -> Event:
    return Event(event_id=name, type=type_, at=AT, payload={"signal_id": signal_id, "order_id": "o"})


def commit(engine: sa.Engine, publisher: FakeEvents, *emitted: Event) -> None:
    with PostgresUnitOfWorkFactory(engine, publisher)() as uow:
        uow.emit(*emitted)
        uow.commit()


def test_an_event_takes_along_what_it_follows_from_and_nothing_else(engine: sa.Engine) -> None:
    slow, stream = FakeEvents(), FakeEvents()
    slow.is_away = True  # has committed and not published yet
    commit(engine, slow, event("a1", "a"), event("b1", "b"), event("a2", "a"))
    commit(engine, stream, event("a3", "a"))
    assert [each.event_id for each in stream.published] == ["a1", "a2", "a3"]
    commit(engine, stream, event("a4", "a"))
    assert [each.event_id for each in stream.published] == ["a1", "a2", "a3", "a4"]


def test_an_arrival_follows_from_nothing(engine: sa.Engine) -> None:
    slow, stream = FakeEvents(), FakeEvents()
    slow.is_away = True
    commit(engine, slow, event("a1", "a"))
    commit(engine, stream, event("a2", "a", EventType.SIGNAL_RECEIVED))
    assert [each.event_id for each in stream.published] == ["a2"]


def test_what_was_committed_long_ago_has_been_published(engine: sa.Engine) -> None:
    slow, stream = FakeEvents(), FakeEvents()
    slow.is_away = True
    commit(engine, slow, event("a1", "a"))
    with engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE events SET recorded_at = recorded_at - make_interval(secs => :age)"),
            {"age": events.OVERTAKABLE_SECONDS},
        )
    commit(engine, stream, event("a2", "a"))
    assert [each.event_id for each in stream.published] == ["a2"]
