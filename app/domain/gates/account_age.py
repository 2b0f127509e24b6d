"""Gate: do we know what the account holds?"""

from __future__ import annotations

from datetime import datetime

from app.domain.gates.ages import age_seconds
from app.domain.gates.policy_age import POLICY_UNKNOWN
from app.domain.gates.verdicts import Verdict, denied, passed
from app.domain.market import AccountSnapshot

GATE = "account_age"
ACCOUNT_UNKNOWN = "ACCOUNT_UNKNOWN"
ACCOUNT_STALE = "ACCOUNT_STALE"


def check_account_age(*, account: AccountSnapshot | None, now: datetime, age_seconds_max: int | None) -> Verdict:
    """Deny when the exchange's account figures are missing or older than the policy allows; exactly that old passes.

    The gates of daily loss, exposure and margin compare with these figures and rely on this one for their age.
    """
    if account is None:
        return denied(GATE, ACCOUNT_UNKNOWN, observed_at=None)
    if age_seconds_max is None:
        return denied(GATE, POLICY_UNKNOWN, observed_at=account.observed_at, maximum_seconds=None)
    age = age_seconds(account.observed_at, now=now)
    if age > age_seconds_max:
        return denied(
            GATE, ACCOUNT_STALE, observed_at=account.observed_at, age_seconds=age, maximum_seconds=age_seconds_max
        )
    return passed(GATE, observed_at=account.observed_at, age_seconds=age, maximum_seconds=age_seconds_max)
