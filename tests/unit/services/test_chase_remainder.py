"""The chase: the remainder only, every gate again, an end with a reason, never more than approved."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.orders import AttemptState, OrderState
from app.ports import Wait
from tests.fakes.exchange import Fills, LosesReply
from tests.support.desk import Desk
from tests.support.units import CountedUnits

D = Decimal


def test_a_partial_fill_is_chased_for_exactly_the_remainder():
    desk = Desk()
    desk.exchange.script(Fills(share=D("0.5")))
    desk.placed(desk.signal("a"))
    order = desk.order_of("a")
    assert order.state is OrderState.CHASING
    assert (order.next_attempt_at - desk.clock.now()).total_seconds() == 0.5
    desk.chase_until_settled("a")
    first, second = desk.exchange.submitted
    assert second.quantity <= first.quantity - first.quantity / 2
    assert desk.state_of("a") == "EXECUTED"


def test_a_chase_that_comes_too_early_does_nothing():
    desk = Desk()
    desk.exchange.script(Fills(share=D("0.5")))
    desk.placed(desk.signal("a"))
    desk.chase(desk.order_of("a").order_id)
    assert len(desk.exchange.submitted) == 1


def test_ninety_per_cent_is_accepted_as_complete():
    desk = Desk()
    desk.exchange.script(Fills(share=D("0.9")))
    desk.placed(desk.signal("a"))
    assert desk.order_of("a").state is OrderState.FILLED
    assert desk.order_of("a").next_attempt_at is None


def test_after_three_chases_the_order_ends_with_what_it_has():
    desk = Desk()
    desk.change_policy(position_notional_max=D(20_000), risk_per_trade_share=D("0.5"))
    desk.exchange.script(*[Fills(share=D("0.1"))] * 4)
    desk.placed(desk.signal("a"))
    desk.chase_until_settled("a")
    assert len(desk.exchange.submitted) == 4
    assert desk.order_of("a").state is OrderState.PARTIALLY_FILLED
    assert desk.state_of("a") == "EXECUTED"


def test_nothing_filled_in_any_attempt_fails_the_signal():
    desk = Desk()
    desk.exchange.script(*[Fills(share=D(0))] * 4)
    desk.placed(desk.signal("a"))
    desk.chase_until_settled("a")
    assert desk.order_of("a").state is OrderState.EXPIRED
    assert desk.state_of("a") == "FAILED"


def test_a_stop_ends_the_chase_with_its_reason():
    desk = Desk()
    desk.exchange.script(Fills(share=D("0.5")))
    desk.placed(desk.signal("a"))
    desk.trip(actor="operator", reason="enough")
    desk.chase_until_settled("a")
    assert len(desk.exchange.submitted) == 1
    order = desk.order_of("a")
    assert order.state is OrderState.PARTIALLY_FILLED
    assert "STOP" in order.reason_code


def test_a_price_that_ran_away_ends_the_chase():
    desk = Desk()
    desk.exchange.script(Fills(share=D("0.5")))
    desk.placed(desk.signal("a"))
    order = desk.order_of("a")
    desk.clock.advance(0.5)
    desk.refresh_market(bid_price=D(51_000), ask_price=D(51_010), mark_price=D(51_000))
    desk.chase(order.order_id)
    assert len(desk.exchange.submitted) == 1
    assert desk.order_of("a").state is OrderState.PARTIALLY_FILLED


def test_a_late_fill_shrinks_what_the_chase_asks_for():
    desk = Desk()
    desk.change_policy(position_notional_max=D(20_000), risk_per_trade_share=D("0.5"))
    desk.exchange.script(LosesReply(but=Fills(share=D("0.5"))))
    desk.placed(desk.signal("a"))
    (attempt,) = desk.attempts_of("a")
    desk.later(1)
    desk.resolve(attempt.client_order_id)
    desk.chase_until_settled("a")
    assert sum((each.executed_quantity for each in desk.attempts_of("a")), D(0)) <= desk.order_of("a").quantity


@settings(max_examples=60, deadline=None)
@given(
    shares=st.lists(st.integers(0, 100).map(lambda each: D(each) / 100), min_size=4, max_size=4),
    lost=st.lists(st.booleans(), min_size=4, max_size=4),
)
def test_however_the_attempts_fare_no_order_is_overfilled_and_every_signal_ends_once(shares, lost):
    desk = Desk()
    desk.change_policy(position_notional_max=D(20_000), risk_per_trade_share=D("0.5"))
    desk.exchange.script(
        *[
            LosesReply(but=Fills(share=share)) if is_lost else Fills(share=share)
            for share, is_lost in zip(shares, lost, strict=True)
        ]
    )
    desk.placed(desk.signal("a"))
    for _ in range(20):
        desk.later(2.5)
        for attempt in desk.attempts_of("a"):
            desk.resolve(attempt.client_order_id)
        order = desk.order_of("a")
        if order.state is OrderState.CHASING:
            desk.chase(order.order_id)
        desk.collect(order.order_id)
    order = desk.order_of("a")
    assert order.state.is_terminal
    executed = sum((each.executed_quantity for each in desk.attempts_of("a")), D(0))
    assert executed == order.executed_quantity == order.booked_quantity <= order.quantity
    assert sum((fill.quantity for fill in desk.fills_of("a")), D(0)) == executed
    assert len([each for each in desk.attempts_of("a") if each.state is AttemptState.SENDING]) == 0
    assert desk.state_of("a") == ("EXECUTED" if executed else "FAILED")
    position = desk.position("BTCUSDT")
    assert (position.quantity if position else D(0)) == executed


@pytest.mark.parametrize("deliveries", [1, 50])
def test_a_chase_delivered_many_times_sends_one_attempt(deliveries):
    desk = Desk()
    desk.exchange.script(Fills(share=D("0.5")))
    desk.placed(desk.signal("a"))
    order = desk.order_of("a")
    desk.later(1)
    for _ in range(deliveries):
        desk.chase(order.order_id)
    assert len(desk.exchange.submitted) == 2


def test_a_chase_that_waits_for_budget_holds_no_lock_while_it_says_so():
    desk = Desk()
    units = CountedUnits(desk.unit_of_work)
    open_when_sent: list[int] = []

    class Watching(type(desk.tasks)):
        def send(self, *arguments, **options):
            open_when_sent.append(units.open)
            return super().send(*arguments, **options)

    desk.exchange.script(Fills(share=D("0.5")))
    desk.placed(desk.signal("a"))
    desk.later(1)
    desk.tasks.__class__ = Watching
    desk.budget.refuse(Wait(seconds=0.5, reason="orders_10s"))
    replace(desk.chase, unit_of_work=units)(desk.order_of("a").order_id)
    assert open_when_sent == [0]
    assert desk.order_of("a").state is OrderState.CHASING
