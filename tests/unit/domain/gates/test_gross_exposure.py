"""Gate: gross exposure (equity 1,000, three times of it)."""

from typing import Any

import pytest

from app.domain.gates.gross_exposure import check_gross_exposure
from app.domain.gates.verdicts import Verdict
from tests.unit.domain.builders import D, denies, make_exposure, passes


def check(*, gross: str = "0", **changes: Any) -> Verdict:
    facts: dict[str, Any] = {
        "notional": D("500"),
        "exposure": make_exposure(gross_notional=D(gross), net_notional=D("-7"), symbol_notional=D("-8")),
        "equity": D("1000"),
        "share_max": D("3"),
    }
    return check_gross_exposure(**{**facts, **changes})


def test_exactly_the_limit_passes_and_one_unit_more_denies() -> None:
    assert check(gross="2500") == passes("gross_exposure", gross="2500", entry="500", after="3000", maximum="3000")
    assert check(gross="2500.01") == denies(
        "gross_exposure",
        "GROSS_EXPOSURE_ABOVE_MAXIMUM",
        gross="2500.01",
        entry="500",
        after="3000.01",
        maximum="3000",
    )


def test_an_account_without_equity_takes_no_entry() -> None:
    assert check(equity=D("-1")).code == "GROSS_EXPOSURE_ABOVE_MAXIMUM"


@pytest.mark.parametrize(
    ("missing", "gross", "entry", "equity"),
    [
        ("exposure", "unknown", "500", "1000"),
        ("notional", "0", "unknown", "1000"),
        ("equity", "0", "500", "unknown"),
    ],
)
def test_an_unknown_fact_denies(missing: str, gross: str, entry: str, equity: str) -> None:
    assert check(**{missing: None}) == denies(
        "gross_exposure", "GROSS_EXPOSURE_UNKNOWN", gross=gross, entry=entry, equity=equity
    )


def test_without_a_policy_there_is_no_limit() -> None:
    assert check(share_max=None) == denies(
        "gross_exposure", "POLICY_UNKNOWN", gross="0", entry="500", maximum="unknown"
    )
