"""Trigger: do the open positions stand to lose as much as they may?"""

from __future__ import annotations

from datetime import datetime

from app.domain.market import AccountSnapshot
from app.domain.money import ZERO, exactly
from app.domain.policy import Policy
from app.domain.triggers.freshness import is_stale
from app.domain.triggers.readings import POLICY_UNKNOWN, Reading, Sight, fired_if, reading

TRIGGER = "OPEN_LOSS"


def read_open_loss(*, account: AccountSnapshot | None, policy: Policy | None, now: datetime) -> Reading:
    """Fires once the unrealised loss is the policy's share of the wallet, which is the equity without it. USDT.

    With an empty wallet any loss is too much.
    """
    if policy is None:
        return reading(TRIGGER, Sight.UNKNOWN, why=POLICY_UNKNOWN)
    if account is None or is_stale(account, policy, now=now):
        told_at = None if account is None else account.observed_at
        return reading(TRIGGER, Sight.UNKNOWN, why="ACCOUNT_UNKNOWN", observed_at=told_at)
    loss = max(ZERO, -account.unrealised_pnl)
    maximum = exactly(policy.open_loss_share_max, "*", max(ZERO, account.wallet_balance))
    return fired_if(
        loss > ZERO and loss >= maximum, TRIGGER, loss=loss, maximum=maximum, wallet_balance=account.wallet_balance
    )
