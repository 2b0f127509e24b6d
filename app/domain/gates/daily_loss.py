"""Gate: has the day already cost enough?"""

from __future__ import annotations

from decimal import Decimal

from app.domain.gates.policy_age import POLICY_UNKNOWN
from app.domain.gates.verdicts import Verdict, denied, passed
from app.domain.money import ZERO, exactly

GATE = "daily_loss"
EQUITY_UNKNOWN = "EQUITY_UNKNOWN"
START_OF_DAY_EQUITY_UNKNOWN = "START_OF_DAY_EQUITY_UNKNOWN"
DAILY_LOSS_ABOVE_MAXIMUM = "DAILY_LOSS_ABOVE_MAXIMUM"


def check_daily_loss(
    *, equity: Decimal | None, start_of_day_equity: Decimal | None, drawdown_share_max: Decimal | None
) -> Verdict:
    """Deny once equity lies further below the day's first than the policy's share of it; exactly that far passes.

    USDT. A start-of-day equity that is not positive gives no share to compare with and counts as unknown.
    """
    if equity is None:
        return denied(GATE, EQUITY_UNKNOWN, equity=None)
    if start_of_day_equity is None or start_of_day_equity <= ZERO:
        return denied(GATE, START_OF_DAY_EQUITY_UNKNOWN, equity=equity, start_of_day_equity=start_of_day_equity)
    if drawdown_share_max is None:
        return denied(GATE, POLICY_UNKNOWN, equity=equity, start_of_day_equity=start_of_day_equity)
    loss = exactly(start_of_day_equity, "-", equity)
    maximum = exactly(drawdown_share_max, "*", start_of_day_equity)
    if loss > maximum:
        return denied(
            GATE,
            DAILY_LOSS_ABOVE_MAXIMUM,
            equity=equity,
            start_of_day_equity=start_of_day_equity,
            loss=loss,
            maximum=maximum,
        )
    return passed(GATE, equity=equity, start_of_day_equity=start_of_day_equity, loss=loss, maximum=maximum)
