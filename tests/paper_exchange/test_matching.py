"""Matching rules: what each type and time in force gets from a finite book, and what resting orders get later."""

from decimal import Decimal

import pytest

from app.paper_exchange.matching import Conditions
from app.paper_exchange.orders import ExpiryReason, OrderStatus, SelfTradePrevention
from tests.paper_exchange.fixed_market import BTC, D, FixedMarket, Table


def test_a_market_order_walks_the_book_level_by_level(table: Table):
    order = table.placed("BUY", "0.025")
    assert order.status is OrderStatus.FILLED
    table.market.set_price(BTC, "90000", quantity="0.010")
    order = table.placed("BUY", "0.025")
    fills = table.state.fills_of_order[order.order_id]
    assert [(f.price, f.quantity) for f in fills] == [
        (D("90000.10"), D("0.010")),
        (D("90000.20"), D("0.010")),
        (D("90000.30"), D("0.005")),
    ]
    assert order.average_price == D("90000.18")
    assert not any(f.maker for f in fills)


def test_a_market_order_that_empties_the_book_expires_with_reason_nine(table: Table):
    table.market.set_price(BTC, "90000", quantity="0.010", levels=2)
    order = table.placed("BUY", "0.100")
    assert order.status is OrderStatus.EXPIRED
    assert order.executed_quantity == D("0.020")
    assert order.expiry_reason is ExpiryReason.MARKET_REMAINDER


def test_a_market_order_does_not_trade_beyond_the_take_bound(table: Table):
    table.market.set_book(BTC, bids=[], asks=[(D("94000"), D("0.010")), (D("94600"), D("1"))])
    order = table.placed("BUY", "0.020")
    assert order.executed_quantity == D("0.010")
    assert order.status is OrderStatus.EXPIRED


def test_a_market_order_is_refused_when_the_best_counter_price_is_beyond_the_percent_filter(table: Table):
    table.market.set_book(BTC, bids=[], asks=[(D("94600"), D("1"))])
    assert table.refused("BUY", "0.020") == -4131


def test_a_market_order_without_any_counterparty_is_refused(table: Table):
    table.market.set_book(BTC, bids=[], asks=[])
    assert table.refused("BUY", "0.020") == -2020


def test_an_ioc_order_takes_what_is_within_its_price_and_expires(table: Table):
    table.market.set_price(BTC, "90000", quantity="0.010")
    order = table.placed("BUY", "0.050", "90000.20", force="IOC")
    assert order.executed_quantity == D("0.020")
    assert order.status is OrderStatus.EXPIRED
    assert order.expiry_reason is ExpiryReason.IOC_REMAINDER
    assert not list(table.state.open_of(BTC))


def test_a_fok_order_fills_whole_or_leaves_no_order_and_no_trade(table: Table):
    table.market.set_price(BTC, "90000", quantity="0.010")
    assert table.refused("BUY", "0.050", "90000.20", force="FOK") == -5021
    assert not table.state.orders
    assert not table.state.fills
    order = table.placed("BUY", "0.020", "90000.20", force="FOK")
    assert order.status is OrderStatus.FILLED


def test_a_post_only_order_rests_or_leaves_no_order(table: Table):
    assert table.refused("BUY", "0.010", "90000.10", force="GTX") == -5022
    assert not table.state.orders
    order = table.placed("BUY", "0.010", "89999.90", force="GTX")
    assert order.status is OrderStatus.NEW


def test_a_crossing_gtc_order_takes_what_it_can_and_rests_with_the_remainder(table: Table):
    table.market.set_price(BTC, "90000", quantity="0.010", levels=1)
    order = table.placed("BUY", "0.030", "90000.10")
    assert order.status is OrderStatus.PARTIALLY_FILLED
    assert order.executed_quantity == D("0.010")
    assert list(table.state.open_of(BTC)) == [order]


def test_a_resting_order_fills_at_its_own_price_as_maker_when_the_market_comes_to_it(table: Table):
    order = table.placed("BUY", "0.010", "89990.00")
    table.pass_time()
    assert order.status is OrderStatus.NEW
    table.market.set_price(BTC, "89980")
    table.pass_time()
    fill = table.state.fills_of_order[order.order_id][0]
    assert order.status is OrderStatus.FILLED
    assert fill.price == D("89990.00")
    assert fill.maker
    assert fill.fee == D("89990") * D("0.010") * D("0.0002")


def test_a_resting_order_gets_no_more_than_the_book_offers_at_its_price(table: Table):
    order = table.placed("SELL", "0.050", "90010.00")
    table.market.set_book(BTC, bids=[(D("90010.00"), D("0.020")), (D("90009.90"), D("5"))], asks=[])
    table.pass_time()
    assert order.status is OrderStatus.PARTIALLY_FILLED
    assert order.executed_quantity == D("0.020")


def test_better_prices_fill_first_then_older_orders(table: Table):
    low = table.placed("BUY", "0.010", "89980.00")
    first = table.placed("BUY", "0.010", "89990.00")
    second = table.placed("BUY", "0.010", "89990.00")
    table.market.set_book(BTC, bids=[], asks=[(D("89980.00"), D("0.015"))])
    table.pass_time()
    assert [o.executed_quantity for o in (first, second, low)] == [D("0.010"), D("0.005"), D(0)]


def test_an_amended_order_loses_its_place_in_the_queue(table: Table):
    first = table.placed("BUY", "0.010", "89990.00")
    second = table.placed("BUY", "0.010", "89990.00")
    table.engine.amend(first, quantity=D("0.011"), price=D("89990.00"), moment=table.moment)
    table.market.set_book(BTC, bids=[], asks=[(D("89990.00"), D("0.010"))])
    table.pass_time()
    assert second.status is OrderStatus.FILLED
    assert first.executed_quantity == 0


@pytest.mark.parametrize(
    ("mode", "resting_status", "taker_status"),
    [
        (SelfTradePrevention.EXPIRE_MAKER, OrderStatus.EXPIRED_IN_MATCH, OrderStatus.FILLED),
        (SelfTradePrevention.EXPIRE_TAKER, OrderStatus.NEW, OrderStatus.EXPIRED_IN_MATCH),
        (SelfTradePrevention.EXPIRE_BOTH, OrderStatus.EXPIRED_IN_MATCH, OrderStatus.EXPIRED_IN_MATCH),
        (SelfTradePrevention.NONE, OrderStatus.FILLED, OrderStatus.FILLED),
    ],
)
def test_self_trade_prevention(
    table: Table, mode: SelfTradePrevention, resting_status: OrderStatus, taker_status: OrderStatus
):
    resting = table.placed("SELL", "0.010", "90000.10")
    table.market.set_book(BTC, bids=[(D("89999.90"), D(1))], asks=[(D("90000.20"), D(1))])
    taker = table.placed("BUY", "0.010", "90000.20", self_trade_prevention=mode)
    assert (resting.status, taker.status) == (resting_status, taker_status)


def test_a_taker_trades_with_better_outside_prices_before_it_meets_its_own_order(table: Table):
    own = table.placed("SELL", "0.010", "90000.30")
    table.market.set_book(BTC, bids=[(D("89999.90"), D(1))], asks=[(D("90000.10"), D("0.004")), (D("90000.40"), D(1))])
    taker = table.placed("BUY", "0.010", "90000.40", self_trade_prevention=SelfTradePrevention.EXPIRE_TAKER)
    assert taker.executed_quantity == D("0.004")
    assert taker.status is OrderStatus.EXPIRED_IN_MATCH
    assert own.status is OrderStatus.NEW


@pytest.mark.parametrize(("share", "expected"), [("0.4", "0.020"), ("0.333", "0.016"), ("0", "0"), ("1", "0.050")])
def test_a_partial_fill_fault_gives_an_immediate_order_its_share_rounded_down_to_the_step(
    table: Table, share: str, expected: str
):
    order = table.placed("BUY", "0.050", "90001", force="IOC", conditions=Conditions(share=D(share)))
    assert order.executed_quantity == D(expected)


def test_a_partial_fill_fault_refuses_a_fill_or_kill_order(table: Table):
    assert table.refused("BUY", "0.050", "90001", force="FOK", conditions=Conditions(share=D("0.9"))) == -5021


def test_a_thin_book_offers_only_its_share(market: FixedMarket):
    table = Table(market)
    market.set_price(BTC, "90000", quantity="0.010", levels=5)
    order = table.placed("BUY", "0.050", conditions=Conditions(depth=Decimal("0.3")))
    assert order.executed_quantity == D("0.015")


def test_a_good_till_date_order_expires_at_its_date_and_not_before(table: Table):
    date = table.moment.now_ms + 600_000
    order = table.placed("BUY", "0.010", "89000", force="GTD", good_till_ms=date)
    table.pass_time(599_900)
    assert order.is_open
    table.pass_time(100)
    assert order.status is OrderStatus.EXPIRED


def test_a_good_till_date_less_than_ten_minutes_ahead_is_refused(table: Table):
    near = table.moment.now_ms + 599_999
    assert table.refused("BUY", "0.010", "89000", force="GTD", good_till_ms=near) == -5040


def test_the_dead_mans_switch_cancels_the_symbols_orders_unless_called_again(table: Table):
    order = table.placed("BUY", "0.010", "89000")
    other = table.placed("BUY", "0.10", "2900", symbol="ETHUSDT")
    table.engine.count_down(BTC, 5_000, table.moment)
    table.pass_time(4_000)
    table.engine.count_down(BTC, 5_000, table.moment)
    table.pass_time(4_900)
    assert order.is_open
    table.pass_time(100)
    assert order.status is OrderStatus.CANCELED
    assert other.is_open
