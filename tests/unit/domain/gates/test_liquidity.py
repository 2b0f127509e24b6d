"""Gate: liquidity (spread at most 2 % of the mid price)."""

from decimal import Decimal

import pytest

from app.domain.gates.liquidity import check_liquidity
from app.domain.gates.verdicts import Verdict
from app.domain.market import Quote
from app.domain.signals import Side
from tests.unit.domain.builders import D, denies, make_quote, passes


def check(bid: str, ask: str, side: Side = Side.BUY, maximum: Decimal | None = Decimal("0.02")) -> Verdict:
    quote: Quote = make_quote(bid_price=D(bid), ask_price=D(ask), bid_quantity=D("4"), ask_quantity=D("6"))
    return check_liquidity(side=side, quote=quote, spread_share_max=maximum)


@pytest.mark.parametrize(("side", "available"), [(Side.BUY, "6"), (Side.SELL, "4")])
def test_a_tight_book_passes_and_tells_what_the_touch_holds(side: Side, available: str) -> None:
    assert check("99.5", "100.5", side) == passes(
        "liquidity",
        bid="99.5",
        ask="100.5",
        spread="1",
        mid="100",
        maximum_share="0.02",
        touch_quantity=available,
    )


def test_a_spread_of_exactly_the_maximum_passes_and_one_unit_more_denies() -> None:
    assert check("99", "101").code is None
    assert check("98.99", "101.01") == denies(
        "liquidity",
        "SPREAD_TOO_WIDE",
        bid="98.99",
        ask="101.01",
        spread="2.02",
        mid="100",
        maximum_share="0.02",
    )


def test_a_locked_book_passes_and_a_crossed_one_denies() -> None:
    assert check("100", "100").code is None
    verdict = check("100.01", "100")
    assert (verdict.code, verdict.numbers["spread"]) == ("BOOK_CROSSED", "-0.01")


@pytest.mark.parametrize(("bid", "ask"), [("0", "100"), ("100", "0"), ("0", "0")])
def test_a_one_sided_book_denies(bid: str, ask: str) -> None:
    assert check(bid, ask).code == "BOOK_ONE_SIDED"


def test_an_unknown_book_denies() -> None:
    assert check_liquidity(side=Side.BUY, quote=None, spread_share_max=D("0.02")) == denies(
        "liquidity", "LIQUIDITY_UNKNOWN", bid="unknown", ask="unknown"
    )


def test_without_a_policy_no_spread_is_tight_enough() -> None:
    assert check("100", "100", maximum=None) == denies("liquidity", "POLICY_UNKNOWN", maximum_share="unknown")
