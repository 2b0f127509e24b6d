"""Positions: adding, closing, flipping, and that no digit of money is ever lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Context, Decimal, localcontext

import pytest
from hypothesis import given

from app.domain.fills import Fill
from app.domain.positions import (
    REALISED_TOLERANCE,
    Position,
    apply_fill,
    flat_position,
    realised_by,
    realised_difference,
    unrealised_pnl,
)
from app.domain.signals import Side
from tests.unit.domain.builders import NOW, D, make_fill
from tests.unit.domain.histories import histories, prices


def trade(side: Side, quantity: str, price: str, **changes: object) -> Fill:
    return make_fill(side=side, quantity=D(quantity), price=D(price), fee=D("0"), **changes)


def book(*fills: Fill) -> Position:
    position = flat_position("BTCUSDT")
    for fill in fills:
        position = apply_fill(position, replace(fill, realised_pnl=realised_by(position, fill)))
    return position


def test_a_position_never_held_is_all_zero() -> None:
    assert flat_position("XUSDT") == Position(
        symbol="XUSDT",
        quantity=D("0"),
        entry_price=D("0"),
        entry_cost=D("0"),
        realised_pnl=D("0"),
        fees=D("0"),
        stop_price=None,
        target_price=None,
        updated_at=None,
    )


@pytest.mark.parametrize(("side", "sign"), [(Side.BUY, 1), (Side.SELL, -1)])
def test_adding_averages_the_entry(side: Side, sign: int) -> None:
    later = NOW + timedelta(seconds=1)
    position = book(trade(side, "1", "100"), trade(side, "3", "120", traded_at=later))
    assert position == replace(
        flat_position("BTCUSDT"),
        quantity=D(4) * sign,
        entry_price=D("115"),
        entry_cost=D("460") * sign,
        updated_at=later,
    )


def test_an_average_that_does_not_end_is_rounded_while_its_cost_stays_exact() -> None:
    position = book(trade(Side.BUY, "1", "100"), trade(Side.BUY, "2", "100.01"))
    assert position.entry_cost == D("300.02")
    assert position.entry_price == D("100.00666667")


@pytest.mark.parametrize(
    ("opens", "exit_price", "realised"),
    [(Side.BUY, "110", "20"), (Side.BUY, "95", "-10"), (Side.SELL, "110", "-20"), (Side.SELL, "95", "10")],
)
def test_a_partial_close_realises_its_part_and_keeps_the_entry(opens: Side, exit_price: str, realised: str) -> None:
    position = book(trade(opens, "5", "100"))
    close = trade(opens.opposite, "2", exit_price)
    assert realised_by(position, close) == D(realised)
    after = apply_fill(position, replace(close, realised_pnl=D(realised)))
    assert (after.quantity, after.entry_price, after.realised_pnl) == (D(3) * opens.sign, D("100"), D(realised))
    assert after.entry_cost == D(300) * opens.sign


def test_a_full_close_leaves_nothing_behind_even_where_the_average_did_not_end() -> None:
    position = book(trade(Side.BUY, "1", "100"), trade(Side.BUY, "2", "100.01"), trade(Side.SELL, "3", "101"))
    assert (position.quantity, position.entry_cost, position.entry_price) == (D("0"), D("0"), D("0"))
    assert position.realised_pnl == D("2.98")


@pytest.mark.parametrize(("opens", "realised"), [(Side.BUY, "20"), (Side.SELL, "-20")])
def test_a_flip_closes_the_whole_and_opens_the_rest_at_the_fills_price(opens: Side, realised: str) -> None:
    position = book(trade(opens, "2", "100"))
    flip = trade(opens.opposite, "5", "110")
    assert realised_by(position, flip) == D(realised)
    after = apply_fill(position, replace(flip, realised_pnl=D(realised)))
    assert (after.quantity, after.entry_price) == (D(-3) * opens.sign, D("110"))
    assert after.entry_cost == D(-330) * opens.sign


def test_what_a_partial_close_rounds_off_stays_with_what_is_open() -> None:
    position = book(trade(Side.BUY, "1", "100"), trade(Side.BUY, "2", "100.01"))
    close = trade(Side.SELL, "1", "101")
    # A third of 300.02 is 100.00666666...: released as 100.00666667, so that 200.01333333 stays.
    assert realised_by(position, close) == D("0.99333333")
    assert apply_fill(position, close).entry_cost == D("200.01333333")


def test_half_a_settlement_step_is_rounded_away_from_zero() -> None:
    position = replace(flat_position("BTCUSDT"), quantity=D("2"), entry_cost=D("0.00000001"))
    assert realised_by(position, trade(Side.SELL, "1", "1")) == D("0.99999999")
    short = replace(flat_position("BTCUSDT"), quantity=D("-2"), entry_cost=D("-0.00000001"))
    assert realised_by(short, trade(Side.BUY, "1", "1")) == D("-0.99999999")


def test_the_exchanges_figure_is_booked_and_a_difference_from_ours_is_visible() -> None:
    position = book(trade(Side.BUY, "2", "100"))
    close = trade(Side.SELL, "1", "110", realised_pnl=D("10.00000002"))
    assert apply_fill(position, close).realised_pnl == D("10.00000002")
    assert realised_difference(position, close) == D("0.00000002")
    assert D("0.00000001") == REALISED_TOLERANCE
    assert realised_difference(position, replace(close, realised_pnl=D("9"))) == D("-1")


def test_fees_in_usdt_add_up_rebates_included_and_those_in_another_asset_stay_out() -> None:
    position = flat_position("BTCUSDT")
    for fee, asset in [("0.5", "USDT"), ("-0.1", "USDT"), ("0.003", "BNB")]:
        position = apply_fill(position, make_fill(fee=D(fee), fee_asset=asset))
    assert position.fees == D("0.4")


def test_stop_and_target_survive_adding_and_partial_closing_but_neither_a_close_nor_a_flip() -> None:
    protected = replace(book(trade(Side.BUY, "2", "100")), stop_price=D("90"), target_price=D("120"))
    for kept in (trade(Side.BUY, "1", "101"), trade(Side.SELL, "1.999", "101")):
        after = apply_fill(protected, kept)
        assert (after.stop_price, after.target_price) == (D("90"), D("120"))
    for dropped in (trade(Side.SELL, "2", "101"), trade(Side.SELL, "3", "101")):
        after = apply_fill(protected, dropped)
        assert (after.stop_price, after.target_price) == (None, None)


def test_a_fill_of_another_symbol_is_a_surprise() -> None:
    fill = make_fill(symbol="ETHUSDT")
    with pytest.raises(ValueError, match=r"^a fill of ETHUSDT cannot change a position in BTCUSDT"):
        apply_fill(flat_position("BTCUSDT"), fill)
    with pytest.raises(ValueError, match="ETHUSDT"):
        realised_by(flat_position("BTCUSDT"), fill)


def test_unrealised_pnl_is_what_closing_at_the_mark_would_realise() -> None:
    for opens in Side:
        position = book(trade(opens, "2", "100"))
        close = trade(opens.opposite, "2", "103.5")
        assert unrealised_pnl(position, mark_price=D("103.5")) == realised_by(position, close) == D(7) * opens.sign


@given(fills=histories(), mark=prices)
def test_cash_flows_plus_what_is_held_equal_realised_plus_unrealised_to_the_last_digit(
    fills: Sequence[Fill], mark: Decimal
) -> None:
    position = flat_position("BTCUSDT")
    for fill in fills:
        position = apply_fill(position, fill)
    with localcontext(Context(prec=100)):
        cash = sum((-fill.side.sign * fill.price * fill.quantity for fill in fills), Decimal(0))
        fees = sum((fill.fee for fill in fills if fill.fee_asset == "USDT"), Decimal(0))
        by_cash = cash + position.quantity * mark - fees
        by_books = position.realised_pnl + unrealised_pnl(position, mark_price=mark) - position.fees
        assert by_cash == by_books
        assert position.quantity == sum((fill.side.sign * fill.quantity for fill in fills), Decimal(0))


@given(fills=histories(closing=True))
def test_a_flat_position_has_realised_all_its_cash_flows(fills: Sequence[Fill]) -> None:
    position = flat_position("BTCUSDT")
    for fill in fills:
        position = apply_fill(position, fill)
    assert (position.quantity, position.entry_cost, position.entry_price) == (0, 0, 0)
    with localcontext(Context(prec=100)):
        cash = sum((-fill.side.sign * fill.price * fill.quantity for fill in fills), Decimal(0))
        assert position.realised_pnl == cash


@given(fills=histories())
def test_the_entry_price_always_lies_within_the_prices_paid_for_what_is_open(fills: Sequence[Fill]) -> None:
    position = flat_position("BTCUSDT")
    since_flip: list[Decimal] = []
    for fill in fills:
        before = position.quantity
        position = apply_fill(position, fill)
        if before * position.quantity <= 0:
            since_flip = []
        if position.quantity * fill.side.sign > 0:
            since_flip.append(fill.price)
        if position.quantity:
            # Every partial close may leave half a settlement step, spread over what is still open.
            slack = D("0.00000001") * (len(fills) + 1) * (1 + 1 / abs(position.quantity))
            assert min(since_flip) - slack <= position.entry_price <= max(since_flip) + slack
            assert position.entry_cost * position.quantity >= -slack * abs(position.quantity)
