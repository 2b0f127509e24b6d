"""Trigger: did too many requests to the exchange go wrong in the last quarter of an hour (or the policy's window)?"""

from __future__ import annotations

from app.domain.policy import Policy
from app.domain.triggers.readings import POLICY_UNKNOWN, Reading, Sight, fired_if, reading

TRIGGER = "EXECUTION_ERRORS"


def read_execution_errors(*, troubled_attempts: int | None, policy: Policy | None) -> Reading:
    """Fires at the policy's number of attempts whose outcome was not known at some time, whatever it was in the end.

    What the exchange refused outright is no such error: that is what repeated rejections are about.
    """
    if policy is None:
        return reading(TRIGGER, Sight.UNKNOWN, why=POLICY_UNKNOWN)
    if troubled_attempts is None:
        return reading(TRIGGER, Sight.UNKNOWN, why="ATTEMPTS_UNKNOWN")
    return fired_if(
        troubled_attempts >= policy.execution_errors_max,
        TRIGGER,
        errors=troubled_attempts,
        maximum=policy.execution_errors_max,
        window_seconds=policy.execution_error_window_seconds,
    )
