"""Gate: regime."""

from __future__ import annotations

import pytest

from app.domain.gates.regime import check_regime
from app.domain.gates.verdicts import Verdict
from app.domain.regimes import MarketRegime, Regime
from tests.unit.domain.builders import MICROSECOND, NOW, ago, denies, make_regime, passes


def check(regime: MarketRegime | None) -> Verdict:
    return check_regime(regime=regime, now=NOW)


def test_a_regime_read_a_minute_ago_passes_with_what_it_was_read_from() -> None:
    assert check(make_regime()) == passes(
        "regime", regime="NORMAL_VOL", atr="1500", of_usual="1", efficiency="0.3", age_seconds="60"
    )


@pytest.mark.parametrize("regime", list(Regime))
def test_every_regime_that_is_known_passes(regime: Regime) -> None:
    assert check(make_regime(regime=regime)).passed


def test_not_knowing_denies() -> None:
    assert check(None) == denies("regime", "REGIME_UNKNOWN", regime="unknown")


def test_exactly_the_age_passes_and_a_microsecond_more_denies() -> None:
    assert check(make_regime(observed_at=ago(900))).passed
    assert check(make_regime(observed_at=ago(900) - MICROSECOND)) == denies(
        "regime", "REGIME_STALE", regime="NORMAL_VOL", age_seconds="900.000001", maximum_seconds="900"
    )
