"""Whether the exchange's figures of the account are recent enough to conclude anything from."""

from __future__ import annotations

from datetime import datetime

from app.domain.gates.ages import age_seconds
from app.domain.market import AccountSnapshot
from app.domain.policy import Policy


def is_stale(account: AccountSnapshot, policy: Policy, *, now: datetime) -> bool:
    """Older than entries may be judged by; exactly that old is recent enough."""
    return age_seconds(account.observed_at, now=now) > policy.account_age_seconds_max
