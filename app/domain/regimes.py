"""The regime of a market, read from its candles: how far it moves, and whether it goes somewhere; pure arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType

from app.domain.money import MONEY_CONTEXT, ONE, ZERO

ATR_CANDLES = 14  # Wilder's average true range, in its usual length
USUAL_CANDLES_MIN = 24  # what "usual" means needs at least this many ranges beside the newest ones
CANDLES_MIN = ATR_CANDLES + USUAL_CANDLES_MIN + 1  # a true range needs the close before
ATR_PLACES = Decimal("0.00000001")

# The average true range of now against its own median: half of the usual is calm, three times the usual is a storm.
LOW_VOL_BELOW = Decimal("0.60")
HIGH_VOL_FROM = Decimal("1.60")
EXTREME_VOL_FROM = Decimal("2.80")
# Kaufman's efficiency ratio over the ATR's length: the way gained by the way gone, 1 is a straight line.
TRENDING_FROM = Decimal("0.50")
RANGING_BELOW = Decimal("0.12")


class Regime(StrEnum):
    """What kind of market it is; decides how exits are placed and how much is risked."""

    LOW_VOL = "LOW_VOL"
    NORMAL_VOL = "NORMAL_VOL"
    HIGH_VOL = "HIGH_VOL"
    EXTREME_VOL = "EXTREME_VOL"
    TRENDING = "TRENDING"
    RANGING = "RANGING"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candle:
    """One candle as the exchange gives it; prices in quote. `closes_at` may lie ahead: it is still being made then."""

    opened_at: datetime
    closes_at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketRegime:
    """A symbol's regime and what it was read from. `atr` is a distance in price; `observed_at` when we asked.

    `usual` is the ATR of now divided by the median of all of them, `efficiency` the way gained by the way gone.
    """

    symbol: str
    regime: Regime
    atr: Decimal
    close: Decimal
    usual: Decimal
    efficiency: Decimal
    candles: int
    interval: str
    observed_at: datetime

    @property
    def atr_share(self) -> Decimal:
        """The average true range as a share of the price."""
        with localcontext(MONEY_CONTEXT):
            return self.atr / self.close


# What a regime leaves of the risk budget. Never above one: a regime is a reason to risk less, not more.
SIZE_FACTORS: Mapping[Regime, Decimal] = MappingProxyType(
    {
        Regime.LOW_VOL: ONE,
        Regime.NORMAL_VOL: ONE,
        Regime.TRENDING: ONE,
        Regime.RANGING: Decimal("0.8"),
        Regime.HIGH_VOL: Decimal("0.6"),
        Regime.EXTREME_VOL: Decimal("0.3"),
    }
)


def read_regime(symbol: str, candles: Sequence[Candle], *, interval: str, observed_at: datetime) -> MarketRegime | None:
    """The regime of candles in order of time, the newest last; None when they are too few or make no sense.

    Volatility comes first: a storm is a storm, whichever way it blows. Only in ordinary weather it counts whether the
    market trends or ranges.
    """
    if len(candles) < CANDLES_MIN or any(not _is_sound(each) for each in candles):
        return None
    with localcontext(MONEY_CONTEXT):
        atrs = _average_true_ranges(candles)
        atr, close = atrs[-1], candles[-1].close
        # As shares of the price: a coin that has doubled is not more volatile for it.
        shares = [each / candle.close for each, candle in zip(atrs, candles[-len(atrs) :], strict=True)]
        median = _median(shares)
        if not atr or not median:
            return None  # a market that does not move at all is one that nobody makes
        usual = shares[-1] / median
        efficiency = _efficiency([each.close for each in candles[-ATR_CANDLES - 1 :]])
        return MarketRegime(
            symbol=symbol,
            regime=_named(usual, efficiency),
            atr=atr.quantize(ATR_PLACES),
            close=close,
            usual=usual.quantize(ATR_PLACES),
            efficiency=efficiency.quantize(ATR_PLACES),
            candles=len(candles),
            interval=interval,
            observed_at=observed_at,
        )


def _is_sound(candle: Candle) -> bool:
    return ZERO < candle.low <= min(candle.open, candle.close) and max(candle.open, candle.close) <= candle.high


def _average_true_ranges(candles: Sequence[Candle]) -> list[Decimal]:
    """Wilder's ATR after each candle from the first that has one: a mean, then smoothed."""
    ranges = [
        max(each.high - each.low, abs(each.high - before.close), abs(each.low - before.close))
        for before, each in pairwise(candles)
    ]
    found = [sum(ranges[:ATR_CANDLES], ZERO) / ATR_CANDLES]
    for each in ranges[ATR_CANDLES:]:
        found.append((found[-1] * (ATR_CANDLES - 1) + each) / ATR_CANDLES)
    return found


def _efficiency(closes: Sequence[Decimal]) -> Decimal:
    gone = sum((abs(after - before) for before, after in pairwise(closes)), ZERO)
    return abs(closes[-1] - closes[0]) / gone if gone else ZERO


def _median(values: Sequence[Decimal]) -> Decimal:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _named(usual: Decimal, efficiency: Decimal) -> Regime:
    if usual >= EXTREME_VOL_FROM:
        return Regime.EXTREME_VOL
    if usual >= HIGH_VOL_FROM:
        return Regime.HIGH_VOL
    if efficiency >= TRENDING_FROM:
        return Regime.TRENDING
    if usual < LOW_VOL_BELOW:
        return Regime.LOW_VOL
    return Regime.RANGING if efficiency < RANGING_BELOW else Regime.NORMAL_VOL
