"""The stop: nothing begins after the trip, safe only when nothing can still arrive, flat when the exchange says so."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from app.domain.ess import EssState
from app.domain.market import ExchangePosition
from app.ports import Unknown
from app.services.reset_ess import Refused
from tests.fakes.exchange import Fills
from tests.support.desk import Desk
from tests.support.units import CountedUnits

D = Decimal


def test_a_trip_without_anything_open_is_acknowledged_safe():
    desk = Desk()
    desk.trip(actor="operator", reason="look at this")
    assert desk.stop().safe_at is None
    desk.acknowledge()
    assert desk.stop().safe_at == desk.clock.now()
    assert [hint.task for hint in desk.tasks.sent] == ["ess.acknowledge"]


def test_a_trip_is_not_safe_while_an_entry_may_still_be_accepted():
    desk = Desk()
    desk.exchange.script(Unknown(reason="read timed out"))
    desk.placed(desk.signal("a"))
    (attempt,) = desk.attempts_of("a")
    desk.trip(actor="operator", reason="stop")
    desk.acknowledge()
    assert desk.stop().safe_at is None
    assert {"client_order_id": attempt.client_order_id} in desk.tasks.arguments_of("orders.resolve")
    desk.later(5)
    desk.resolve(attempt.client_order_id)
    desk.later(1)
    desk.resolve(attempt.client_order_id)
    desk.acknowledge()
    assert desk.stop().safe_at is not None


def test_a_second_trip_keeps_the_first_reason_and_time_and_may_ask_to_flatten():
    desk = Desk()
    desk.trip(actor="operator", reason="first")
    first_at = desk.clock.now()
    desk.later(5)
    stop = desk.trip(actor="other", reason="second", flatten=True)
    assert (stop.trip_reason, stop.tripped_at, stop.trip_count) == ("first", first_at, 1)
    assert stop.flatten_requested


def test_flatten_sends_reduce_only_market_orders_until_the_exchange_says_zero():
    desk = Desk()
    desk.exchange.held_positions = [
        ExchangePosition(
            symbol="BTCUSDT",
            quantity=D("0.5"),
            entry_price=D(50_000),
            mark_price=D(50_000),
            unrealised_pnl=D(0),
        )
    ]
    desk.exchange.script(Fills(share=D("0.4"), price=D(50_000)), Fills(price=D(50_000)))
    desk.trip(actor="operator", reason="out", flatten=True)
    desk.acknowledge()
    assert desk.exchange.held_positions == []
    sent = desk.exchange.submitted
    assert [(each.side.value, each.quantity, each.reduce_only, each.order_type.value) for each in sent] == [
        ("SELL", D("0.5"), True, "MARKET"),
        ("SELL", D("0.3"), True, "MARKET"),
    ]


def test_an_exit_whose_outcome_is_unknown_is_not_sent_again_before_it_is_resolved():
    desk = Desk()
    desk.exchange.held_positions = [
        ExchangePosition(
            symbol="BTCUSDT", quantity=D("-0.5"), entry_price=D(50_000), mark_price=D(50_000), unrealised_pnl=D(0)
        )
    ]
    desk.exchange.script(Unknown(reason="read timed out"))
    desk.trip(actor="operator", reason="out", flatten=True)
    for _ in range(3):
        desk.acknowledge()
        desk.later(1)
    assert [(each.side.value, each.quantity) for each in desk.exchange.submitted] == [("BUY", D("0.5"))]


def test_reset_is_refused_before_the_trip_is_safe_and_otherwise_starts_the_cooldown():
    desk = Desk()
    assert desk.reset(actor="operator", reason="?") == Refused("NOT_TRIPPED", "state=ARMED")
    desk.trip(actor="operator", reason="stop")
    refused = desk.reset(actor="operator", reason="?")
    assert isinstance(refused, Refused)
    assert refused.code == "TRIP_NOT_ACKNOWLEDGED"
    desk.acknowledge()
    stop = desk.reset(actor="operator", reason="looked at it")
    assert (stop.state, stop.trip_reason, stop.tripped_at, stop.reset_count) == (EssState.COOLING_DOWN, None, None, 1)


def test_after_the_cooldown_it_arms_itself_again():
    desk = Desk()
    desk.trip(actor="operator", reason="stop")
    desk.acknowledge()
    desk.reset(actor="operator", reason="over")
    desk.later(899)
    desk.acknowledge()
    assert desk.stop().state is EssState.COOLING_DOWN
    desk.later(1)
    desk.books_agree()
    desk.acknowledge()
    assert desk.stop().state is EssState.ARMED
    desk.placed(desk.signal("a"))
    assert desk.state_of("a") == "EXECUTED"


def held(quantity: str) -> ExchangePosition:
    return ExchangePosition(
        symbol="BTCUSDT", quantity=D(quantity), entry_price=D(50_000), mark_price=D(50_000), unrealised_pnl=D(0)
    )


def test_a_position_larger_than_one_market_order_may_be_is_closed_in_parts():
    desk = Desk()  # at most 50 in one market order: more is refused whole, every second, for ever
    desk.exchange.script(Fills(price=D(50_000)), Fills(price=D(50_000)), Fills(price=D(50_000)))
    for left in ("-120.004", "-70.004", "-20.004"):
        assert desk.exit(held(left), reason="out")
    assert [each.quantity for each in desk.exchange.submitted] == [D(50), D(50), D("20.004")]


def test_the_exchanges_clock_is_measured_before_an_exit_locks_its_position():
    desk = Desk()
    units = CountedUnits(desk.unit_of_work)
    open_when_asked: list[int] = []

    class Measuring(type(desk.exchange)):
        def now_ms(self):
            open_when_asked.append(units.open)
            return super().now_ms()

    desk.exchange.__class__ = Measuring
    desk.exchange.script(Fills(price=D(50_000)))
    assert replace(desk.exit, unit_of_work=units)(held("1"), reason="out")
    assert open_when_asked[0] == 0


def test_what_protected_what_is_flat_now_goes_before_the_exchange_is_looked_at_once():
    # Each look costs as much as forty cancels; without Redis a minute has three hundred.
    desk = Desk()
    desk.placed(desk.signal("a"))
    desk.collect(desk.order_of("a").order_id)
    desk.protect("BTCUSDT")
    assert len(desk.exchange.open_conditional_orders()) == 2
    desk.exchange.held_positions = [held(str(desk.position("BTCUSDT").quantity))]
    desk.exchange.script(Fills(price=D(50_000)))
    before = len(desk.budget.acquired)
    desk.trip(actor="operator", reason="out", flatten=True)
    desk.acknowledge()
    assert desk.stop().safe_at is not None
    assert desk.exchange.open_conditional_orders() == []
    assert sorted(weight for weight, _, _ in desk.budget.acquired[before:])[-3:] == [5, 40, 40]
