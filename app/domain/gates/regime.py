"""Gate: is it known what kind of market this is?"""

from __future__ import annotations

from datetime import datetime

from app.domain.gates.ages import age_seconds
from app.domain.gates.verdicts import Verdict, denied, passed
from app.domain.regimes import MarketRegime

GATE = "regime"
REGIME_UNKNOWN = "REGIME_UNKNOWN"
REGIME_STALE = "REGIME_STALE"

# Candles are read every few minutes; a quarter of an hour without means that nobody reads them any more.
REGIME_AGE_SECONDS_MAX = 900


def check_regime(*, regime: MarketRegime | None, now: datetime) -> Verdict:
    """Deny while the regime is not known, or was read too long ago (exactly the limit passes).

    Size and stop follow from it: without it an entry would be made at a risk that nobody knows. Of what is known every
    regime passes; how much it leaves of the size is the sizing's.
    """
    if regime is None:
        return denied(GATE, REGIME_UNKNOWN, regime=None)
    age = age_seconds(regime.observed_at, now=now)
    if age > REGIME_AGE_SECONDS_MAX:
        return denied(
            GATE,
            REGIME_STALE,
            regime=regime.regime.value,
            age_seconds=age,
            maximum_seconds=REGIME_AGE_SECONDS_MAX,
        )
    return passed(
        GATE,
        regime=regime.regime.value,
        atr=regime.atr,
        of_usual=regime.usual,
        efficiency=regime.efficiency,
        age_seconds=age,
    )
