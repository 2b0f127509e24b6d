"""Exposure: what an entry adds, and what a chase leaves out."""

import pytest

from app.domain.exposure import Exposure, entry_notional
from tests.unit.domain.builders import D


@pytest.mark.parametrize("reservation", ["300.5", "-300.5"])
def test_leaving_out_a_reservation_undoes_what_it_added(reservation: str) -> None:
    own = D(reservation)
    symbols = frozenset({"BTCUSDT"})
    beside = Exposure(open_symbols=symbols, symbol_notional=D("-40"), net_notional=D("75"), gross_notional=D("900.25"))
    counted = Exposure(
        open_symbols=symbols,
        symbol_notional=D("-40") + own,
        net_notional=D("75") + own,
        gross_notional=D("900.25") + abs(own),
    )
    assert counted.without_reservation(own) == beside


def test_an_entry_is_worth_the_dearer_of_limit_and_mark() -> None:
    assert entry_notional(quantity=D("2"), limit_price=D("101"), mark_price=D("100")) == D("202")
    assert entry_notional(quantity=D("2"), limit_price=D("99"), mark_price=D("100")) == D("200")


def test_no_digit_of_a_long_product_is_lost() -> None:
    quantity, price = D("123456789.123456789"), D("98765.987654321987654321")
    assert entry_notional(quantity=quantity, limit_price=price, mark_price=D("1")) == D(
        "12193331710409.566266116347203169112635269"
    )
