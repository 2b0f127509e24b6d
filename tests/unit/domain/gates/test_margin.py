"""Gate: margin."""

from decimal import Decimal

import pytest

from app.domain.gates.margin import check_margin
from tests.unit.domain.builders import D, denies, passes


def test_exactly_what_the_balance_supports_passes_and_one_unit_more_denies() -> None:
    assert check_margin(notional=D("500"), available_balance=D("100"), leverage_max=D("5")) == passes(
        "margin", available="100", entry="500", leverage_maximum="5", supported="500"
    )
    assert check_margin(notional=D("500.01"), available_balance=D("100"), leverage_max=D("5")) == denies(
        "margin", "MARGIN_INSUFFICIENT", available="100", entry="500.01", leverage_maximum="5", supported="500"
    )


@pytest.mark.parametrize(
    ("available", "notional", "seen"),
    [(None, Decimal(1), ("unknown", "1")), (Decimal(1), None, ("1", "unknown"))],
)
def test_an_unknown_balance_or_size_denies(
    available: Decimal | None, notional: Decimal | None, seen: tuple[str, str]
) -> None:
    assert check_margin(notional=notional, available_balance=available, leverage_max=D("5")) == denies(
        "margin", "AVAILABLE_BALANCE_UNKNOWN", available=seen[0], entry=seen[1]
    )


def test_without_a_policy_there_is_no_leverage() -> None:
    assert check_margin(notional=D("1"), available_balance=D("1"), leverage_max=None) == denies(
        "margin", "POLICY_UNKNOWN", available="1", entry="1", leverage_maximum="unknown"
    )
