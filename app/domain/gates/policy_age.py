"""Gate: is there a policy, and was it read recently enough?"""

from __future__ import annotations

from datetime import datetime

from app.domain.gates.ages import age_seconds
from app.domain.gates.verdicts import Verdict, denied, passed
from app.domain.policy import PolicyVersion

GATE = "policy_age"
# Every gate whose limit the policy would have given answers this code when there is no policy.
POLICY_UNKNOWN = "POLICY_UNKNOWN"
POLICY_TOO_OLD = "POLICY_TOO_OLD"


def check_policy_age(*, policy: PolicyVersion | None, now: datetime) -> Verdict:
    """Deny without a policy, or with one read longer ago than it allows itself; exactly that old passes."""
    if policy is None:
        return denied(GATE, POLICY_UNKNOWN, version=None)
    age = age_seconds(policy.loaded_at, now=now)
    maximum = policy.policy.policy_age_seconds_max
    if age > maximum:
        return denied(GATE, POLICY_TOO_OLD, version=policy.version, age_seconds=age, maximum_seconds=maximum)
    return passed(GATE, version=policy.version, age_seconds=age, maximum_seconds=maximum)
