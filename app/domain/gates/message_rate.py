"""Gate: are we sending too many orders?"""

from __future__ import annotations

from app.domain.gates.policy_age import POLICY_UNKNOWN
from app.domain.gates.verdicts import Verdict, denied, passed

GATE = "message_rate"
MESSAGE_RATE_UNKNOWN = "MESSAGE_RATE_UNKNOWN"
MESSAGE_RATE_AT_MAXIMUM = "MESSAGE_RATE_AT_MAXIMUM"


def check_message_rate(*, entry_attempts_last_minute: int | None, maximum: int | None) -> Verdict:
    """Deny when as many entry attempts as the policy allows a minute were begun in the last sixty seconds.

    The one that makes exactly the maximum passes. This is the account owner's limit; the exchange's own is kept by the
    rate budget.
    """
    if entry_attempts_last_minute is None:
        return denied(GATE, MESSAGE_RATE_UNKNOWN, attempts_last_minute=None)
    if maximum is None:
        return denied(GATE, POLICY_UNKNOWN, attempts_last_minute=entry_attempts_last_minute, maximum=None)
    if entry_attempts_last_minute >= maximum:
        return denied(GATE, MESSAGE_RATE_AT_MAXIMUM, attempts_last_minute=entry_attempts_last_minute, maximum=maximum)
    return passed(GATE, attempts_last_minute=entry_attempts_last_minute, maximum=maximum)
