"""Gate: is the signal still about the present?"""

from __future__ import annotations

from datetime import datetime

from app.domain.gates.ages import age_seconds
from app.domain.gates.policy_age import POLICY_UNKNOWN
from app.domain.gates.verdicts import Verdict, denied, passed

GATE = "signal_age"
SIGNAL_TOO_OLD = "SIGNAL_TOO_OLD"
SIGNAL_EXPIRED = "SIGNAL_EXPIRED"
SIGNAL_FROM_THE_FUTURE = "SIGNAL_FROM_THE_FUTURE"

# How far a producer's clock may run ahead of ours before its times mean nothing.
CLOCK_SKEW_SECONDS_MAX = 5
# A chase carries on a decision that was taken in time, so the signal may have aged since; but only by what three
# attempts and the resolution of an unknown one take. A chase found after an outage is a new decision nobody took.
CHASE_SECONDS_MAX = 60


def check_signal_age(
    *,
    generated_at: datetime,
    expires_at: datetime,
    now: datetime,
    age_seconds_max: int | None,
    attempt_number: int,
) -> Verdict:
    """Deny a signal that is too old for the policy or past its own time to live.

    Exactly the maximum age passes, exactly at `expires_at` passes; a chase (attempt 2 and later) has
    `CHASE_SECONDS_MAX` more of both.
    """
    if age_seconds_max is None:
        return denied(GATE, POLICY_UNKNOWN, generated_at=generated_at, maximum_seconds=None)
    allowance = CHASE_SECONDS_MAX if attempt_number > 1 else 0
    age = age_seconds(generated_at, now=now)
    overdue = age_seconds(expires_at, now=now)
    code = None
    if age < -CLOCK_SKEW_SECONDS_MAX:
        code = SIGNAL_FROM_THE_FUTURE
    elif age > age_seconds_max + allowance:
        code = SIGNAL_TOO_OLD
    elif overdue > allowance:
        code = SIGNAL_EXPIRED
    if code is not None:
        return denied(
            GATE, code, age_seconds=age, maximum_seconds=age_seconds_max + allowance, expires_at=expires_at, now=now
        )
    return passed(GATE, age_seconds=age, maximum_seconds=age_seconds_max + allowance, expires_at=expires_at)
