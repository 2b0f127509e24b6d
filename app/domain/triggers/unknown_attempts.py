"""Trigger: has the outcome of an attempt been open for too long?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from app.domain.gates.ages import age_seconds
from app.domain.orders import Attempt
from app.domain.policy import Policy
from app.domain.triggers.readings import POLICY_UNKNOWN, Reading, Sight, fired_if, reading

TRIGGER = "UNKNOWN_TOO_LONG"


def read_unknown_attempts(*, open_attempts: Sequence[Attempt] | None, policy: Policy | None, now: datetime) -> Reading:
    """Fires once an attempt, exits included, is SENDING or UNKNOWN for longer than the policy's seconds."""
    if policy is None:
        return reading(TRIGGER, Sight.UNKNOWN, why=POLICY_UNKNOWN)
    if open_attempts is None:
        return reading(TRIGGER, Sight.UNKNOWN, why="ATTEMPTS_UNKNOWN")
    if not open_attempts:
        return reading(TRIGGER, Sight.CLEAR, open=0)
    oldest = min(open_attempts, key=lambda attempt: attempt.begun_at)
    age = age_seconds(oldest.begun_at, now=now)
    return fired_if(
        age > policy.unknown_seconds_max,
        TRIGGER,
        open=len(open_attempts),
        client_order_id=oldest.client_order_id,
        age_seconds=age,
        maximum_seconds=policy.unknown_seconds_max,
    )
