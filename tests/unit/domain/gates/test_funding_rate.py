"""Gate: funding rate."""

from decimal import Decimal

import pytest

from app.domain.gates.funding_rate import check_funding_rate
from app.domain.gates.verdicts import Verdict
from app.domain.market import FundingRate
from tests.unit.domain.builders import MICROSECOND, NOW, D, ago, denies, make_funding, passes


def check(funding: FundingRate | None, maximum: Decimal | None = Decimal("0.001")) -> Verdict:
    return check_funding_rate(funding=funding, now=NOW, maximum=maximum)


def test_an_ordinary_rate_passes() -> None:
    assert check(make_funding()) == passes(
        "funding_rate", rate_per_8h="0.0001", maximum="0.001", age_seconds="2", elevated="no"
    )


@pytest.mark.parametrize("sign", [1, -1])
def test_exactly_the_maximum_passes_and_one_unit_beyond_denies_whichever_side_pays(sign: int) -> None:
    assert check(make_funding(rate=D("0.001") * sign)).code is None
    rate = D("0.00100001") * sign
    assert check(make_funding(rate=rate)) == denies(
        "funding_rate", "FUNDING_RATE_ABOVE_MAXIMUM", rate_per_8h=str(rate), maximum="0.001", age_seconds="2"
    )


def test_rates_of_shorter_intervals_are_scaled_to_eight_hours() -> None:
    assert check(make_funding(rate=D("0.000125"), interval_hours=1)).numbers["rate_per_8h"] == "0.001"
    verdict = check(make_funding(rate=D("0.0005001"), interval_hours=4))
    assert (verdict.code, verdict.numbers["rate_per_8h"]) == ("FUNDING_RATE_ABOVE_MAXIMUM", "0.0010002")


@pytest.mark.parametrize("sign", [1, -1])
def test_a_rate_above_half_the_default_maximum_is_called_elevated(sign: int) -> None:
    assert check(make_funding(rate=D("0.0005") * sign)).numbers["elevated"] == "no"
    verdict = check(make_funding(rate=D("0.00050001") * sign))
    assert (verdict.code, verdict.numbers["elevated"]) == (None, "yes")


def test_exactly_five_minutes_old_passes_and_a_microsecond_more_is_stale() -> None:
    assert check(make_funding(observed_at=ago(300))).code is None
    assert check(make_funding(observed_at=ago(300) - MICROSECOND)) == denies(
        "funding_rate",
        "FUNDING_RATE_STALE",
        rate_per_8h="0.0001",
        age_seconds="300.000001",
        maximum_seconds="300",
    )


@pytest.mark.parametrize("funding", [None, make_funding(interval_hours=0), make_funding(interval_hours=-8)])
def test_an_unknown_rate_or_interval_denies(funding: FundingRate | None) -> None:
    assert check(funding) == denies("funding_rate", "FUNDING_RATE_UNKNOWN", rate_per_8h="unknown")


def test_an_interval_of_one_hour_is_an_interval() -> None:
    assert check(make_funding(rate=D("0.0001"), interval_hours=1)).code is None


def test_without_a_policy_there_is_no_maximum() -> None:
    assert check(make_funding(), maximum=None) == denies(
        "funding_rate", "POLICY_UNKNOWN", rate_per_8h="0.0001", maximum="unknown"
    )
