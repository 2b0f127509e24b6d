"""Draining: one row for every promise, a chance for what is still fresh, a reason for what is not."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from app.domain.signals import IntakeVerdict
from app.ports import ConstraintViolatedError
from tests.support.desk import Desk


def spooled(desk: Desk, *names: str) -> None:
    desk.database.is_away = True
    desk.admit([desk.signal(name) for name in names])
    desk.database.is_away = False


def test_a_fresh_signal_gets_its_row_its_rank_its_event_and_keeps_when_it_came():
    desk = Desk()
    came_at = desk.clock.now()
    spooled(desk, "a")
    desk.later(5)
    assert desk.drain() is True
    assert desk.stored("a").signal.received_at == came_at
    assert desk.state_of("a") == "QUEUED"
    assert list(desk.window.members()) == ["a"]
    assert [event.type.value for event in desk.events.published] == ["signal_received"]
    assert [hint.task for hint in desk.tasks.sent] == ["signals.dispatch"]
    assert desk.spool.waiting == []


def test_a_signal_that_outlived_its_time_on_the_disk_is_expired_with_a_reason_and_never_ranked():
    desk = Desk()
    spooled(desk, "a")
    desk.later(31)
    desk.drain()
    stored = desk.stored("a")
    assert (stored.state.value, stored.reason_code) == ("EXPIRED", "TIME_TO_LIVE_OVER")
    assert stored.reason
    assert list(desk.window.members()) == []
    assert [event.type.value for event in desk.events.published] == ["signal_received", "signal_decided"]


def test_a_signal_spooled_twice_becomes_one_row_and_the_first_one_counts():
    desk = Desk()
    desk.database.is_away = True
    desk.admit([desk.signal("a", confidence=Decimal("0.9"))])
    desk.admit([desk.signal("a", confidence=Decimal("0.1"))])
    desk.database.is_away = False
    desk.drain()
    assert desk.stored("a").signal.confidence == Decimal("0.9")
    assert len(desk.events.published) == 1


def test_a_signal_whose_commit_succeeded_without_an_answer_is_not_stored_again():
    desk = Desk()
    signal = desk.signal("a")
    desk.admit([signal])
    desk.dispatch()
    desk.spool.append([signal])
    desk.drain()
    assert desk.state_of("a") == "DISPATCHED"
    assert list(desk.window.members()) == []


def test_while_postgres_is_away_nothing_leaves_the_disk():
    desk = Desk()
    spooled(desk, "a")
    desk.database.is_away = True
    assert desk.drain() is False
    assert [signal.signal_id for signal in desk.spool.waiting] == ["a"]


def test_with_redis_still_away_signals_get_their_rows_and_the_sweep_ranks_them_later():
    desk = Desk()
    desk.window.is_away = True
    spooled(desk, "a")
    assert desk.drain() is True
    assert desk.state_of("a") == "QUEUED"
    desk.window.is_away = False
    desk.later(2)
    desk.sweep_signals()
    assert list(desk.window.members()) == ["a"]


def test_who_does_not_hold_the_spool_says_that_there_is_work_left():
    desk = Desk()
    spooled(desk, "a")
    desk.spool.held_by_other = True
    assert desk.drain() is False
    assert [signal.signal_id for signal in desk.spool.waiting] == ["a"]


def test_a_spool_that_cannot_be_read_is_tried_again():
    desk = Desk()
    desk.spool.is_broken = True
    assert desk.drain() is False


def test_a_signal_that_the_database_refuses_is_set_aside_and_holds_up_nobody(monkeypatch: pytest.MonkeyPatch):
    desk = Desk()
    spooled(desk, "a", "poison", "b", "c")
    store = type(desk.admit).store

    def refusing(self, signals):
        if any(signal.signal_id == "poison" for signal in signals):
            raise ConstraintViolatedError("no such thing")
        return store(self, signals)

    monkeypatch.setattr(type(desk.admit), "store", refusing)
    assert desk.drain() is True
    assert [desk.state_of(name) for name in "abc"] == ["QUEUED"] * 3
    assert [(signal.signal_id, "no such thing" in reason) for signal, reason in desk.spool.aside] == [("poison", True)]


def test_a_signal_that_is_over_when_it_is_posted_is_stored_expired_and_told_dropped():
    desk = Desk()
    now = desk.clock.now()
    (admission,) = desk.admit([desk.signal("a", expires_at=now - timedelta(seconds=1))])
    assert admission.verdict is IntakeVerdict.DROPPED
    assert desk.state_of("a") == "EXPIRED"
