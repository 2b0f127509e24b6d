"""Alerts are kept, wherever there is a place for them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain.alerts import Alert, AlertChange
from app.domain.events import EventType
from app.domain.health import Status
from app.services.keep_alerts import KeepAlerts
from tests.fakes.clock import FIRST_MOMENT as NOW
from tests.fakes.disk import FakeBuffer
from tests.fakes.postgres import FakeDatabase, FakeUnitOfWorkFactory
from tests.fakes.redis import FakeEvents

ALERT = Alert(
    alert_id="a1", component="redis", status=Status.CRITICAL, cause="no answer", raised_at=NOW, changed_at=NOW
)
CLEARED = replace(ALERT, revision=2, last_change=AlertChange.CLEARED, cleared_at=NOW)


class Rig:
    def __init__(self) -> None:
        self.database = FakeDatabase()
        self.events = FakeEvents()
        self.journal: FakeBuffer[Alert] = FakeBuffer()
        self.keep = KeepAlerts(FakeUnitOfWorkFactory(self.database, self.events), self.journal, self.events)

    def told(self) -> list[tuple[EventType, str]]:
        return [
            (each.event.type, each.event.payload["status"])
            for each in self.events.read(after=0, block_seconds=0, limit=100)
        ]


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_an_alert_goes_into_the_history_and_onto_the_live_stream(rig: Rig) -> None:
    rig.keep(ALERT)
    assert rig.keep.open_alerts() == [ALERT]
    rig.keep(CLEARED)
    assert rig.keep.open_alerts() == []
    assert rig.told() == [(EventType.HEALTH_ALERT, "CRITICAL"), (EventType.HEALTH_ALERT, "OK")]


def test_without_postgres_it_is_told_at_once_and_kept_on_the_disk_until_there_is_one(rig: Rig) -> None:
    rig.database.is_away = True
    rig.keep(ALERT)
    rig.keep(CLEARED)
    rig.keep.note_delivery(replace(CLEARED, delivered={"webhook": 2}))
    assert [status for _, status in rig.told()] == ["CRITICAL", "OK"]
    assert rig.keep.catch_up() is False
    rig.database.is_away = False
    assert rig.keep.catch_up() is True
    assert rig.database.state.alerts == {"a1": replace(CLEARED, delivered={"webhook": 2})}
    assert rig.keep.catch_up() is True
