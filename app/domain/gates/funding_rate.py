"""Gate: is the funding rate ordinary?"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from app.domain.gates.ages import age_seconds
from app.domain.gates.policy_age import POLICY_UNKNOWN
from app.domain.gates.verdicts import Verdict, denied, passed
from app.domain.market import FundingRate

GATE = "funding_rate"
FUNDING_RATE_UNKNOWN = "FUNDING_RATE_UNKNOWN"
FUNDING_RATE_STALE = "FUNDING_RATE_STALE"
FUNDING_RATE_ABOVE_MAXIMUM = "FUNDING_RATE_ABOVE_MAXIMUM"

# The exchange re-estimates the rate every few seconds; five minutes without one means that nobody is listening.
FUNDING_AGE_SECONDS_MAX = 300
# From here on the verdict says so, although it passes.
FUNDING_RATE_ELEVATED_SHARE = Decimal("0.0005")


def check_funding_rate(*, funding: FundingRate | None, now: datetime, maximum: Decimal | None) -> Verdict:
    """Deny when the rate per eight hours is above the policy's maximum, whichever side pays; exactly that passes.

    The side that would be paid is denied as well: such a rate marks a market that is about to move against the crowd,
    and the rate of the next interval may have the other sign. Older than `FUNDING_AGE_SECONDS_MAX` is a denial
    (exactly that old passes): a stale rate is no evidence of a cheap one.
    """
    if funding is None or funding.interval_hours <= 0:
        return denied(GATE, FUNDING_RATE_UNKNOWN, rate_per_8h=None)
    if maximum is None:
        return denied(GATE, POLICY_UNKNOWN, rate_per_8h=funding.rate_per_8h, maximum=None)
    age = age_seconds(funding.observed_at, now=now)
    rate = funding.rate_per_8h
    if age > FUNDING_AGE_SECONDS_MAX:
        return denied(
            GATE, FUNDING_RATE_STALE, rate_per_8h=rate, age_seconds=age, maximum_seconds=FUNDING_AGE_SECONDS_MAX
        )
    if abs(rate) > maximum:
        return denied(GATE, FUNDING_RATE_ABOVE_MAXIMUM, rate_per_8h=rate, maximum=maximum, age_seconds=age)
    return passed(
        GATE,
        rate_per_8h=rate,
        maximum=maximum,
        age_seconds=age,
        elevated="yes" if abs(rate) > FUNDING_RATE_ELEVATED_SHARE else "no",
    )
