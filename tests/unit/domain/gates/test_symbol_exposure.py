"""Gate: exposure per symbol."""

from decimal import Decimal
from typing import Any

import pytest

from app.domain.gates.symbol_exposure import check_symbol_exposure
from app.domain.gates.verdicts import Verdict
from app.domain.signals import Side
from tests.unit.domain.builders import D, denies, make_exposure, passes


def check(side: Side, *, held: str = "0", notional: Decimal | None = Decimal(400), **changes: Any) -> Verdict:
    facts: dict[str, Any] = {
        "side": side,
        "notional": notional,
        "exposure": make_exposure(symbol_notional=D(held)),
        "maximum": D("1000"),
    }
    return check_symbol_exposure(**{**facts, **changes})


@pytest.mark.parametrize(
    ("side", "at_cap", "beyond", "after"),
    [(Side.BUY, "600", "600.01", "1000.01"), (Side.SELL, "-600", "-600.01", "-1000.01")],
)
def test_exactly_the_cap_passes_and_one_unit_more_denies(side: Side, at_cap: str, beyond: str, after: str) -> None:
    assert check(side, held=at_cap) == passes(
        "symbol_exposure", held=at_cap, entry="400", after=after.removesuffix(".01"), maximum="1000"
    )
    assert check(side, held=beyond) == denies(
        "symbol_exposure",
        "SYMBOL_EXPOSURE_ABOVE_MAXIMUM",
        held=beyond,
        entry="400",
        after=after,
        maximum="1000",
    )


def test_an_entry_against_the_position_counts_down_before_it_counts_up() -> None:
    assert check(Side.SELL, held="1200").numbers["after"] == "800"
    assert check(Side.BUY, held="-1400").code is None
    assert check(Side.BUY, held="-600", notional=D("1600.01")).code == "SYMBOL_EXPOSURE_ABOVE_MAXIMUM"


@pytest.mark.parametrize(
    ("changes", "held", "entry"),
    [({"exposure": None}, "unknown", "400"), ({"notional": None}, "0", "unknown")],
)
def test_an_unknown_exposure_or_size_denies(changes: dict[str, Any], held: str, entry: str) -> None:
    assert check(Side.BUY, **changes) == denies("symbol_exposure", "SYMBOL_EXPOSURE_UNKNOWN", held=held, entry=entry)


def test_without_a_policy_there_is_no_cap() -> None:
    assert check(Side.BUY, maximum=None) == denies(
        "symbol_exposure", "POLICY_UNKNOWN", held="0", entry="400", maximum="unknown"
    )


@pytest.mark.parametrize(("side", "sign"), [(Side.BUY, 1), (Side.SELL, -1)])
def test_an_opposite_order_under_way_makes_no_room(side: Side, sign: int) -> None:
    """Position 900, an opposite entry of 900 on its way: were it counted, 900 more would fit; it may never fill."""
    hidden = make_exposure(
        symbol_notional=D(0),
        symbol_pending_buys=D(900) if sign < 0 else D(0),
        symbol_pending_sells=D(-900) if sign > 0 else D(0),
    )
    verdict = check(side, exposure=hidden, notional=D(900))
    assert verdict.code == "SYMBOL_EXPOSURE_ABOVE_MAXIMUM"
    assert verdict.numbers["held"] == str(900 * sign)


def test_an_entry_does_not_count_on_what_goes_against_it_and_may_never_fill() -> None:
    exposure = make_exposure(symbol_notional=D("500"), symbol_pending_buys=D("300"), symbol_pending_sells=D("-200"))
    assert check(Side.BUY, exposure=exposure).numbers["held"] == "700"
    assert check(Side.SELL, exposure=exposure).numbers["held"] == "200"
