"""Gate: are the prices fresh enough to decide on?"""

from __future__ import annotations

from datetime import datetime

from app.domain.gates.ages import age_seconds
from app.domain.gates.policy_age import POLICY_UNKNOWN
from app.domain.gates.verdicts import Verdict, denied, passed
from app.domain.market import Quote

GATE = "market_data_age"
MARKET_DATA_UNKNOWN = "MARKET_DATA_UNKNOWN"
MARKET_DATA_STALE = "MARKET_DATA_STALE"
MARKET_DATA_FROM_THE_FUTURE = "MARKET_DATA_FROM_THE_FUTURE"


def check_market_data_age(*, quote: Quote | None, now: datetime, age_seconds_max: int | None) -> Verdict:
    """Deny prices older than the policy allows; exactly that old passes.

    Prices stamped further ahead of us than they may lie behind are denied too: with clocks that far apart nobody knows
    how old they are.
    """
    if quote is None:
        return denied(GATE, MARKET_DATA_UNKNOWN, observed_at=None)
    if age_seconds_max is None:
        return denied(GATE, POLICY_UNKNOWN, observed_at=quote.observed_at, maximum_seconds=None)
    age = age_seconds(quote.observed_at, now=now)
    code = None
    if age > age_seconds_max:
        code = MARKET_DATA_STALE
    elif age < -age_seconds_max:
        code = MARKET_DATA_FROM_THE_FUTURE
    if code is not None:
        return denied(GATE, code, observed_at=quote.observed_at, age_seconds=age, maximum_seconds=age_seconds_max)
    return passed(GATE, observed_at=quote.observed_at, age_seconds=age, maximum_seconds=age_seconds_max)
