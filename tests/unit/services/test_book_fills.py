"""Fills: each trade once, from whichever mouth, into order, position and ledger together."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from app.domain.ess import EssState
from app.domain.fills import FillSource
from app.domain.orders import OrderState
from app.domain.signals import Side
from app.ports import Lane, OrderReport, Unknown
from tests.fakes.exchange import Fills, LosesReply
from tests.support.desk import Desk
from tests.unit.domain.builders import make_fill

D = Decimal


def test_an_execution_without_its_fills_is_collected_from_the_trade_list():
    desk = Desk()
    desk.placed(desk.signal("a"))
    order = desk.order_of("a")
    assert order.booked_quantity == 0
    assert order.reserved_quantity == order.quantity
    desk.later(3)
    desk.tasks.sent.clear()
    desk.sweep_orders()
    assert desk.tasks.arguments_of("orders.collect_fills") == [{"order_id": str(order.order_id)}]
    assert desk.collect(order.order_id) == 1
    assert desk.collect(order.order_id) == 0
    assert desk.order_of("a").booked_quantity == order.quantity
    assert desk.order_of("a").reserved_quantity == 0
    assert desk.position("BTCUSDT").quantity == order.quantity


def placed_apart(desk: Desk, name: str) -> None:
    """An order that is far enough from the one before, and on the other side, so that no gate minds."""
    desk.later(61)
    desk.placed(desk.signal(name, side=(Side.BUY, Side.SELL)[len(desk.exchange.submitted) % 2]))


def test_the_fills_of_a_whole_flood_in_a_symbol_cost_one_question_within_the_lane_of_the_books():
    """With the stream down and twenty fills a second, a question for each would leave nothing to a flatten."""
    desk = Desk()
    names = [f"s-{number}" for number in range(9)]
    for name in names:
        placed_apart(desk, name)
    before = len(desk.budget.acquired)
    assert desk.collect(desk.order_of("s-0").order_id) == 9
    assert [desk.collect(desk.order_of(name).order_id) for name in names] == [0] * 9
    assert desk.budget.acquired[before:] == [(5, 0, Lane.BOOKS)]
    assert all(desk.order_of(name).booked_quantity == desk.order_of(name).quantity for name in names)


def test_an_order_whose_trades_left_the_newest_page_is_asked_for_by_itself(monkeypatch):
    desk = Desk()
    for name in ("a", "b"):
        placed_apart(desk, name)
    monkeypatch.setattr("app.services.collect_fills.TRADES_PAGE", 1)
    assert desk.collect(desk.order_of("a").order_id) == 2
    assert desk.order_of("a").booked_quantity == desk.order_of("a").quantity


def test_who_finds_the_symbol_asked_for_just_now_comes_back_instead_of_asking():
    desk = Desk()
    desk.placed(desk.signal("a"))
    order_id = desk.order_of("a").order_id
    desk.latch.claim_hint("collect:BTCUSDT", 500)
    desk.tasks.sent.clear()
    assert desk.collect(order_id) == 0
    assert desk.tasks.arguments_of("orders.collect_fills") == [{"order_id": str(order_id)}]
    desk.later(0.6)
    assert desk.collect(order_id) == 1


def test_a_second_fill_with_the_same_trade_id_changes_nothing():
    desk = Desk()
    desk.placed(desk.signal("a"))
    order = desk.order_of("a")
    desk.collect(order.order_id)
    (fill,) = desk.fills_of("a")
    before = (desk.position("BTCUSDT"), desk.order_of("a"))
    assert desk.book([replace(fill, source=FillSource.STREAM, order_id=None)]) == 0
    assert (desk.position("BTCUSDT"), desk.order_of("a")) == before


def test_a_fill_that_the_stream_brings_before_the_answer_counts_once():
    desk = Desk()
    desk.exchange.script(LosesReply(but=Fills()))
    desk.placed(desk.signal("a"))
    (attempt,) = desk.attempts_of("a")
    order = desk.order_of("a")
    fill = make_fill(
        symbol="BTCUSDT",
        trade_id=1,
        exchange_order_id=1,
        client_order_id=attempt.client_order_id,
        order_id=None,
        quantity=attempt.quantity,
        side=attempt.side,
    )
    report = OrderReport(
        exchange_order_id=1,
        client_order_id=attempt.client_order_id,
        symbol="BTCUSDT",
        status="FILLED",
        original_quantity=attempt.quantity,
        executed_quantity=attempt.quantity,
        average_price=fill.price,
    )
    desk.hear(report, fill)
    desk.hear(report, fill)
    desk.resolve(attempt.client_order_id)
    after = desk.order_of("a")
    assert (after.state, after.executed_quantity, after.booked_quantity) == (
        OrderState.FILLED,
        order.quantity,
        order.quantity,
    )
    assert desk.state_of("a") == "EXECUTED"


def test_a_trade_that_no_order_of_ours_explains_is_adopted_and_says_so():
    desk = Desk()
    fill = make_fill(trade_id=77, client_order_id="autoclose-1", order_id=None, exchange_order_id=5)
    assert desk.book([fill]) == 1
    with desk.unit_of_work() as uow:
        assert uow.ledger.last_trade_id(fill.symbol) == 77
    assert desk.position(fill.symbol).quantity == fill.quantity * fill.side.sign


def test_a_partial_event_of_the_stream_books_its_fill_and_leaves_the_attempt_open():
    desk = Desk()
    desk.exchange.script(Unknown(reason="slow"))
    desk.placed(desk.signal("a"))
    (attempt,) = desk.attempts_of("a")
    part = attempt.quantity / 2
    fill = make_fill(
        trade_id=1, exchange_order_id=9, client_order_id=attempt.client_order_id, order_id=None, quantity=part
    )
    report = OrderReport(
        exchange_order_id=9,
        client_order_id=attempt.client_order_id,
        symbol="BTCUSDT",
        status="PARTIALLY_FILLED",
        original_quantity=attempt.quantity,
        executed_quantity=part,
        average_price=fill.price,
    )
    desk.hear(report, fill)
    order = desk.order_of("a")
    assert (order.state, order.executed_quantity, order.booked_quantity) == (OrderState.SUBMITTED, part, part)


def not_sent_then_filled(desk: Desk):
    """The first attempt is proved NOT SENT, wrongly; the second fills the whole order."""
    desk.exchange.script(Unknown(reason="connection dropped"), Fills())
    desk.placed(desk.signal("a"))
    (first,) = desk.attempts_of("a")
    desk.later(5)
    for _ in range(2):
        desk.resolve(first.client_order_id)
        desk.later(0.6)
    desk.chase_until_settled("a")
    order = desk.order_of("a")
    desk.collect(order.order_id)
    return first, desk.order_of("a")


def late_fill_of(attempt, **changes):
    return make_fill(
        **{
            "symbol": attempt.symbol,
            "trade_id": 900,
            "exchange_order_id": 90,
            "client_order_id": attempt.client_order_id,
            "order_id": None,
            "side": attempt.side,
            "quantity": attempt.quantity,
            **changes,
        }
    )


def test_a_fill_beyond_what_was_approved_is_booked_to_nobody_and_stops_everything():
    desk = Desk()
    first, order = not_sent_then_filled(desk)
    assert order.booked_quantity == order.quantity
    late = late_fill_of(first)
    assert desk.book([late]) == 1
    # The exchange holds it: so do our position and our ledger; the order stays at what was approved.
    assert desk.position(order.symbol).quantity == order.quantity + late.quantity
    assert desk.database.state.fills[late.symbol, 900].adopted
    assert desk.order_of("a").booked_quantity == order.quantity
    stop = desk.stop()
    assert stop.state is EssState.TRIPPED
    assert stop.trip_reason.startswith("FILL_CONTRADICTS_ORDER: ")


def test_a_fill_beyond_what_was_approved_that_was_adopted_before_is_noticed_when_its_order_is_told():
    desk = Desk()
    first, order = not_sent_then_filled(desk)
    late = late_fill_of(first)
    assert desk.book([replace(late, client_order_id=None)]) == 1
    assert desk.stop().state is EssState.ARMED
    assert desk.book([late]) == 0
    assert desk.stop().state is EssState.TRIPPED
    assert desk.position(order.symbol).quantity == order.quantity + late.quantity


def test_a_fill_of_what_was_proved_not_sent_stops_everything_even_if_there_is_room_for_it():
    desk = Desk()
    desk.exchange.script(Unknown(reason="connection dropped"))
    desk.placed(desk.signal("a"))
    (first,) = desk.attempts_of("a")
    desk.later(5)
    for _ in range(2):
        desk.resolve(first.client_order_id)
        desk.later(0.6)
    assert desk.book([late_fill_of(first)]) == 1
    assert desk.stop().state is EssState.TRIPPED
    assert desk.order_of("a").booked_quantity == first.quantity


def test_a_fill_of_a_whole_order_told_again_stops_nothing():
    desk = Desk()
    desk.placed(desk.signal("a"))
    order = desk.order_of("a")
    desk.collect(order.order_id)
    (fill,) = desk.fills_of("a")
    desk.book([replace(fill, order_id=None)])
    assert desk.stop().state is EssState.ARMED
