"""Trigger: has the day cost as much as it may?"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from app.domain.market import AccountSnapshot
from app.domain.money import ZERO, exactly
from app.domain.policy import Policy
from app.domain.triggers.freshness import is_stale
from app.domain.triggers.readings import POLICY_UNKNOWN, Reading, Sight, fired_if, reading

TRIGGER = "DAILY_DRAWDOWN"


def read_daily_drawdown(
    *, account: AccountSnapshot | None, start_of_day_equity: Decimal | None, policy: Policy | None, now: datetime
) -> Reading:
    """Fires once equity lies below the day's first by the policy's share of it; exactly that far fires. USDT."""
    if policy is None:
        return reading(TRIGGER, Sight.UNKNOWN, why=POLICY_UNKNOWN)
    if account is None or is_stale(account, policy, now=now):
        told_at = None if account is None else account.observed_at
        return reading(TRIGGER, Sight.UNKNOWN, why="ACCOUNT_UNKNOWN", observed_at=told_at)
    if start_of_day_equity is None or start_of_day_equity <= ZERO:
        return reading(TRIGGER, Sight.UNKNOWN, why="START_OF_DAY_UNKNOWN", start_of_day_equity=start_of_day_equity)
    loss = exactly(start_of_day_equity, "-", account.equity)
    maximum = exactly(policy.daily_drawdown_share_max, "*", start_of_day_equity)
    return fired_if(
        loss >= maximum,
        TRIGGER,
        loss=loss,
        maximum=maximum,
        equity=account.equity,
        start_of_day_equity=start_of_day_equity,
    )
