"""Gate: daily loss."""

import pytest

from app.domain.gates.daily_loss import check_daily_loss
from tests.unit.domain.builders import D, denies, passes


def test_exactly_the_maximum_drawdown_passes_and_one_unit_more_denies() -> None:
    assert check_daily_loss(equity=D("9500"), start_of_day_equity=D("10000"), drawdown_share_max=D("0.05")) == passes(
        "daily_loss", equity="9500", start_of_day_equity="10000", loss="500", maximum="500"
    )
    assert check_daily_loss(
        equity=D("9499.99999999"), start_of_day_equity=D("10000"), drawdown_share_max=D("0.05")
    ) == denies(
        "daily_loss",
        "DAILY_LOSS_ABOVE_MAXIMUM",
        equity="9499.99999999",
        start_of_day_equity="10000",
        loss="500.00000001",
        maximum="500",
    )


def test_a_day_in_profit_passes_with_a_negative_loss() -> None:
    verdict = check_daily_loss(equity=D("10100"), start_of_day_equity=D("10000"), drawdown_share_max=D("0.05"))
    assert (verdict.code, verdict.numbers["loss"]) == (None, "-100")


def test_unknown_equity_denies() -> None:
    assert check_daily_loss(equity=None, start_of_day_equity=D("1"), drawdown_share_max=D("0.05")) == denies(
        "daily_loss", "EQUITY_UNKNOWN", equity="unknown"
    )


@pytest.mark.parametrize(("start", "seen"), [(None, "unknown"), ("0", "0"), ("-5", "-5")])
def test_a_start_of_day_without_a_positive_equity_denies(start: str | None, seen: str) -> None:
    assert check_daily_loss(
        equity=D("100"), start_of_day_equity=None if start is None else D(start), drawdown_share_max=D("0.05")
    ) == denies("daily_loss", "START_OF_DAY_EQUITY_UNKNOWN", equity="100", start_of_day_equity=seen)


def test_the_smallest_positive_start_of_day_is_a_start() -> None:
    assert check_daily_loss(equity=D("1"), start_of_day_equity=D("1"), drawdown_share_max=D("0.05")).code is None


def test_without_a_policy_no_loss_is_small_enough() -> None:
    assert check_daily_loss(equity=D("100"), start_of_day_equity=D("100"), drawdown_share_max=None) == denies(
        "daily_loss", "POLICY_UNKNOWN", equity="100", start_of_day_equity="100"
    )
