"""Placing: decided once, durable before it is sent, never sent when anything is not known."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from app.domain.ess import EssState
from app.domain.gates.rule_book import RULE_BOOK
from app.domain.orders import AttemptState, OrderState
from app.domain.policy import Stage
from app.domain.signals import SignalState
from app.ports import DatabaseUnavailableError, Rejected, RetryAfter, Unknown, Wait
from tests.fakes.exchange import Fills, LosesReply
from tests.fakes.postgres import FakeLedger
from tests.support.desk import Desk
from tests.support.units import CountedUnits

D = Decimal


def test_a_signal_that_passes_every_gate_becomes_one_filled_order():
    desk = Desk()
    desk.placed(desk.signal("a"))
    order = desk.order_of("a")
    (attempt,) = desk.attempts_of("a")
    assert order.state is OrderState.FILLED
    assert attempt.state is AttemptState.FILLED
    assert order.executed_quantity == order.quantity == attempt.quantity
    assert [sent.client_order_id for sent in desk.exchange.submitted] == [attempt.client_order_id]
    stored = desk.stored("a")
    assert (stored.state, stored.reason_code, stored.policy_version) == (SignalState.EXECUTED, "ORDER_FILLED", 1)


def test_the_attempt_is_limit_ioc_inside_the_collar_with_a_short_window():
    desk = Desk()
    desk.placed()
    (sent,) = desk.exchange.submitted
    assert (sent.order_type.value, sent.time_in_force.value, sent.reduce_only) == ("LIMIT", "IOC", False)
    assert sent.price == D("50105.0")  # ask 50005 plus 0.2 %, rounded down to the tick
    assert sent.recv_window_ms == 2_500
    assert sent.signed_at_ms == desk.exchange.now_ms()


def test_the_attempt_is_durable_before_anything_is_sent():
    desk = Desk()
    states: list[AttemptState] = []

    class Watching(type(desk.exchange)):
        def submit(self, attempt):
            with desk.unit_of_work() as uow:
                states.append(uow.orders.get_attempt(attempt.client_order_id).state)
            return super().submit(attempt)

    desk.exchange.__class__ = Watching
    desk.placed()
    assert states == [AttemptState.SENDING]


def test_a_thousand_deliveries_of_the_same_hint_send_one_order():
    desk = Desk()
    desk.dispatched(desk.signal("a"))
    for _ in range(1_000):
        desk.place("a")
    assert len(desk.exchange.submitted) == 1


def test_a_denied_signal_says_which_gate_and_which_numbers_and_sends_nothing():
    desk = Desk()
    desk.placed(desk.signal("a", confidence=D("0.49")))
    stored = desk.stored("a")
    assert (stored.state, stored.reason_code) == (SignalState.DENIED, "CONFIDENCE_BELOW_MINIMUM")
    assert "0.49" in stored.reason
    assert "0.5" in stored.reason
    assert desk.exchange.submitted == []
    with desk.unit_of_work() as uow:
        (decision,) = uow.control.decisions("a")
    assert decision["outcome"] == "DENIED"
    assert len(decision["verdicts"]) == len(RULE_BOOK)


@pytest.mark.parametrize("state", [EssState.TRIPPED, EssState.COOLING_DOWN])
def test_a_stop_denies(state):
    desk = Desk()
    desk.dispatched(desk.signal("a"))
    desk.trip(actor="operator", reason="test")
    if state is EssState.COOLING_DOWN:
        desk.acknowledge()
        desk.reset(actor="operator", reason="over")
        assert desk.stop().state is state
    desk.place("a")
    assert desk.state_of("a") == "DENIED"
    assert desk.exchange.submitted == []


def test_stage_observation_decides_and_sends_nothing():
    desk = Desk(stage=Stage.OBSERVATION)
    desk.placed(desk.signal("a"))
    assert (desk.state_of("a"), desk.exchange.submitted, desk.order_of("a")) == ("OBSERVED", [], None)


def test_without_a_quote_or_a_policy_nothing_is_sent():
    desk = Desk()
    desk.market.forget("BTCUSDT")
    desk.placed(desk.signal("a"))
    assert desk.state_of("a") == "DENIED"
    desk.refresh_market()
    desk.policy.invalidate()
    with desk.unit_of_work() as uow:
        uow.control.current_policy(now=desk.clock.now())
    desk.database.state.policies.clear()
    desk.placed(desk.signal("b"))
    assert (desk.state_of("b"), desk.stored("b").reason_code) == ("DENIED", "POLICY_UNKNOWN")


def test_an_expired_signal_is_expired_not_denied():
    desk = Desk()
    desk.dispatched(desk.signal("a"))
    desk.later(31)
    desk.place("a")
    assert desk.state_of("a") == "EXPIRED"


def test_without_budget_nothing_is_decided_and_the_hint_comes_back_later():
    desk = Desk()
    desk.dispatched(desk.signal("a"))
    desk.budget.refuse(Wait(seconds=3.5, reason="orders in 10 s"))
    desk.place("a")
    assert desk.state_of("a") == "DISPATCHED"
    assert desk.exchange.submitted == []
    assert desk.tasks.sent[-1].task == "orders.place"
    assert desk.tasks.sent[-1].countdown_seconds == 3.5
    desk.place("a")
    assert desk.state_of("a") == "EXECUTED"


def test_a_rejection_ends_the_order_with_the_exchanges_words():
    desk = Desk()
    desk.exchange.script(Rejected(code="-2019", message="Margin is insufficient."))
    desk.placed(desk.signal("a"))
    order = desk.order_of("a")
    assert (order.state, order.reason_code, order.reason) == (OrderState.REJECTED, "-2019", "Margin is insufficient.")
    assert desk.state_of("a") == "FAILED"
    assert "-2019" in desk.stored("a").reason


def test_an_unknown_outcome_stays_unknown_and_keeps_its_exposure_reserved():
    desk = Desk()
    desk.exchange.script(Unknown(reason="read timed out"))
    desk.placed(desk.signal("a"))
    (attempt,) = desk.attempts_of("a")
    assert attempt.state is AttemptState.UNKNOWN
    assert desk.order_of("a").state is OrderState.SUBMITTED
    assert desk.order_of("a").reserved_quantity == attempt.quantity
    assert desk.state_of("a") == "ORDERED"
    assert desk.tasks.arguments_of("orders.resolve") == [{"client_order_id": attempt.client_order_id}]
    with desk.unit_of_work() as uow:
        assert "BTCUSDT" in uow.ledger.exposure("BTCUSDT", {}).open_symbols


def test_a_busy_exchange_is_tried_again_with_a_new_id_after_what_it_asked_for():
    desk = Desk()
    desk.exchange.script(RetryAfter(code="-1008", message="busy", seconds=2.0))
    desk.placed(desk.signal("a"))
    order = desk.order_of("a")
    assert order.state is OrderState.CHASING
    assert (order.next_attempt_at - desk.clock.now()).total_seconds() == 2.0
    desk.chase_until_settled("a")
    assert desk.order_of("a").state is OrderState.FILLED
    first, second = desk.exchange.submitted
    assert first.client_order_id != second.client_order_id


def test_a_worker_that_dies_after_the_commit_leaves_an_attempt_that_the_sweep_finds():
    desk = Desk()
    desk.exchange.script(RuntimeError("killed"))
    desk.dispatched(desk.signal("a"))
    with pytest.raises(RuntimeError, match="killed"):
        desk.place("a")
    (attempt,) = desk.attempts_of("a")
    assert attempt.state is AttemptState.SENDING
    desk.tasks.sent.clear()
    desk.later(4)
    desk.sweep_orders()
    assert desk.tasks.arguments_of("orders.resolve") == [{"client_order_id": attempt.client_order_id}]


def test_postgres_away_means_nothing_is_sent():
    desk = Desk()
    desk.dispatched(desk.signal("a"))
    desk.database.is_away = True
    with pytest.raises(DatabaseUnavailableError):
        desk.place("a")
    assert desk.exchange.submitted == []


def test_a_commit_whose_answer_is_lost_sends_nothing_and_is_resolved_as_not_sent():
    desk = Desk()
    desk.dispatched(desk.signal("a"))
    desk.policy.current()
    desk.database.lose_answer_of_next_commit(committed=True)
    with pytest.raises(DatabaseUnavailableError):
        desk.place("a")
    assert desk.exchange.submitted == []
    (attempt,) = desk.attempts_of("a")
    assert attempt.state is AttemptState.SENDING
    desk.place("a")  # redelivered: the signal is ORDERED, so nothing is decided again
    assert desk.exchange.submitted == []
    desk.later(5)
    desk.resolve(attempt.client_order_id)
    desk.later(1)
    desk.resolve(attempt.client_order_id)
    assert desk.attempts_of("a")[0].state is AttemptState.NOT_SENT


def test_an_answer_lost_after_acceptance_is_found_again_and_counted_once():
    desk = Desk()
    desk.exchange.script(LosesReply(but=Fills()))
    desk.placed(desk.signal("a"))
    (attempt,) = desk.attempts_of("a")
    desk.later(1)
    desk.resolve(attempt.client_order_id)
    desk.resolve(attempt.client_order_id)
    assert desk.order_of("a").state is OrderState.FILLED
    assert len(desk.exchange.submitted) == 1
    assert desk.state_of("a") == "EXECUTED"


def test_the_same_symbol_and_side_again_within_the_cool_off_is_denied():
    desk = Desk()
    desk.placed(desk.signal("a"))
    desk.later(5)
    desk.placed(desk.signal("b"))
    assert (desk.state_of("b"), desk.stored("b").reason_code) == ("DENIED", "DUPLICATE_WITHIN_COOL_OFF")


def pending_after(desk: Desk, run, task: str, seconds: int) -> list[int]:
    """How many hints are under way at the end of each second, when the sweep adds one a second."""
    hints, counts = [desk.clock.now()], []
    for _ in range(seconds):
        desk.later(1)
        hints.append(desk.clock.now())
        due = [each for each in hints if each <= desk.clock.now()]
        hints = [each for each in hints if each > desk.clock.now()]
        for _ in due:
            desk.tasks.sent.clear()
            run()
            hints += [
                desk.clock.now() + timedelta(seconds=sent.countdown_seconds)
                for sent in desk.tasks.sent
                if sent.task == task
            ]
        counts.append(len(hints))
    return counts


def test_an_entry_that_waits_for_budget_has_one_hint_pending_however_often_the_sweep_repeats_it():
    desk = Desk()
    desk.dispatched(desk.signal("a"))
    desk.budget.refuse(*[Wait(seconds=1.5, reason="orders")] * 500)
    assert max(pending_after(desk, lambda: desk.place("a"), "orders.place", 20)) == 1
    assert desk.state_of("a") == "DISPATCHED"


def test_a_chase_that_waits_for_budget_has_one_hint_pending_however_often_the_sweep_repeats_it():
    desk = Desk()
    desk.exchange.script(Fills(share=D("0.5")))
    desk.placed(desk.signal("a"))
    desk.budget.refuse(*[Wait(seconds=2.5, reason="orders")] * 500)
    order_id = desk.order_of("a").order_id
    assert max(pending_after(desk, lambda: desk.chase(order_id), "orders.chase", 20)) == 1


def test_fills_that_wait_for_budget_have_one_hint_pending_however_often_the_sweep_repeats_it():
    desk = Desk()
    desk.placed(desk.signal("a"))
    desk.budget.refuse(*[Wait(seconds=2.5, reason="weight")] * 500)
    order_id = desk.order_of("a").order_id
    assert max(pending_after(desk, lambda: desk.collect(order_id), "orders.collect_fills", 20)) == 1


def test_a_decision_is_judged_by_the_time_of_its_turn_not_by_that_of_its_arrival(monkeypatch):
    """While it queued, others decided: what they wrote must not lie in its future, and ages must not look younger."""
    desk = Desk()
    desk.dispatched(desk.signal("a"))
    arrived_at = desk.clock.now()
    lock = FakeLedger.lock_account

    def after_a_while(ledger):
        monkeypatch.setattr(FakeLedger, "lock_account", lock)
        desk.clock.advance(1.5)
        return lock(ledger)

    monkeypatch.setattr(FakeLedger, "lock_account", after_a_while)
    desk.place("a")
    (decision,) = desk.database.state.decisions
    assert decision.decided_at == arrived_at + timedelta(seconds=1.5)


def test_an_entry_that_waits_for_budget_holds_no_lock_while_it_says_so():
    """The broker may hang for seconds, and a trip waits for the locks of every decision."""
    desk = Desk()
    units = CountedUnits(desk.unit_of_work)
    open_when_sent: list[int] = []

    class Watching(type(desk.tasks)):
        def send(self, *arguments, **options):
            open_when_sent.append(units.open)
            return super().send(*arguments, **options)

    desk.dispatched(desk.signal("a"))
    desk.tasks.__class__ = Watching
    desk.budget.refuse(Wait(seconds=0.5, reason="orders_10s"))
    replace(desk.place, unit_of_work=units)("a")
    assert open_when_sent == [0]
    assert desk.state_of("a") == "DISPATCHED"


def test_a_ban_of_days_does_not_keep_an_order_chasing_for_days():
    """Ten such orders would take every credit, and nothing would be dispatched until the ban is over."""
    desk = Desk()
    desk.exchange.script(RetryAfter(code="-1003", message="banned", seconds=3 * 24 * 3600.0))
    desk.placed(desk.signal("a"))
    order = desk.order_of("a")
    assert (order.next_attempt_at - desk.clock.now()).total_seconds() == 60
    desk.later(91)  # the signal's 30 s and a chase's 60 s
    desk.chase(order.order_id)
    assert (desk.state_of("a"), desk.order_of("a").reason_code) == ("FAILED", "SIGNAL_TOO_OLD")


def test_an_account_nobody_told_us_of_is_named_as_the_reason():
    desk = Desk()
    desk.database.state.account = None
    desk.placed(desk.signal("a"))
    assert (desk.state_of("a"), desk.stored("a").reason_code) == ("DENIED", "ACCOUNT_UNKNOWN")


def test_the_same_signal_in_a_new_database_gets_another_client_order_id():
    """The exchange keeps filled orders for months: asking by the old id would find what this signal never sent."""
    ids = []
    for seconds in (0, 1):
        desk = Desk()
        desk.later(seconds)
        desk.placed(desk.signal("a"))
        ids.append(desk.attempts_of("a")[0].client_order_id)
    assert ids[0] != ids[1]
