"""What every record of events does, the one in Postgres and the fake."""

from __future__ import annotations

from datetime import UTC, datetime

from app.domain.events import Event, EventType
from app.domain.signals import SignalState
from tests.contract.conftest import World
from tests.unit.domain.builders import make_signal

AT = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)


def event(name: str) -> Event:
    return Event(
        event_id=name,
        type=EventType.TRADE_EXECUTED,
        at=AT,
        payload={"price": "61000.10", "nested": {"\u00fc": [None, True, "x"]}},
    )


def commit(world: World, *names: str) -> None:
    with world.begin() as uow:
        uow.emit(*(event(name) for name in names))
        uow.commit()


def test_what_was_emitted_is_recorded_with_its_commit_in_order_and_comes_back_as_it_was(world: World) -> None:
    commit(world, "a", "b")
    commit(world, "c")
    with world.begin() as uow:
        rows = uow.events.recorded(after=0, limit=10)
        assert [row.event_id for row in rows] == ["a", "b", "c"]
        assert [row.number for row in rows] == sorted({row.number for row in rows})
        assert uow.events.newest_number() == rows[-1].number
        assert list(uow.events.read([rows[2].number, rows[0].number])) == [event("a"), event("c")]
        assert [row.event_id for row in uow.events.recorded(after=rows[0].number, limit=1)] == ["b"]


def test_what_was_rolled_back_was_never_emitted(world: World) -> None:
    with world.begin() as uow:
        uow.emit(event("a"))
    commit(world, "b")
    with world.begin() as uow:
        assert [row.event_id for row in uow.events.recorded(after=0, limit=10)] == ["b"]
    assert [each.event_id for each in world.events.published] == ["b"]


def test_an_empty_record_says_so(world: World) -> None:
    with world.begin() as uow:
        assert list(uow.events.recorded(after=0, limit=10)) == []
        assert uow.events.newest_number() == 0
        assert uow.events.number_before(age_seconds=0) == 0
        assert list(uow.events.read([1])) == []


def test_the_oldest_are_forgotten_a_few_at_a_time(world: World) -> None:
    commit(world, "a", "b", "c")
    with world.begin() as uow:
        assert uow.events.forget(older_than_seconds=60, limit=10) == 0
        assert uow.events.forget(older_than_seconds=0, limit=2) == 2
        assert [row.event_id for row in uow.events.recorded(after=0, limit=10)] == ["c"]
        assert uow.events.number_before(age_seconds=0) == uow.events.newest_number()
        assert uow.events.number_before(age_seconds=60) == 0


def test_an_event_is_claimed_once_by_each_consumer_with_the_commit(world: World) -> None:
    with world.begin() as uow:
        assert list(uow.events.claim("c", ["a", "b"])) == ["a", "b"]
    with world.begin() as uow:
        assert list(uow.events.claim("c", ["a"])) == ["a"]  # the first time it was rolled back
        uow.commit()
    with world.begin() as uow:
        assert list(uow.events.claim("c", ["a", "b"])) == ["b"]
        assert list(uow.events.claim("other", ["a"])) == ["a"]
        assert list(uow.events.claim("c", [])) == []


def test_outcomes_add_up_by_the_strategy_of_each_signal(world: World) -> None:
    names = (("a", "x"), ("b", "x"), ("c", "y"))
    with world.begin() as uow:
        uow.signals.add_many([make_signal(signal_id=name, strategy=strategy) for name, strategy in names])
        assert uow.events.add_outcomes([]) == {}
        uow.events.add_outcomes([("a", SignalState.DENIED), ("c", SignalState.FAILED)])
        totals = uow.events.add_outcomes([("b", SignalState.DENIED), ("unknown", SignalState.DENIED)])
        assert totals == {"x": {"DENIED": 2}}
        uow.commit()
    with world.begin() as uow:
        assert uow.events.outcomes() == {"x": {"DENIED": 2}, "y": {"FAILED": 1}}
