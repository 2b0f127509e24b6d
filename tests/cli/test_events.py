"""`./qt events` on a group with one dead letter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from app.cli import events
from app.domain.events import Event, EventType
from app.services.count_outcomes import CountOutcomes
from tests.fakes.clock import FakeClock
from tests.fakes.postgres import FakeDatabase, FakeUnitOfWorkFactory
from tests.fakes.redis import FakeEventGroup, FakeEvents

POISON = Event(
    event_id="poison", type=EventType.SIGNAL_DECIDED, at=datetime(2026, 11, 22, 12, 0, tzinfo=UTC), payload={}
)


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> FakeEvents:
    stream = FakeEvents()
    group = FakeEventGroup(stream)
    stream.publish([POISON])
    for delivery in group.take(limit=10):
        group.bury(delivery, "it says nothing")
    count = CountOutcomes(FakeUnitOfWorkFactory(FakeDatabase(), stream), group, FakeClock())

    @contextmanager
    def opened() -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(event_group=group, count_outcomes=count)

    monkeypatch.setattr(events, "_system", opened)
    return stream


def call(*arguments: str) -> Result:
    return CliRunner().invoke(events.command, arguments)


def test_a_dead_letter_is_listed_stays_when_it_cannot_be_revived_and_goes_when_it_is_discarded(
    stream: FakeEvents,
) -> None:
    assert call("status").output == "waiting 0, unacknowledged 0, dead 1\n"
    listed = call("dead").output.split()
    assert listed[0] == "1-0"
    assert {"signal_decided", "poison"} <= set(listed)
    assert call("revive").output.endswith("applied 0\n")
    assert call("discard", "1-0").output == "removed 1\n"
    assert call("status").output.endswith("dead 0\n")


def test_what_to_discard_must_be_named(stream: FakeEvents) -> None:
    assert call("discard").exit_code == 2
