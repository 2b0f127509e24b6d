"""Dispatch: the best first, never more at work than the credit allows, nothing lost on the way."""

from __future__ import annotations

from decimal import Decimal

from tests.support.desk import Desk


def admit(desk: Desk, count: int) -> None:
    desk.admit([desk.signal(f"s{number:02}", confidence=Decimal(number) / 100) for number in range(count)])


def test_the_best_are_handed_out_best_first_with_priority_from_confidence():
    desk = Desk()
    admit(desk, 30)
    assert desk.dispatch() == 10
    hints = [hint for hint in desk.tasks.sent if hint.task == "orders.place"]
    assert [hint.arguments["signal_id"] for hint in hints] == [f"s{number:02}" for number in range(29, 19, -1)]
    assert {hint.priority for hint in hints} == {7}


def test_no_more_than_the_credit_is_at_work():
    desk = Desk(in_flight_max=4)
    admit(desk, 30)
    assert desk.dispatch() == 4
    assert desk.dispatch() == 0
    assert len(desk.window.members()) == 26


def test_credit_comes_back_when_a_signal_ends():
    desk = Desk(in_flight_max=1)
    desk.admit([desk.signal("a", confidence=Decimal("0.9")), desk.signal("b", confidence=Decimal("0.8"))])
    desk.dispatch()
    assert desk.dispatch() == 0
    desk.place("a")
    assert desk.state_of("a") == "EXECUTED"
    assert desk.dispatch() == 1
    assert desk.state_of("b") == "DISPATCHED"


def test_a_signal_that_expired_in_the_window_ends_as_expired():
    desk = Desk()
    desk.admit([desk.signal("a")])
    desk.later(31)
    assert desk.dispatch() == 0
    assert (desk.state_of("a"), desk.stored("a").reason_code) == ("EXPIRED", "TIME_TO_LIVE_OVER")


def test_a_flushed_window_is_filled_again_by_the_sweep():
    desk = Desk(in_flight_max=1)
    admit(desk, 5)
    desk.window.lose_everything()
    desk.later(2)
    desk.sweep_signals()
    assert list(desk.window.members()) == ["s04", "s03", "s02", "s01", "s00"]


def test_a_lost_place_hint_is_sent_again_by_the_sweep():
    desk = Desk()
    desk.dispatched(desk.signal("a"))
    desk.tasks.sent.clear()
    desk.later(3)
    desk.sweep_signals()
    assert desk.tasks.arguments_of("orders.place") == [{"signal_id": "a"}]


def test_a_dispatcher_that_meets_another_leaves_and_asks_again():
    desk = Desk()
    desk.admit([desk.signal("a")])
    desk.tasks.sent.clear()
    with desk.unit_of_work() as other:
        assert other.control.try_lock("dispatch")
        assert desk.dispatch() == 0
    assert [(hint.task, hint.countdown_seconds) for hint in desk.tasks.sent] == [("signals.dispatch", 0.05)]
    assert desk.state_of("a") == "QUEUED"


def test_the_sweep_expires_what_waited_too_long_outside_the_window():
    desk = Desk()
    desk.window.is_away = True
    desk.admit([desk.signal("a")])
    desk.later(31)
    desk.sweep_signals()
    assert desk.state_of("a") == "EXPIRED"


def test_the_sweep_reads_on_behind_its_first_page_for_what_is_lost_and_for_what_is_over(monkeypatch):
    """With a window of thousands the oldest five hundred are mostly those that are ranked and wait their turn."""
    monkeypatch.setattr("app.services.sweep_signals.ROWS_MAX", 3)
    desk = Desk(in_flight_max=20)
    desk.admit([desk.signal(f"s-{number}") for number in range(8)])
    desk.later(2)
    desk.window.remove(["s-7"])
    desk.sweep_signals()
    assert set(desk.window.members()) == {f"s-{number}" for number in range(8)}
    desk.dispatch()
    desk.tasks.sent.clear()
    desk.later(3)
    desk.sweep_signals()
    assert len(desk.tasks.arguments_of("orders.place")) == 8
    desk.later(30)
    desk.sweep_signals()
    assert {desk.state_of(f"s-{number}") for number in range(8)} == {"EXPIRED"}


def test_dispatched_signals_that_no_worker_can_decide_end_with_their_time_to_live():
    """Ten of them would take every credit for as long as the worker fails at them."""
    desk = Desk(in_flight_max=1)
    desk.dispatched(desk.signal("a"))
    desk.later(31)
    desk.tasks.sent.clear()
    desk.sweep_signals()
    assert (desk.state_of("a"), desk.stored("a").reason_code) == ("EXPIRED", "TIME_TO_LIVE_OVER")
    assert desk.tasks.arguments_of("orders.place") == []
    desk.dispatched(desk.signal("b"))
    assert desk.state_of("b") == "DISPATCHED"
