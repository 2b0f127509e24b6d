"""Order entry: filters with their exact codes, client order ids, the second look at time, reduce-only, amending."""

from dataclasses import replace

import pytest

from app.paper_exchange.errors import Refusal
from app.paper_exchange.filters import check_order
from app.paper_exchange.orders import ExpiryReason, Order, OrderRequest, OrderStatus, OrderType
from app.paper_exchange.symbols import SymbolSpec
from tests.paper_exchange.fixed_market import BTC, XRP, D, Table


@pytest.mark.parametrize(
    ("quantity", "price", "code"),
    [
        ("0", "90000", -4003),
        ("0.0005", "90000", -1111),
        ("1001", "90000", -4005),
        ("0.001", "0", -4001),
        ("0.001", "5000000", -4002),
        ("0.001", "500", -4013),
        ("0.001", "90000.001", -1111),
        ("0.001", "90000.05", -4014),
        ("0.001", "94500.10", -4016),
        ("0.001", "30000", -4164),
    ],
)
def test_each_filter_answers_its_own_code(table: Table, quantity: str, price: str, code: int):
    assert table.refused("BUY", quantity, price) == code
    assert not table.state.orders


def test_a_sell_price_too_low_has_a_code_of_its_own(table: Table):
    assert table.refused("SELL", "0.001", "85499.90") == -4024


def test_percent_price_is_one_sided(table: Table):
    assert table.placed("BUY", "0.010", "50000").is_open


def test_market_orders_have_a_lot_size_of_their_own(table: Table):
    assert table.refused("BUY", "120.001") == -4005


def test_quantity_off_step_is_refused(table: Table):
    # XRP trades in steps of 0.1 with one decimal; a finer one is over the precision.
    assert table.refused("BUY", "10.05", "1.9", symbol=XRP) == -1111


def test_the_notional_of_a_market_order_is_judged_by_the_mark_price(table: Table):
    table.market.set_mark(BTC, "49000")
    table.market.set_book(BTC, bids=[], asks=[(D("50000"), D(1))])
    assert table.refused("BUY", "0.001") == -4164


def test_a_reduce_only_order_is_exempt_from_the_minimum_notional(table: Table):
    table.placed("BUY", "0.010")
    table.market.set_price(BTC, "40000")
    assert table.placed("SELL", "0.001", reduce_only=True).status is OrderStatus.FILLED


def test_a_client_order_id_is_unique_among_open_orders_only(table: Table):
    resting = table.placed("BUY", "0.010", "89000", client_order_id="mine")
    assert table.refused("BUY", "0.010", "89000", client_order_id="mine") == -4116
    table.engine.cancel(resting, table.moment)
    again = table.placed("BUY", "0.010", client_order_id="mine")
    once_more = table.placed("BUY", "0.010", client_order_id="mine")
    # The danger the protocol sheet warns of: a finished id protects nothing, both of these filled.
    assert again.executed_quantity == once_more.executed_quantity == D("0.010")


def test_an_order_without_an_id_gets_one(table: Table):
    assert len(table.placed("BUY", "0.010").client_order_id) == 22


def test_matching_looks_at_the_timestamp_again(table: Table):
    assert table.refused("BUY", "0.010", valid_until_us=table.now_us - 1) == -5028
    assert table.placed("BUY", "0.010", valid_until_us=table.now_us).status is OrderStatus.FILLED


def test_reduce_only_without_a_position_or_in_its_direction_is_refused(table: Table):
    assert table.refused("SELL", "0.010", reduce_only=True) == -2022
    table.placed("BUY", "0.010")
    assert table.refused("BUY", "0.010", reduce_only=True) == -2022


def test_a_reduce_only_limit_larger_than_the_position_is_shrunk_to_it(table: Table):
    table.placed("BUY", "0.010")
    order = table.placed("SELL", "0.050", "91000", reduce_only=True)
    assert order.quantity == D("0.010")


def test_open_reduce_only_orders_use_the_position_up(table: Table):
    table.placed("BUY", "0.010")
    table.placed("SELL", "0.006", "91000", reduce_only=True)
    assert table.placed("SELL", "0.010", "91000", reduce_only=True).quantity == D("0.004")
    assert table.refused("SELL", "0.001", "91000", reduce_only=True) == -2022


def test_a_reduce_only_market_order_never_flips_the_position(table: Table):
    table.placed("BUY", "0.010")
    order = table.placed("SELL", "0.030", reduce_only=True)
    assert order.executed_quantity == D("0.010")
    assert table.quantity() == 0


def test_resting_reduce_only_orders_are_knocked_out_when_the_position_goes(table: Table):
    table.placed("BUY", "0.010")
    resting = table.placed("SELL", "0.010", "91000", reduce_only=True)
    table.placed("SELL", "0.010")
    assert resting.status is OrderStatus.EXPIRED
    assert resting.expiry_reason is ExpiryReason.REDUCE_ONLY_KNOCKED_OUT


def test_no_more_than_two_hundred_open_orders_a_symbol(table: Table):
    for _ in range(200):
        table.placed("BUY", "0.001", "60000")
    assert table.refused("BUY", "0.001", "60000") == -2025


def test_cancelling_twice_is_unknown_the_second_time(table: Table):
    order = table.placed("BUY", "0.010", "89000")
    assert isinstance(table.engine.cancel(order, table.moment), Order)
    second = table.engine.cancel(order, table.moment)
    assert isinstance(second, Refusal)
    assert second.code == -2011


@pytest.mark.parametrize(
    ("quantity", "price", "code"),
    [("0.010", "89000", -5027), ("0.001", "49000", -5029), ("0.010", "89000.05", -4014), ("0", "89000", -4003)],
)
def test_an_amendment_passes_the_same_filters(table: Table, quantity: str, price: str, code: int):
    order = table.placed("BUY", "0.010", "89000")
    refused = table.engine.amend(order, quantity=D(quantity), price=D(price), moment=table.moment)
    assert isinstance(refused, Refusal)
    assert refused.code == code
    assert (order.quantity, order.price) == (D("0.010"), D("89000"))


def test_an_amendment_into_the_book_trades_at_once(table: Table):
    order = table.placed("BUY", "0.010", "89000")
    table.engine.amend(order, quantity=D("0.010"), price=D("90000.10"), moment=table.moment)
    assert order.status is OrderStatus.FILLED
    assert not table.state.fills_of_order[order.order_id][0].maker


def test_amending_to_what_is_already_filled_cancels_the_rest(table: Table):
    table.market.set_price(BTC, "90000", quantity="0.004", levels=1)
    order = table.placed("BUY", "0.010", "90000.10")
    table.engine.amend(order, quantity=D("0.004"), price=D("90000.10"), moment=table.moment)
    assert order.status is OrderStatus.CANCELED
    assert order.executed_quantity == D("0.004")


def test_lot_rules_coarser_than_the_precision_have_their_own_codes_and_so_has_a_symbol_that_does_not_trade(
    table: Table,
):
    """No symbol of the catalogue can be refused so: everywhere the step is as fine as the precision, and all trade."""
    spec = replace(table.state.market.symbols[BTC], quantity_min=D("0.010"), quantity_step=D("0.005"))

    def code(changed: SymbolSpec, quantity: str) -> int:
        request = OrderRequest(symbol=BTC, side="BUY", type=OrderType.LIMIT, quantity=D(quantity), price=D("90000"))
        refused = check_order(changed, request, mark_price=D("90000"), best_counter_price=D("90000"))
        assert isinstance(refused, Refusal)
        return refused.code

    assert code(spec, "0.009") == -4004
    assert code(spec, "0.012") == -4023
    assert code(replace(spec, status="SETTLING"), "0.010") == -4140
