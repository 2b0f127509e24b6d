"""Gate: account age."""

from app.domain.gates.account_age import check_account_age
from tests.unit.domain.builders import MICROSECOND, NOW, ago, denies, make_account, passes


def test_exactly_the_maximum_age_passes_and_a_microsecond_more_denies() -> None:
    assert check_account_age(account=make_account(observed_at=ago(60)), now=NOW, age_seconds_max=60) == passes(
        "account_age", observed_at="2026-11-22T11:59:00+00:00", age_seconds="60", maximum_seconds="60"
    )
    late = make_account(observed_at=ago(60) - MICROSECOND)
    assert check_account_age(account=late, now=NOW, age_seconds_max=60) == denies(
        "account_age",
        "ACCOUNT_STALE",
        observed_at="2026-11-22T11:58:59.999999+00:00",
        age_seconds="60.000001",
        maximum_seconds="60",
    )


def test_an_account_nobody_has_asked_for_denies() -> None:
    assert check_account_age(account=None, now=NOW, age_seconds_max=60) == denies(
        "account_age", "ACCOUNT_UNKNOWN", observed_at="unknown"
    )


def test_without_a_policy_no_age_is_fresh_enough() -> None:
    assert check_account_age(account=make_account(), now=NOW, age_seconds_max=None) == denies(
        "account_age", "POLICY_UNKNOWN", observed_at="2026-11-22T11:59:55+00:00", maximum_seconds="unknown"
    )
