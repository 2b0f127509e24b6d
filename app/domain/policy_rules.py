"""What a policy must be to be taken on: every number within its range, and no two that contradict each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.domain.money import ZERO
from app.domain.policy import Policy

SYMBOLS_DENIED_MAX = 1_000
DECIMAL_PLACES_MAX = 12
_SYMBOL = re.compile(r"[A-Z0-9_-]{2,40}")

OUT_OF_RANGE = "out_of_range"
CONTRADICTION = "contradiction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a policy cannot be taken on: the field to look at, a code, and a sentence."""

    field: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """From `low` to `high`, both included; with `above` the low end itself is not."""

    low: Decimal
    high: Decimal
    above: bool = False

    def holds(self, value: Decimal | int) -> bool:
        """Whether the value lies within, and is not finer than anything here is measured."""
        if isinstance(value, Decimal) and int(value.as_tuple().exponent) < -DECIMAL_PLACES_MAX:
            return False
        return (self.low < value if self.above else self.low <= value) and value <= self.high

    def __str__(self) -> str:
        return f"{'above' if self.above else 'from'} {self.low} to {self.high}"


def _above_zero(high: str) -> Range:
    return Range(low=ZERO, high=Decimal(high), above=True)


def _whole(low: int, high: int) -> Range:
    return Range(low=Decimal(low), high=Decimal(high))


# A limit on everything, limits included: what lies outside is a slip of the finger, not a wish.
RANGES: Mapping[str, Range] = {
    "leverage_max": Range(low=Decimal(1), high=Decimal(125)),
    "risk_per_trade_share": _above_zero("0.10"),
    "daily_drawdown_share_max": _above_zero("0.50"),
    "open_loss_share_max": _above_zero("0.50"),
    "open_positions_max": _whole(1, 500),
    "position_notional_max": _above_zero("10000000"),
    "confidence_minimum": Range(low=ZERO, high=Decimal(1)),
    "size_factor": _above_zero("10"),
    "net_exposure_share_max": _above_zero("125"),
    "gross_exposure_share_max": _above_zero("125"),
    "slippage_share_max": _above_zero("0.05"),
    "price_drift_share_max": _above_zero("0.10"),
    "spread_share_max": _above_zero("0.05"),
    "stop_distance_share": _above_zero("0.50"),
    "funding_rate_share_max": _above_zero("0.01"),
    "signal_age_seconds_max": _whole(1, 3_600),
    "market_data_age_seconds_max": _whole(1, 60),
    "account_age_seconds_max": _whole(1, 600),
    "policy_age_seconds_max": _whole(10, 3_600),  # longer than the cache lives
    "duplicate_cool_off_seconds": _whole(0, 86_400),
    "orders_per_minute_max": _whole(1, 1_200),
    "unknown_seconds_max": _whole(5, 600),  # longer than the proof that a request was never accepted takes
    "execution_errors_max": _whole(1, 1_000),
    "execution_error_window_seconds": _whole(60, 86_400),
    "rejections_in_a_row_max": _whole(2, 1_000),
    "stale_market_seconds_max": _whole(5, 600),
    "ess_cooldown_seconds": _whole(1, 86_400),
    "symbol_losses_max": _whole(1, 1_000),
    "symbol_pause_seconds": _whole(0, 86_400),
    "strategy_executions_max": _whole(1, 100_000),
    "strategy_executions_window_seconds": _whole(1, 86_400),
}

# (field to point at, what must hold, what is said when it does not)
_AGREEMENTS: Sequence[tuple[str, Callable[[Policy], bool], str]] = (
    (
        "risk_per_trade_share",
        lambda policy: policy.risk_per_trade_share <= policy.daily_drawdown_share_max,
        "one trade may not risk more than daily_drawdown_share_max permits a whole day to lose",
    ),
    (
        "risk_per_trade_share",
        lambda policy: policy.risk_per_trade_share <= policy.open_loss_share_max,
        "one trade may not risk more than open_loss_share_max permits all of them to lose",
    ),
    (
        "net_exposure_share_max",
        lambda policy: policy.net_exposure_share_max <= policy.gross_exposure_share_max,
        "net exposure is never above gross exposure, so its limit cannot be above gross_exposure_share_max",
    ),
    (
        "gross_exposure_share_max",
        lambda policy: policy.gross_exposure_share_max <= policy.leverage_max,
        "more than leverage_max times the equity cannot be held",
    ),
    (
        "price_drift_share_max",
        lambda policy: policy.slippage_share_max <= policy.price_drift_share_max,
        "a chase that may drift less than slippage_share_max could not even repeat the first price",
    ),
    (
        "stop_distance_share",
        lambda policy: policy.slippage_share_max < policy.stop_distance_share,
        "with a stop no further away than slippage_share_max an entry could be filled beyond its own stop",
    ),
    (
        "stale_market_seconds_max",
        lambda policy: policy.market_data_age_seconds_max <= policy.stale_market_seconds_max,
        "the stop would trip on prices that market_data_age_seconds_max still calls fresh",
    ),
)


def faults_of(policy: Policy) -> Sequence[Fault]:
    """Everything that is wrong with a policy; empty when it may be taken on."""
    faults = [
        Fault(field=name, code=OUT_OF_RANGE, detail=f"must be {allowed}")
        for name, allowed in RANGES.items()
        if not allowed.holds(getattr(policy, name))
    ]
    if len(policy.symbols_denied) > SYMBOLS_DENIED_MAX or not all(
        _SYMBOL.fullmatch(symbol) for symbol in policy.symbols_denied
    ):
        detail = f"must be at most {SYMBOLS_DENIED_MAX} exchange symbols in capitals, such as BTCUSDT"
        faults.append(Fault(field="symbols_denied", code=OUT_OF_RANGE, detail=detail))
    # Of two numbers that make no sense by themselves it need not be said that they do not go together.
    if not faults:
        faults += [
            Fault(field=name, code=CONTRADICTION, detail=detail)
            for name, holds, detail in _AGREEMENTS
            if not holds(policy)
        ]
    return faults
