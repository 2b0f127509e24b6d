"""Gate: price drift of a chase (drift 1 % from a first reference of 100)."""

from typing import Any

import pytest

from app.domain.gates.price_drift import check_price_drift
from app.domain.gates.verdicts import Verdict
from app.domain.signals import Side
from tests.unit.domain.builders import D, denies, make_quote, passes


def check(side: Side = Side.BUY, *, touch: str = "100.5", limit: str = "100.9", **changes: Any) -> Verdict:
    quote = make_quote(bid_price=D(touch), ask_price=D("55"))
    if side is Side.BUY:
        quote = make_quote(bid_price=D("55"), ask_price=D(touch))
    facts: dict[str, Any] = {
        "side": side,
        "quote": quote,
        "limit_price": D(limit),
        "first_reference_price": D("100"),
        "drift_share_max": D("0.01"),
        "attempt_number": 2,
    }
    return check_price_drift(**{**facts, **changes})


def test_a_chase_near_its_first_reference_passes() -> None:
    assert check() == passes(
        "price_drift", attempt_number="2", touch="100.5", limit="100.9", first_reference="100", maximum_share="0.01"
    )


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize(("edge", "beyond"), [("101", "101.01"), ("99", "98.99")])
def test_a_touch_at_the_drift_passes_and_one_unit_beyond_denies_in_both_directions(
    side: Side, edge: str, beyond: str
) -> None:
    assert check(side, touch=edge, limit="100").code is None
    assert check(side, touch=beyond, limit="100") == denies(
        "price_drift",
        "PRICE_DRIFTED",
        attempt_number="2",
        touch=beyond,
        limit="100",
        first_reference="100",
        maximum_share="0.01",
    )


@pytest.mark.parametrize(("side", "edge", "beyond"), [(Side.BUY, "101", "101.01"), (Side.SELL, "99", "98.99")])
def test_a_limit_at_the_drift_passes_and_one_unit_beyond_denies(side: Side, edge: str, beyond: str) -> None:
    assert check(side, limit=edge).code is None
    verdict = check(side, limit=beyond)
    assert (verdict.code, verdict.numbers["limit"]) == ("LIMIT_PRICE_BEYOND_DRIFT", beyond)


@pytest.mark.parametrize(("side", "limit"), [(Side.BUY, "50"), (Side.SELL, "150")])
def test_a_limit_on_the_safe_side_is_no_drift(side: Side, limit: str) -> None:
    assert check(side, limit=limit).code is None


def test_a_first_attempt_has_nothing_to_drift_from() -> None:
    assert check(attempt_number=1, first_reference_price=None, touch="500") == passes("price_drift", attempt_number="1")


@pytest.mark.parametrize(
    ("missing", "code", "numbers"),
    [
        ("drift_share_max", "POLICY_UNKNOWN", {"maximum_share": "unknown"}),
        ("first_reference_price", "FIRST_REFERENCE_PRICE_UNKNOWN", {"first_reference": "unknown"}),
        ("quote", "DRIFT_QUOTE_UNKNOWN", {"first_reference": "100"}),
        ("limit_price", "DRIFT_LIMIT_PRICE_UNKNOWN", {"first_reference": "100"}),
    ],
)
def test_a_chase_with_a_missing_fact_denies(missing: str, code: str, numbers: dict[str, str]) -> None:
    assert check(**{missing: None}) == denies("price_drift", code, **numbers)
