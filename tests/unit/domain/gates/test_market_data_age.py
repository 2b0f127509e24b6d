"""Gate: market-data age."""

from datetime import timedelta

from app.domain.gates.market_data_age import check_market_data_age
from tests.unit.domain.builders import MICROSECOND, NOW, ago, denies, make_quote, passes


def test_fresh_prices_pass() -> None:
    assert check_market_data_age(quote=make_quote(), now=NOW, age_seconds_max=5) == passes(
        "market_data_age", observed_at="2026-11-22T11:59:59+00:00", age_seconds="1", maximum_seconds="5"
    )


def test_exactly_the_maximum_age_passes_and_a_microsecond_more_is_stale() -> None:
    assert check_market_data_age(quote=make_quote(observed_at=ago(5)), now=NOW, age_seconds_max=5).code is None
    late = make_quote(observed_at=ago(5) - MICROSECOND)
    assert check_market_data_age(quote=late, now=NOW, age_seconds_max=5) == denies(
        "market_data_age",
        "MARKET_DATA_STALE",
        observed_at="2026-11-22T11:59:54.999999+00:00",
        age_seconds="5.000001",
        maximum_seconds="5",
    )


def test_prices_from_further_ahead_than_they_may_be_old_deny() -> None:
    ahead = NOW + timedelta(seconds=5)
    assert check_market_data_age(quote=make_quote(observed_at=ahead), now=NOW, age_seconds_max=5).code is None
    verdict = check_market_data_age(quote=make_quote(observed_at=ahead + MICROSECOND), now=NOW, age_seconds_max=5)
    assert (verdict.code, verdict.numbers["age_seconds"]) == ("MARKET_DATA_FROM_THE_FUTURE", "-5.000001")


def test_no_prices_deny() -> None:
    assert check_market_data_age(quote=None, now=NOW, age_seconds_max=5) == denies(
        "market_data_age", "MARKET_DATA_UNKNOWN", observed_at="unknown"
    )


def test_without_a_policy_no_age_is_fresh_enough() -> None:
    assert check_market_data_age(quote=make_quote(), now=NOW, age_seconds_max=None) == denies(
        "market_data_age",
        "POLICY_UNKNOWN",
        observed_at="2026-11-22T11:59:59+00:00",
        maximum_seconds="unknown",
    )
