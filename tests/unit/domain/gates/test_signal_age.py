"""Gate: signal age."""

from datetime import datetime, timedelta

import pytest

from app.domain.gates.signal_age import check_signal_age
from app.domain.gates.verdicts import Verdict
from tests.unit.domain.builders import MICROSECOND, NOW, ago, denies, passes

LATER = NOW + timedelta(hours=1)
NOON = "2026-11-22T12:00:00+00:00"


def check(
    generated_at: datetime, *, expires_at: datetime = LATER, maximum: int | None = 30, attempt_number: int = 1
) -> Verdict:
    return check_signal_age(
        generated_at=generated_at,
        expires_at=expires_at,
        now=NOW,
        age_seconds_max=maximum,
        attempt_number=attempt_number,
    )


def test_a_fresh_signal_passes() -> None:
    assert check(ago(2)) == passes(
        "signal_age", age_seconds="2", maximum_seconds="30", expires_at="2026-11-22T13:00:00+00:00"
    )


def test_exactly_the_maximum_age_passes_and_a_microsecond_more_is_too_old() -> None:
    assert check(ago(30)).code is None
    assert check(ago(30) - MICROSECOND) == denies(
        "signal_age",
        "SIGNAL_TOO_OLD",
        age_seconds="30.000001",
        maximum_seconds="30",
        expires_at="2026-11-22T13:00:00+00:00",
        now=NOON,
    )


def test_exactly_its_time_to_live_passes_and_a_microsecond_more_is_expired() -> None:
    assert check(ago(2), expires_at=NOW).code is None
    assert check(ago(2), expires_at=NOW - MICROSECOND) == denies(
        "signal_age",
        "SIGNAL_EXPIRED",
        age_seconds="2",
        maximum_seconds="30",
        expires_at="2026-11-22T11:59:59.999999+00:00",
        now=NOON,
    )


def test_a_clock_five_seconds_ahead_passes_and_a_microsecond_more_is_from_the_future() -> None:
    assert check(NOW + timedelta(seconds=5)).code is None
    verdict = check(NOW + timedelta(seconds=5) + MICROSECOND)
    assert verdict.code == "SIGNAL_FROM_THE_FUTURE"
    assert verdict.numbers["age_seconds"] == "-5.000001"


@pytest.mark.parametrize("attempt_number", [2, 3, 4])
def test_a_chase_has_sixty_seconds_more_and_not_a_microsecond_beyond(attempt_number: int) -> None:
    in_time = check(ago(90), expires_at=ago(60), attempt_number=attempt_number)
    assert (in_time.code, in_time.numbers["maximum_seconds"]) == (None, "90")
    late = check(ago(90) - MICROSECOND, expires_at=ago(60), attempt_number=attempt_number)
    assert (late.code, late.numbers["maximum_seconds"]) == ("SIGNAL_TOO_OLD", "90")
    expired = check(ago(90), expires_at=ago(60) - MICROSECOND, attempt_number=attempt_number)
    assert expired.code == "SIGNAL_EXPIRED"


def test_without_a_policy_the_age_cannot_be_judged() -> None:
    assert check(ago(2), maximum=None) == denies(
        "signal_age", "POLICY_UNKNOWN", generated_at="2026-11-22T11:59:58+00:00", maximum_seconds="unknown"
    )
