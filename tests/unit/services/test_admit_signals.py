"""Admission: durable first, then ranked; nobody is told something that is not so."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from app.domain.signals import IntakeVerdict
from app.ports import BufferFullError, BufferUnavailableError
from tests.support.desk import Desk


def test_a_signal_is_stored_ranked_and_announced():
    desk = Desk()
    (admission,) = desk.admit([desk.signal("a")])
    assert admission.verdict is IntakeVerdict.QUEUED
    assert desk.state_of("a") == "QUEUED"
    assert list(desk.window.members()) == ["a"]
    assert [event.type.value for event in desk.events.published] == ["signal_received"]
    assert [hint.task for hint in desk.tasks.sent] == ["signals.dispatch"]


def test_many_arrivals_send_one_dispatch_hint_until_it_is_taken_up():
    desk = Desk()
    for number in range(5):
        desk.admit([desk.signal(f"s{number}")])
    assert [hint.task for hint in desk.tasks.sent] == ["signals.dispatch"]
    desk.dispatch()
    desk.admit([desk.signal("later")])
    assert len([hint for hint in desk.tasks.sent if hint.task == "signals.dispatch"]) == 2


def test_a_hint_that_could_not_be_sent_does_not_silence_the_next_one():
    desk = Desk()
    desk.tasks.is_away = True
    desk.admit([desk.signal("a")])
    desk.tasks.is_away = False
    desk.admit([desk.signal("b")])
    assert [hint.task for hint in desk.tasks.sent] == ["signals.dispatch"]


def test_a_signal_id_stored_before_changes_nothing():
    desk = Desk()
    desk.admit([desk.signal("a", confidence=Decimal("0.9"))])
    (again,) = desk.admit([desk.signal("a", confidence=Decimal("0.1"))])
    assert again.verdict is IntakeVerdict.DUPLICATE
    assert desk.stored("a").signal.confidence == Decimal("0.9")
    assert list(desk.window.members()) == ["a"]


def test_when_the_window_is_full_the_worse_is_dropped_and_the_worst_evicted_with_reasons():
    desk = Desk(capacity=2)
    desk.admit([desk.signal("a", confidence=Decimal("0.6")), desk.signal("b", confidence=Decimal("0.7"))])
    dropped, replacing = desk.admit(
        [desk.signal("c", confidence=Decimal("0.5")), desk.signal("d", confidence=Decimal("0.8"))]
    )
    assert dropped.verdict is IntakeVerdict.DROPPED
    assert (replacing.verdict, replacing.evicted) == (IntakeVerdict.REPLACED, "a")
    assert (desk.stored("c").state.value, desk.stored("c").reason_code) == ("DROPPED", "WINDOW_FULL")
    assert (desk.stored("a").state.value, desk.stored("a").reason_code) == ("EVICTED", "REPLACED_BY_BETTER")
    assert desk.state_of("b") == desk.state_of("d") == "QUEUED"


def test_within_one_batch_a_later_signal_may_evict_an_earlier_one():
    desk = Desk(capacity=1)
    first, second = desk.admit(
        [desk.signal("a", confidence=Decimal("0.6")), desk.signal("b", confidence=Decimal("0.7"))]
    )
    assert (first.verdict, second.verdict) == (IntakeVerdict.QUEUED, IntakeVerdict.REPLACED)
    assert (desk.state_of("a"), desk.state_of("b")) == ("EVICTED", "QUEUED")


def test_without_redis_a_signal_is_durable_and_ranked_by_the_sweep():
    desk = Desk()
    desk.window.is_away = True
    (admission,) = desk.admit([desk.signal("a")])
    assert admission.verdict is IntakeVerdict.SPOOLED
    assert desk.state_of("a") == "QUEUED"
    desk.window.is_away = False
    desk.later(2)
    desk.sweep_signals()
    assert list(desk.window.members()) == ["a"]


def test_without_redis_no_hint_is_sent_to_a_broker_that_lives_there():
    desk = Desk()
    desk.window.is_away = True
    desk.admit([desk.signal("a")])
    assert desk.tasks.sent == []


def test_without_postgres_a_signal_waits_on_the_disk_and_is_not_ranked():
    desk = Desk()
    desk.database.is_away = True
    (admission,) = desk.admit([desk.signal("a")])
    assert admission.verdict is IntakeVerdict.SPOOLED
    assert [signal.signal_id for signal in desk.spool.waiting] == ["a"]
    assert list(desk.window.members()) == []


def test_without_postgres_and_redis_a_signal_waits_on_the_disk_all_the_same():
    desk = Desk()
    desk.database.is_away = desk.window.is_away = True
    (admission,) = desk.admit([desk.signal("a")])
    assert admission.verdict is IntakeVerdict.SPOOLED
    assert [signal.signal_id for signal in desk.spool.waiting] == ["a"]


@pytest.mark.parametrize(("fault", "error"), [("is_full", BufferFullError), ("is_broken", BufferUnavailableError)])
def test_without_postgres_and_without_the_disk_nothing_is_promised(fault, error):
    desk = Desk()
    desk.database.is_away = True
    setattr(desk.spool, fault, True)
    with pytest.raises(error):
        desk.admit([desk.signal("a")])
    assert list(desk.window.members()) == []


def test_nobody_is_woken_to_drain_while_postgres_answers():
    desk = Desk()
    woken: list[int] = []
    admit = replace(desk.admit, on_spooled=lambda: woken.append(1))
    admit([desk.signal("a")])
    assert woken == []
    desk.database.is_away = True
    admit([desk.signal("b")])
    assert woken == [1]
