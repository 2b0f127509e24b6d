"""Gate: policy age."""

from app.domain.gates.policy_age import check_policy_age
from tests.unit.domain.builders import MICROSECOND, NOW, ago, denies, make_policy, make_policy_version, passes


def test_a_policy_just_read_passes() -> None:
    assert check_policy_age(policy=make_policy_version(), now=NOW) == passes(
        "policy_age", version="7", age_seconds="3", maximum_seconds="600"
    )


def test_exactly_the_maximum_age_passes_and_a_microsecond_more_denies() -> None:
    policy = make_policy(policy_age_seconds_max=10)
    assert check_policy_age(policy=make_policy_version(policy, loaded_at=ago(10)), now=NOW).code is None
    late = make_policy_version(policy, loaded_at=ago(10) - MICROSECOND)
    assert check_policy_age(policy=late, now=NOW) == denies(
        "policy_age", "POLICY_TOO_OLD", version="7", age_seconds="10.000001", maximum_seconds="10"
    )


def test_no_policy_denies() -> None:
    assert check_policy_age(policy=None, now=NOW) == denies("policy_age", "POLICY_UNKNOWN", version="unknown")
