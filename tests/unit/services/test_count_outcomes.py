"""Counting outcomes: each event once, whatever comes twice or fails; what cannot be applied keeps nobody waiting."""

from __future__ import annotations

import pytest

from app.domain.events import Event, EventType
from app.domain.signals import SignalState
from app.ports import DatabaseUnavailableError
from app.services import count_outcomes
from app.services.announcements import signal_decided
from app.services.count_outcomes import CountOutcomes
from tests.fakes.clock import FIRST_MOMENT, FakeClock
from tests.fakes.postgres import FakeDatabase, FakeUnitOfWorkFactory
from tests.fakes.redis import FakeEventGroup, FakeEvents
from tests.unit.domain.builders import make_signal


class Bench:
    """Three stored signals of two strategies, a stream, and the consumer."""

    def __init__(self) -> None:
        self.stream = FakeEvents()
        self.database = FakeDatabase()
        self.begin = FakeUnitOfWorkFactory(self.database, self.stream)
        self.group = FakeEventGroup(self.stream)
        self.count = CountOutcomes(self.begin, self.group, FakeClock())
        with self.begin() as uow:
            uow.signals.add_many(
                [
                    make_signal(signal_id=name, strategy=strategy)
                    for name, strategy in (("a", "x"), ("b", "x"), ("c", "y"))
                ]
            )
            uow.commit()

    def end(self, signal_id: str, state: SignalState) -> Event:
        event = signal_decided(signal_id, state, "CODE", "reason", FIRST_MOMENT)
        self.stream.publish([event])
        return event

    @property
    def outcomes(self) -> dict[str, dict[str, int]]:
        with self.begin() as uow:
            return {strategy: dict(counts) for strategy, counts in uow.events.outcomes().items()}

    @property
    def told(self) -> list[object]:
        return [each.payload for each in self.stream.published if each.type is EventType.STRATEGY_UPDATED]


def poison() -> Event:
    return Event(event_id="poison", type=EventType.SIGNAL_DECIDED, at=FIRST_MOMENT, payload={"state": "??"})


def test_each_end_counts_for_its_strategy_and_is_told():
    bench = Bench()
    bench.end("a", SignalState.EXECUTED)
    bench.end("b", SignalState.DENIED)
    bench.end("c", SignalState.DENIED)
    bench.count()
    assert bench.outcomes == {"x": {"DENIED": 1, "EXECUTED": 1}, "y": {"DENIED": 1}}
    assert {"strategy": "x", "signals": {"DENIED": 1, "EXECUTED": 1}} in bench.told
    bench.count()
    assert bench.group.status().unacknowledged == 0


def test_a_state_that_is_no_end_is_not_counted():
    bench = Bench()
    bench.end("a", SignalState.ORDERED)
    bench.count()
    assert (bench.outcomes, bench.told, bench.group.status().unacknowledged) == ({}, [], 0)


def test_an_event_that_is_delivered_again_by_a_server_that_forgot_counts_once():
    bench = Bench()
    bench.end("a", SignalState.DENIED)
    bench.count()
    CountOutcomes(bench.begin, FakeEventGroup(bench.stream), FakeClock())()  # a group that begins again
    assert bench.outcomes == {"x": {"DENIED": 1}}


def test_with_postgres_away_nothing_is_acknowledged_and_all_of_it_comes_again():
    bench = Bench()
    bench.end("a", SignalState.DENIED)
    bench.database.is_away = True
    for _ in range(2 * count_outcomes.ATTEMPTS_MAX):
        bench.group.later()
        with pytest.raises(DatabaseUnavailableError):
            bench.count()
    bench.database.is_away = False
    bench.group.later()
    bench.count()
    assert bench.outcomes == {"x": {"DENIED": 1}}
    assert bench.group.status().dead == 0


def test_an_event_that_cannot_be_applied_is_tried_again_then_a_dead_letter_and_delays_nobody():
    bench = Bench()
    bench.end("a", SignalState.DENIED)
    bench.stream.publish([poison()])
    bench.end("b", SignalState.DENIED)
    for attempt in range(count_outcomes.ATTEMPTS_MAX):
        assert bench.group.status().dead == 0, attempt
        bench.group.later()
        bench.count()
        assert bench.outcomes == {"x": {"DENIED": 2}}
    assert bench.group.status().unacknowledged == 0
    (letter,) = bench.group.dead(limit=10)
    assert (letter.event, letter.reason.startswith("UncountableEventError")) == (poison(), True)


def test_dead_letters_are_revived_once_they_can_be_applied_and_stay_otherwise():
    bench = Bench()
    good = bench.end("a", SignalState.DENIED)
    bench.stream.publish([poison()])
    for delivery in bench.group.take(limit=10):
        bench.group.bury(delivery, "an earlier release did not know better")
    assert bench.count.revive(["no-such-letter"]) == 0
    assert bench.count.revive() == 1
    assert bench.outcomes == {"x": {"DENIED": 1}}
    assert [each.event for each in bench.group.dead(limit=10)] == [poison()]
    assert good not in [each.event for each in bench.group.dead(limit=10)]
