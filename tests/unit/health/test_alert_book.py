"""The life of an alert."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from app.domain.alerts import CLEAR_AFTER_MAX, Alert, AlertChange
from app.domain.health import Finding, Status
from app.health.alert_book import REOPEN_WITHIN, AlertBook
from tests.fakes.clock import FIRST_MOMENT as NOW

TICK = 0.25


def finding(status: Status, *, component: str = "redis", because_of: str | None = None) -> Finding:
    cause = None if status is Status.OK else f"it is {status.value}"
    return Finding(component=component, status=status, cause=cause, because_of=because_of)


class Story:
    """A book that is shown the same findings for some seconds, and what it changed."""

    def __init__(self, *, quiet_seconds: float = 0.0) -> None:
        numbers = itertools.count(1)
        self.now = NOW
        self.book = AlertBook(
            new_id=lambda: f"alert-{next(numbers)}", quiet_until=NOW + timedelta(seconds=quiet_seconds)
        )
        self.changes: list[Alert] = []

    def show(self, status: Status, seconds: float, **changes: str) -> list[AlertChange]:
        told = []
        for _ in range(round(seconds / TICK)):
            told += self.book.follow([finding(status, **changes)], now=self.now)
            self.now += timedelta(seconds=TICK)
        self.changes += told
        return [alert.last_change for alert in told]


@pytest.fixture
def story() -> Story:
    return Story()


def test_a_trouble_is_raised_once_escalated_eased_and_cleared(story: Story):
    assert story.show(Status.OK, 5) == []
    assert story.show(Status.DEGRADED, 60) == [AlertChange.RAISED]
    assert story.show(Status.CRITICAL, 60) == [AlertChange.ESCALATED]
    assert story.show(Status.DEGRADED, 60) == [AlertChange.EASED]
    assert story.show(Status.OK, 60) == [AlertChange.CLEARED]
    assert {alert.alert_id for alert in story.changes} == {"alert-1"}
    assert [alert.revision for alert in story.changes] == [1, 2, 3, 4]
    assert story.changes[-1].cleared_at is not None
    assert story.book.open_alerts() == []


def test_it_is_raised_and_cleared_within_five_seconds_of_what_confirms_it(story: Story):
    assert story.show(Status.CRITICAL, 1.5) == [AlertChange.RAISED]
    assert story.show(Status.OK, 2.5) == [AlertChange.CLEARED]


def test_a_blip_raises_nothing(story: Story):
    for _ in range(20):
        assert story.show(Status.CRITICAL, 0.75) == []
        assert story.show(Status.OK, 0.5) == []


def test_what_flaps_is_one_alert_that_stays_open_longer_and_longer(story: Story):
    changes = []
    for _ in range(100):
        changes += story.show(Status.CRITICAL, 3)
        changes += story.show(Status.OK, 10)
    assert {alert.alert_id for alert in story.changes} == {"alert-1"}
    assert changes.count(AlertChange.REOPENED) <= 3  # of a hundred times
    assert story.show(Status.OK, CLEAR_AFTER_MAX.total_seconds() + 1)[-1:] in ([AlertChange.CLEARED], [])
    assert story.book.open_alerts() == []


def test_the_same_trouble_much_later_is_a_new_alert(story: Story):
    story.show(Status.CRITICAL, 3)
    story.show(Status.OK, REOPEN_WITHIN.total_seconds() + 10)
    assert story.show(Status.CRITICAL, 3) == [AlertChange.RAISED]
    assert story.changes[-1].alert_id == "alert-2"


def test_what_another_failure_explains_raises_nothing_but_an_open_alert_stays_open(story: Story):
    assert story.show(Status.CRITICAL, 60, because_of="postgres") == []
    assert story.show(Status.CRITICAL, 2) == [AlertChange.RAISED]
    assert story.show(Status.CRITICAL, 60, because_of="postgres") == []
    assert len(story.book.open_alerts()) == 1


def test_a_start_is_quiet_for_what_has_not_worked_yet_and_for_nothing_else():
    story = Story(quiet_seconds=30)
    assert story.show(Status.CRITICAL, 29) == []
    assert story.show(Status.CRITICAL, 5) == [AlertChange.RAISED]
    story = Story(quiet_seconds=30)
    story.show(Status.OK, 1)
    assert story.show(Status.CRITICAL, 5) == [AlertChange.RAISED]


def test_an_alert_of_an_earlier_process_is_carried_on_and_cleared(story: Story):
    story.show(Status.CRITICAL, 2)
    (left,) = story.book.open_alerts()
    successor = Story()
    assert successor.book.adopt([left], now=successor.now) == []
    assert successor.show(Status.CRITICAL, 60) == []
    assert successor.show(Status.OK, 5) == [AlertChange.CLEARED]
    assert successor.changes[-1].alert_id == left.alert_id


def test_an_alert_found_late_is_cleared_in_favour_of_the_one_raised_meanwhile(story: Story):
    story.show(Status.CRITICAL, 2)
    successor = Story()
    successor.show(Status.OK, 1)
    successor.book._new_id = lambda: "another"  # type: ignore[assignment]
    successor.show(Status.CRITICAL, 2)
    (cleared,) = successor.book.adopt(story.book.open_alerts(), now=successor.now)
    assert (cleared.alert_id, cleared.last_change) == ("alert-1", AlertChange.CLEARED)


def test_what_is_no_longer_looked_at_is_over(story: Story):
    story.show(Status.CRITICAL, 2, component="worker-extra")
    (cleared,) = story.book.follow([finding(Status.OK)], now=story.now)
    assert (cleared.component, cleared.last_change) == ("worker-extra", AlertChange.CLEARED)
