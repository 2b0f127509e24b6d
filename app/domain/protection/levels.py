"""The levels of a position: its stop and its target, from volatility, regime and confidence; never widened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from types import MappingProxyType

from app.domain.market import SymbolRules
from app.domain.money import MONEY_CONTEXT, ONE, ZERO, ceil_to_step, exactly, floor_to_step
from app.domain.policy import Policy
from app.domain.regimes import MarketRegime, Regime
from app.domain.signals import Side

# A regime that is older says little about today; then the policy's own distance is used, which is the widest there is.
REGIME_AGE_MAX = timedelta(hours=6)
# At the policy's minimum confidence a stop is this much of the regime's distance, at certainty all of it.
CONFIDENCE_TIGHTENS_TO = Decimal("0.75")
# An entry may be filled a slippage away from where it was wanted: nearer than this and the stop would be hit at once.
STOP_SLIPPAGES_MIN = 2
# A trailing stop is moved in steps, as shares of the risk: every move costs a new order.
TRAIL_STEP_SHARE = Decimal("0.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeExits:
    """How positions are left in a regime: distances in ATR, `breakeven` in multiples of the risk, hours at most."""

    stop: Decimal
    target: Decimal
    breakeven: Decimal
    trailing: Decimal
    hours_max: int


def _exits(stop: str, target: str, breakeven: str, trailing: str, hours_max: int) -> RegimeExits:
    return RegimeExits(
        stop=Decimal(stop),
        target=Decimal(target),
        breakeven=Decimal(breakeven),
        trailing=Decimal(trailing),
        hours_max=hours_max,
    )


REGIME_EXITS: Mapping[Regime, RegimeExits] = MappingProxyType(
    {
        Regime.LOW_VOL: _exits("1.2", "3.5", "0.3", "1.8", 48),
        Regime.NORMAL_VOL: _exits("1.5", "3.0", "0.5", "2.0", 36),
        Regime.HIGH_VOL: _exits("2.0", "4.0", "0.8", "2.5", 24),
        Regime.EXTREME_VOL: _exits("2.5", "5.0", "1.0", "3.0", 12),
        Regime.TRENDING: _exits("1.8", "4.5", "0.4", "2.5", 72),
        Regime.RANGING: _exits("1.0", "2.0", "0.3", "1.5", 18),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """How one held position is to be left: the levels in force, and what they came from.

    `side` is the position's own (BUY: long). `risk` is the distance from entry to the first stop, the R of the other
    distances. `best_price` is the most favourable mark seen. `uncovered_since`: since when the exchange holds no stop
    for all of it. `closing_because`: it is being closed by a market order. Without `regime` the distance is the
    policy's own, because no recent regime was known.
    """

    symbol: str
    side: Side
    opened_at: datetime
    entry_price: Decimal
    regime: Regime | None
    confidence: Decimal
    risk: Decimal
    stop_price: Decimal
    target_price: Decimal
    best_price: Decimal
    expires_at: datetime
    updated_at: datetime
    breakeven_at: datetime | None = None
    uncovered_since: datetime | None = None
    closing_because: str | None = None
    alarmed_at: datetime | None = None
    refused_at: datetime | None = None
    refusal: str | None = None

    @property
    def exits(self) -> RegimeExits:
        """The regime's numbers; those of an ordinary market while none is known."""
        return REGIME_EXITS[self.regime or Regime.NORMAL_VOL]


def stop_distance_share(*, regime: MarketRegime | None, confidence: Decimal, policy: Policy) -> Decimal:
    """From the entry to the stop, as a share of its price: ATR by regime, tightened by confidence, within the policy.

    Never wider than `stop_distance_share`, and never so near that the slippage of the entry itself would hit it.
    """
    with localcontext(MONEY_CONTEXT):
        widest = policy.stop_distance_share
        nearest = min(policy.slippage_share_max * STOP_SLIPPAGES_MIN, widest)
        if regime is None:
            return widest
        by_range = regime.atr_share * REGIME_EXITS[regime.regime].stop
        tightened = by_range * confidence_factor(confidence=confidence, minimum=policy.confidence_minimum)
        return max(min(tightened, widest), nearest)


def confidence_factor(*, confidence: Decimal, minimum: Decimal) -> Decimal:
    """How much of the regime's distance a confidence earns: 0.75 at the policy's minimum and below, 1 at certainty."""
    if confidence >= ONE:
        return ONE
    if confidence <= minimum:
        return CONFIDENCE_TIGHTENS_TO
    with localcontext(MONEY_CONTEXT):
        progress = (confidence - minimum) / (ONE - minimum)
        return CONFIDENCE_TIGHTENS_TO + (ONE - CONFIDENCE_TIGHTENS_TO) * progress


def open_guard(
    *,
    symbol: str,
    side: Side,
    entry_price: Decimal,
    regime: MarketRegime | None,
    confidence: Decimal,
    policy: Policy,
    rules: SymbolRules,
    now: datetime,
) -> Guard:
    """The levels of a position that has just been opened."""
    known = regime if regime is not None and abs(now - regime.observed_at) <= REGIME_AGE_MAX else None
    share = stop_distance_share(regime=known, confidence=confidence, policy=policy)
    exits = REGIME_EXITS[known.regime if known is not None else Regime.NORMAL_VOL]
    with localcontext(MONEY_CONTEXT):
        risk = entry_price * share
        # In the proportion of the table, so that a stop that was tightened brings its target nearer too.
        target = risk * exits.target / exits.stop
    return Guard(
        symbol=symbol,
        side=side,
        opened_at=now,
        entry_price=entry_price,
        regime=None if known is None else known.regime,
        confidence=confidence,
        risk=risk,
        stop_price=_nearer(exactly(entry_price, "-", risk * side.sign), side, rules),
        target_price=_nearer(exactly(entry_price, "+", target * side.sign), side.opposite, rules),
        best_price=entry_price,
        expires_at=now + timedelta(hours=exits.hours_max),
        updated_at=now,
        uncovered_since=now,
    )


def with_more(guard: Guard, fresh: Guard) -> Guard:
    """The levels after the position was added to: those of the new average, but no level further away than it was."""
    nearer_stop = max if guard.side is Side.BUY else min
    nearer_target = min if guard.side is Side.BUY else max
    return replace(
        fresh,
        opened_at=guard.opened_at,
        stop_price=nearer_stop(guard.stop_price, fresh.stop_price),
        target_price=nearer_target(guard.target_price, fresh.target_price),
        best_price=nearer_stop(guard.best_price, fresh.best_price),
        expires_at=min(guard.expires_at, fresh.expires_at),
        breakeven_at=guard.breakeven_at,
        uncovered_since=guard.uncovered_since,
        closing_because=guard.closing_because,
        alarmed_at=guard.alarmed_at,
        refused_at=guard.refused_at,
        refusal=guard.refusal,
    )


def follow(guard: Guard, *, mark_price: Decimal, rules: SymbolRules, now: datetime) -> Guard:
    """The levels after the mark was seen: to breakeven, then trailing; the very same guard when nothing is worth it.

    The stop only ever moves towards the mark, and never beyond it.
    """
    sign = guard.side.sign
    with localcontext(MONEY_CONTEXT):
        gained = (mark_price - guard.best_price) * sign
        if gained <= ZERO:
            return guard
        profit = (mark_price - guard.entry_price) * sign
        exits = guard.exits
        trailing = mark_price - guard.risk * exits.trailing / exits.stop * sign
    is_even = guard.breakeven_at is None and profit >= guard.risk * exits.breakeven
    wanted = [guard.stop_price, _nearer(trailing, guard.side, rules)]
    if is_even or guard.breakeven_at is not None:
        wanted.append(_nearer(guard.entry_price, guard.side, rules))
    stop_price = max(wanted) if guard.side is Side.BUY else min(wanted)
    if not is_even and gained < guard.risk * TRAIL_STEP_SHARE:
        return guard
    return replace(
        guard,
        stop_price=stop_price,
        best_price=mark_price,
        breakeven_at=now if is_even else guard.breakeven_at,
        updated_at=now,
    )


def is_past(guard: Guard, price: Decimal) -> bool:
    """Whether a price has reached the stop."""
    return (price - guard.stop_price) * guard.side.sign <= ZERO


def _nearer(price: Decimal, side: Side, rules: SymbolRules) -> Decimal:
    """On the price grid, rounded towards the position's own way: up for what lies below a long one."""
    if not rules.tick_size:
        return price
    rounded = (ceil_to_step if side is Side.BUY else floor_to_step)(price, rules.tick_size)
    return max(rounded, rules.price_minimum, rules.tick_size)
