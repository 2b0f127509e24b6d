"""Regimes read from candles: each market that is one is called by its name, and a market that nobody knows by none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.regimes import ATR_PLACES, CANDLES_MIN, SIZE_FACTORS, Candle, MarketRegime, Regime, read_regime
from tests.unit.domain.builders import NOW, D


def candles(moves: Sequence[str | int], *, first: str = "1000", wick: str = "0") -> list[Candle]:
    """One candle a move, each from where the last ended, with a wick on either side."""
    found: list[Candle] = []
    price = D(first)
    for number, move in enumerate(moves):
        after = price + D(move)
        opened_at = NOW + timedelta(hours=number - len(moves))
        found.append(
            Candle(
                opened_at=opened_at,
                closes_at=opened_at + timedelta(hours=1),
                open=price,
                high=max(price, after) + D(wick),
                low=min(price, after) - D(wick),
                close=after,
            )
        )
        price = after
    return found


def read(found: Sequence[Candle]) -> MarketRegime | None:
    return read_regime("BTCUSDT", found, interval="1h", observed_at=NOW)


# Up four, down three: goes somewhere, but not straight.
ORDINARY = [4, -3] * 40
BACK_AND_FORTH = [4, -4] * 40


@pytest.mark.parametrize(
    ("moves", "regime"),
    [
        (ORDINARY, Regime.NORMAL_VOL),
        (BACK_AND_FORTH, Regime.RANGING),
        ([*BACK_AND_FORTH[:60], *[4] * 20], Regime.TRENDING),
        ([*BACK_AND_FORTH[:60], *[-4] * 20], Regime.TRENDING),
        ([*ORDINARY[:60], *[9, -8] * 10], Regime.HIGH_VOL),
        ([*ORDINARY[:60], *[30, -29] * 10], Regime.EXTREME_VOL),
        # A storm is a storm, whichever way it blows.
        ([*ORDINARY[:60], *[30] * 20], Regime.EXTREME_VOL),
        ([*ORDINARY[:50], *["1", "-0.75"] * 20], Regime.LOW_VOL),
    ],
)
def test_a_market_is_called_by_its_name(moves: Sequence[str | int], regime: Regime) -> None:
    found = read(candles(moves))
    assert found is not None
    assert found.regime is regime, found


def test_the_range_counts_wicks_and_gaps() -> None:
    flat = candles([0] * 60, wick="5")
    found = read(flat)
    assert found is not None
    assert (found.atr, found.close, found.atr_share) == (D(10), D(1000), D("0.01"))
    jumped = [*flat[:-1], replace(flat[-1], open=D(1100), high=D(1105), low=D(1095), close=D(1100))]
    wider = read(jumped)
    assert wider is not None
    assert wider.atr == ((D(10) * 13 + D(105)) / 14).quantize(ATR_PLACES), "from the close before, not from its own low"


def test_too_few_candles_say_nothing() -> None:
    enough = candles(ORDINARY)[:CANDLES_MIN]
    assert read(enough) is not None
    assert read(enough[1:]) is None
    assert read([]) is None


def test_candles_that_make_no_sense_say_nothing() -> None:
    whole = candles(ORDINARY)
    for odd in ({"low": D(0)}, {"high": D(1)}, {"low": D(5000)}):
        assert read([*whole[:-1], replace(whole[-1], **odd)]) is None
    assert read(candles([0] * 60)) is None, "a market that does not move at all"


@given(st.lists(st.decimals(Decimal("-0.02"), Decimal("0.02"), places=4), min_size=CANDLES_MIN, max_size=99))
def test_the_regime_does_not_depend_on_the_size_of_the_price(shares: list[Decimal]) -> None:
    def walk(price: Decimal) -> list[Candle]:
        found = []
        for share in shares:
            after = price * (1 + share)
            ends = {"open": price, "close": after, "high": max(price, after), "low": min(price, after)}
            found.append(replace(candles([1])[0], **ends))
            price = after
        return found

    small, large = read(walk(D(1))), read(walk(D(1000)))
    assert (small is None) == (large is None)
    if small is not None and large is not None:
        assert small.regime is large.regime
        assert abs(small.usual - large.usual) < D("0.0001")


def test_no_regime_is_a_reason_to_risk_more() -> None:
    assert set(SIZE_FACTORS) == set(Regime)
    assert all(0 < factor <= 1 for factor in SIZE_FACTORS.values())
    assert SIZE_FACTORS[Regime.EXTREME_VOL] < SIZE_FACTORS[Regime.HIGH_VOL] < SIZE_FACTORS[Regime.NORMAL_VOL]
