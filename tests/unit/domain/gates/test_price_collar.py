"""Gate: price collar (slippage 1 % throughout, mark 100)."""

from decimal import Decimal
from typing import Any

import pytest

from app.domain.gates.price_collar import check_price_collar
from app.domain.gates.verdicts import Verdict
from app.domain.market import Quote
from app.domain.signals import Side
from tests.unit.domain.builders import D, denies, make_quote, passes


def quote(bid: str = "99.9", ask: str = "100.1", mark: str = "100") -> Quote:
    return make_quote(bid_price=D(bid), ask_price=D(ask), mark_price=D(mark))


def check(
    side: Side = Side.BUY,
    *,
    at: Quote | None = None,
    reference: Decimal | None = None,
    limit: str | None = "100.1",
    **changes: Any,
) -> Verdict:
    facts: dict[str, Any] = {
        "side": side,
        "quote": at or quote(),
        "signal_reference_price": reference,
        "limit_price": None if limit is None else D(limit),
        "slippage_share_max": D("0.01"),
    }
    return check_price_collar(**{**facts, **changes})


def test_prices_that_agree_pass_with_and_without_a_reference_of_the_signal() -> None:
    assert check() == passes(
        "price_collar", touch="100.1", mark="100", reference="none", limit="100.1", maximum_share="0.01"
    )
    assert check(Side.SELL, reference=D("100.5"), limit="99") == passes(
        "price_collar", touch="99.9", mark="100", reference="100.5", limit="99", maximum_share="0.01"
    )


@pytest.mark.parametrize(
    ("side", "edge", "beyond"),
    [
        (Side.BUY, quote(ask="101"), quote(ask="101.0001")),
        (Side.BUY, quote(bid="98", ask="99"), quote(bid="98", ask="98.9999")),
        (Side.SELL, quote(bid="99"), quote(bid="98.9999")),
        (Side.SELL, quote(bid="101", ask="102"), quote(bid="101.0001", ask="102")),
    ],
)
def test_a_touch_at_the_slippage_from_the_mark_passes_and_one_unit_beyond_denies(
    side: Side, edge: Quote, beyond: Quote
) -> None:
    touch = beyond.ask_price if side is Side.BUY else beyond.bid_price
    limit = "90" if side is Side.BUY else "110"
    assert check(side, at=edge, limit=limit).code is None
    assert check(side, at=beyond, limit=limit) == denies(
        "price_collar",
        "BOOK_FAR_FROM_MARK",
        touch=str(touch),
        mark="100",
        reference="none",
        limit=limit,
        maximum_share="0.01",
    )


@pytest.mark.parametrize(
    ("reference", "touch_at_the_edge", "touch_beyond"),
    [("100", "101", "101.0001"), ("100", "99", "98.9999")],
)
def test_a_signals_own_price_at_the_slippage_passes_and_one_unit_beyond_denies_in_both_directions(
    reference: str, touch_at_the_edge: str, touch_beyond: str
) -> None:
    edge = quote(bid="90", ask=touch_at_the_edge, mark=touch_at_the_edge)
    beyond = quote(bid="90", ask=touch_beyond, mark=touch_beyond)
    assert check(at=edge, reference=D(reference), limit="90").code is None
    verdict = check(at=beyond, reference=D(reference), limit="90")
    assert verdict == denies(
        "price_collar",
        "REFERENCE_PRICE_OUTSIDE_COLLAR",
        touch=touch_beyond,
        mark=touch_beyond,
        reference="100",
        limit="90",
        maximum_share="0.01",
    )


@pytest.mark.parametrize("reference", ["0", "-100", "1000000"])
def test_a_nonsensical_price_of_the_signal_denies(reference: str) -> None:
    assert check(reference=D(reference)).code == "REFERENCE_PRICE_OUTSIDE_COLLAR"


@pytest.mark.parametrize(
    ("side", "edge", "beyond"),
    [(Side.BUY, "101.1010", "101.1011"), (Side.SELL, "98.9010", "98.9009")],
)
def test_a_limit_at_the_slippage_beyond_the_touch_passes_and_one_unit_further_denies(
    side: Side, edge: str, beyond: str
) -> None:
    at = quote(bid="99.9", ask="100.1")
    assert check(side, at=at, limit=edge).code is None
    verdict = check(side, at=at, limit=beyond)
    assert (verdict.code, verdict.numbers["limit"]) == ("LIMIT_PRICE_OUTSIDE_COLLAR", beyond)


@pytest.mark.parametrize(("side", "limit"), [(Side.BUY, "1"), (Side.SELL, "1000")])
def test_a_limit_better_than_the_touch_is_no_danger(side: Side, limit: str) -> None:
    assert check(side, limit=limit).code is None


@pytest.mark.parametrize("broken", [quote(bid="0"), quote(ask="0"), quote(mark="0"), quote(bid="-1")])
def test_a_quote_without_bid_ask_or_mark_denies(broken: Quote) -> None:
    assert check(at=broken).code == "QUOTE_ONE_SIDED"


def test_an_unknown_limit_denies() -> None:
    verdict = check(limit=None)
    assert (verdict.code, verdict.numbers["limit"]) == ("LIMIT_PRICE_UNKNOWN", "unknown")


def test_an_unknown_quote_denies() -> None:
    assert check(quote=None) == denies("price_collar", "QUOTE_UNKNOWN", bid="unknown", ask="unknown", mark="unknown")


def test_without_a_policy_there_is_no_collar() -> None:
    assert check(slippage_share_max=None) == denies("price_collar", "POLICY_UNKNOWN", maximum_share="unknown")
