"""Gate: net exposure (equity 1,000, three times of it)."""

from decimal import Decimal
from typing import Any

import pytest

from app.domain.gates.net_exposure import check_net_exposure
from app.domain.gates.verdicts import Verdict
from app.domain.signals import Side
from tests.unit.domain.builders import D, denies, make_exposure, passes


def check(side: Side, *, net: str = "0", notional: Decimal | None = Decimal(500), **changes: Any) -> Verdict:
    facts: dict[str, Any] = {
        "side": side,
        "notional": notional,
        "exposure": make_exposure(net_notional=D(net), gross_notional=D("99999"), symbol_notional=D("99999")),
        "equity": D("1000"),
        "share_max": D("3"),
    }
    return check_net_exposure(**{**facts, **changes})


@pytest.mark.parametrize(
    ("side", "at_limit", "beyond", "after"),
    [(Side.BUY, "2500", "2500.01", "3000.01"), (Side.SELL, "-2500", "-2500.01", "-3000.01")],
)
def test_exactly_the_limit_passes_and_one_unit_more_denies(side: Side, at_limit: str, beyond: str, after: str) -> None:
    assert check(side, net=at_limit) == passes(
        "net_exposure", net=at_limit, entry="500", after=after.removesuffix(".01"), maximum="3000"
    )
    assert check(side, net=beyond) == denies(
        "net_exposure", "NET_EXPOSURE_ABOVE_MAXIMUM", net=beyond, entry="500", after=after, maximum="3000"
    )


def test_an_entry_to_the_lighter_side_lowers_the_net() -> None:
    assert check(Side.SELL, net="3200").numbers["after"] == "2700"


@pytest.mark.parametrize(
    ("missing", "net", "entry", "equity"),
    [
        ("exposure", "unknown", "500", "1000"),
        ("notional", "0", "unknown", "1000"),
        ("equity", "0", "500", "unknown"),
    ],
)
def test_an_unknown_fact_denies(missing: str, net: str, entry: str, equity: str) -> None:
    assert check(Side.BUY, **{missing: None}) == denies(
        "net_exposure", "NET_EXPOSURE_UNKNOWN", net=net, entry=entry, equity=equity
    )


def test_without_a_policy_there_is_no_limit() -> None:
    assert check(Side.BUY, share_max=None) == denies(
        "net_exposure", "POLICY_UNKNOWN", net="0", entry="500", maximum="unknown"
    )


def test_an_opposite_order_under_way_makes_no_room() -> None:
    exposure = make_exposure(net_notional=D(0), net_pending_sells=D("-20000"))
    verdict = check_net_exposure(side=Side.BUY, notional=D(1), exposure=exposure, equity=D("10000"), share_max=D(2))
    assert verdict.code == "NET_EXPOSURE_ABOVE_MAXIMUM"
    assert verdict.numbers["net"] == "20000"


def test_an_entry_does_not_count_on_what_goes_against_it_and_may_never_fill() -> None:
    exposure = make_exposure(net_notional=D("2000"), net_pending_buys=D("900"), net_pending_sells=D("-700"))
    assert check(Side.BUY, exposure=exposure).numbers["net"] == "2700"
    assert check(Side.SELL, exposure=exposure).numbers["net"] == "1100"
