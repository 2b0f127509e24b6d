"""Trigger: is something held whose price has not been heard of for too long?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from app.domain.gates.ages import age_seconds
from app.domain.policy import Policy
from app.domain.triggers.facts import HeldMarket
from app.domain.triggers.readings import POLICY_UNKNOWN, Number, Reading, Sight, fired_if, reading

TRIGGER = "STALE_MARKET_DATA"


def read_stale_market(*, held: Sequence[HeldMarket] | None, policy: Policy | None, now: datetime) -> Reading:
    """Fires once the newest price of a held symbol is older than the policy's seconds; flat, nothing can be stale.

    A symbol without any price counts from when it was first missed; until then it is not known, which is not healthy.
    """
    if policy is None:
        return reading(TRIGGER, Sight.UNKNOWN, why=POLICY_UNKNOWN)
    if held is None:
        return reading(TRIGGER, Sight.UNKNOWN, why="POSITIONS_UNKNOWN")
    if not held:
        return reading(TRIGGER, Sight.CLEAR, held=0)
    ages = [(_age(each, now=now), each) for each in held]
    age, oldest = max(ages, key=lambda pair: pair[0])
    maximum = policy.stale_market_seconds_max
    numbers: dict[str, Number] = {"held": len(held), "symbol": oldest.symbol, "age_seconds": age}
    numbers["maximum_seconds"] = maximum
    if age <= maximum and any(each.observed_at is None for each in held):
        return reading(TRIGGER, Sight.UNKNOWN, why="PRICE_MISSING", **numbers)
    return fired_if(age > maximum, TRIGGER, **numbers)


def _age(market: HeldMarket, *, now: datetime) -> Decimal:
    return age_seconds(market.observed_at or market.missing_since or now, now=now)
