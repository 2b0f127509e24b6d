"""Conditional orders: when they fire, what they become, when they are refused, and what ends them."""

import pytest

from app.paper_exchange.conditional import AlgoStatus, AlgoType, reaches
from app.paper_exchange.errors import Refusal
from app.paper_exchange.events import AlgoEvent
from app.paper_exchange.orders import OrderStatus
from tests.paper_exchange.fixed_market import BTC, D, Table


@pytest.mark.parametrize(
    ("kind", "side", "below", "above"),
    [
        ("STOP_MARKET", "BUY", False, True),
        ("STOP_MARKET", "SELL", True, False),
        ("TAKE_PROFIT_MARKET", "BUY", True, False),
        ("TAKE_PROFIT_MARKET", "SELL", False, True),
        ("STOP", "SELL", True, False),
        ("TAKE_PROFIT", "SELL", False, True),
    ],
)
def test_each_type_fires_on_its_side_of_the_trigger(kind: str, side: str, below: bool, above: bool):
    assert reaches(side, AlgoType(kind), D(100), D(99)) is below
    assert reaches(side, AlgoType(kind), D(100), D(101)) is above
    assert reaches(side, AlgoType(kind), D(100), D(100))


def test_a_stop_fires_a_market_order_with_its_own_client_id(table: Table):
    table.placed("BUY", "0.010")
    stop = table.stop("STOP_MARKET", "SELL", "89000", "0.010", reduce_only=True, client_algo_id="protect-1")
    table.market.set_price(BTC, "89000.1")
    table.pass_time()
    assert stop.status is AlgoStatus.NEW
    table.events()
    table.market.set_price(BTC, "89000")
    table.pass_time()
    order = table.state.orders[stop.actual_order_id]
    assert order.client_order_id == "protect-1"
    assert order.status is OrderStatus.FILLED
    assert table.quantity() == 0
    statuses = [e.algo.status for e in table.events() if isinstance(e, AlgoEvent)]
    assert statuses == [AlgoStatus.TRIGGERING, AlgoStatus.TRIGGERED, AlgoStatus.FINISHED]


def test_a_trigger_already_reached_is_refused(table: Table):
    refused = table.algo("STOP_MARKET", "SELL", "91000")
    assert isinstance(refused, Refusal)
    assert refused.code == -2021


def test_mark_price_and_last_price_triggers_watch_different_prices(table: Table):
    by_mark = table.stop("STOP_MARKET", "SELL", "89000", working_type="MARK_PRICE")
    by_last = table.stop("STOP_MARKET", "SELL", "89000")
    table.market.set_mark(BTC, "88990")
    table.pass_time()
    assert by_mark.status is AlgoStatus.FINISHED
    assert by_last.status is AlgoStatus.NEW


def test_the_accounts_own_trade_can_fire_a_stop(table: Table):
    table.placed("BUY", "0.010")
    stop = table.stop("STOP_MARKET", "SELL", "89999.90", "0.010")
    table.placed("SELL", "0.001")
    assert stop.status is AlgoStatus.FINISHED


def test_a_close_position_stop_closes_whatever_is_there_when_it_fires(table: Table):
    table.placed("BUY", "0.010")
    table.stop("STOP_MARKET", "SELL", "89000", "0", close_position=True)
    table.placed("BUY", "0.020")
    table.market.set_price(BTC, "88999")
    table.pass_time()
    assert table.quantity() == 0


def test_a_close_position_stop_ends_with_the_position(table: Table):
    table.placed("BUY", "0.010")
    stop = table.stop("STOP_MARKET", "SELL", "89000", "0", close_position=True)
    table.now_us += 1
    table.placed("SELL", "0.010")
    table.pass_time()
    assert stop.status is AlgoStatus.EXPIRED


def test_a_second_close_position_stop_on_the_same_side_is_refused(table: Table):
    table.placed("BUY", "0.010")
    table.stop("STOP_MARKET", "SELL", "89000", "0", close_position=True)
    refused = table.algo("STOP_MARKET", "SELL", "88000", "0", close_position=True)
    assert isinstance(refused, Refusal)
    assert refused.code == -4130
    table.stop("TAKE_PROFIT_MARKET", "SELL", "91000", "0", close_position=True)


def test_margin_is_looked_at_only_when_it_fires(table: Table):
    table.market.set_price(BTC, "90000", quantity="50")
    stop = table.stop("STOP_MARKET", "BUY", "91000", "20")
    table.market.set_price(BTC, "91000", quantity="50")
    table.pass_time()
    assert stop.status is AlgoStatus.REJECTED
    assert stop.failure == "Margin is insufficient."


def test_a_reduce_only_stop_whose_position_is_gone_is_rejected_when_it_fires(table: Table):
    table.placed("BUY", "0.010")
    stop = table.stop("STOP_MARKET", "SELL", "89000", "0.010", reduce_only=True)
    table.placed("SELL", "0.010")
    table.market.set_price(BTC, "88000")
    table.pass_time()
    assert stop.status is AlgoStatus.REJECTED
    assert stop.failure == "Reduce Only reject"
    assert table.quantity() == 0


def test_a_stop_limit_rests_when_the_market_ran_through_it(table: Table):
    table.placed("BUY", "0.010")
    stop = table.stop("STOP", "SELL", "89000", "0.010", price=D("88990"))
    table.market.set_price(BTC, "88500")
    table.pass_time()
    order = table.state.orders[stop.actual_order_id]
    assert order.status is OrderStatus.NEW
    assert stop.status is AlgoStatus.TRIGGERED
    table.engine.cancel(order, table.moment)
    assert stop.status is AlgoStatus.FINISHED


def test_a_trailing_stop_follows_the_best_price(table: Table):
    table.placed("BUY", "0.010")
    stop = table.stop("TRAILING_STOP_MARKET", "SELL", "0", "0.010", callback_rate=D("1"), reduce_only=True)
    for price in ("90500", "92000", "91500", "91080.1"):
        table.market.set_price(BTC, price)
        table.pass_time()
        assert stop.status is AlgoStatus.NEW
    table.market.set_price(BTC, "91080")
    table.pass_time()
    assert stop.status is AlgoStatus.FINISHED


def test_a_trailing_stop_sleeps_until_its_activation_price(table: Table):
    stop = table.stop("TRAILING_STOP_MARKET", "SELL", "0", "0.010", callback_rate=D("1"), activate_price=D("95000"))
    table.market.set_price(BTC, "80000")
    table.pass_time()
    assert stop.status is AlgoStatus.NEW
    table.market.set_price(BTC, "95000")
    table.pass_time()
    table.market.set_price(BTC, "94050")
    table.pass_time()
    assert stop.status is AlgoStatus.FINISHED


def test_price_protection_holds_a_trigger_back_while_last_and_mark_disagree(table: Table):
    stop = table.stop("STOP_MARKET", "SELL", "80000", price_protect=True)
    table.market.set_price(BTC, "79000")
    table.market.set_mark(BTC, "90000")
    table.pass_time()
    assert stop.status is AlgoStatus.NEW
    table.market.set_mark(BTC, "79100")
    table.pass_time()
    assert stop.status is AlgoStatus.FINISHED


def test_no_more_than_two_hundred_open_conditional_orders(table: Table):
    for _ in range(200):
        table.stop("STOP_MARKET", "SELL", "80000")
    refused = table.algo("STOP_MARKET", "SELL", "80000")
    assert isinstance(refused, Refusal)
    assert refused.code == -4045


def test_a_client_algo_id_is_unique_among_open_ones(table: Table):
    first = table.stop("STOP_MARKET", "SELL", "80000", client_algo_id="x")
    refused = table.algo("STOP_MARKET", "SELL", "80000", client_algo_id="x")
    assert isinstance(refused, Refusal)
    assert refused.code == -4116
    table.engine.cancel_algo(first, table.moment)
    table.stop("STOP_MARKET", "SELL", "80000", client_algo_id="x")


def test_a_cancelled_conditional_order_cannot_be_cancelled_again_nor_fire(table: Table):
    stop = table.stop("STOP_MARKET", "SELL", "89000")
    table.engine.cancel_algo(stop, table.moment)
    refused = table.engine.cancel_algo(stop, table.moment)
    assert isinstance(refused, Refusal)
    assert refused.code == -2011
    table.market.set_price(BTC, "80000")
    table.pass_time()
    assert stop.status is AlgoStatus.CANCELED
