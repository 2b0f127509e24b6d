"""The risk policy: one validated value, three modes, every number an entry is judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any


class Stage(StrEnum):
    """How far an approved order goes: OBSERVATION decides and records, PAPER and LIVE send."""

    OBSERVATION = "OBSERVATION"
    PAPER = "PAPER"
    LIVE = "LIVE"


class RiskMode(StrEnum):
    """The three risk modes."""

    AGGRESSIVE_SMALL_ACCOUNT = "AGGRESSIVE_SMALL_ACCOUNT"
    NORMAL = "NORMAL"
    DEFENSIVE = "DEFENSIVE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Everything the account owner decides. Shares are fractions (0.05 is 5 %), money is USDT, ages are seconds."""

    mode: RiskMode
    leverage_max: Decimal
    risk_per_trade_share: Decimal
    daily_drawdown_share_max: Decimal
    open_loss_share_max: Decimal
    open_positions_max: int
    position_notional_max: Decimal
    confidence_minimum: Decimal
    size_factor: Decimal
    net_exposure_share_max: Decimal  # of equity, e.g. 3 = three times equity net
    gross_exposure_share_max: Decimal
    slippage_share_max: Decimal  # collar of an entry around the reference price
    price_drift_share_max: Decimal  # how far a chase may follow the first reference price
    spread_share_max: Decimal
    stop_distance_share: Decimal  # assumed distance to the stop, until volatility sets it
    funding_rate_share_max: Decimal  # per 8 h; above it entries are denied
    signal_age_seconds_max: int
    market_data_age_seconds_max: int
    account_age_seconds_max: int
    policy_age_seconds_max: int
    duplicate_cool_off_seconds: int
    orders_per_minute_max: int
    unknown_seconds_max: int
    execution_errors_max: int  # this many within the window trip the emergency stop
    execution_error_window_seconds: int
    rejections_in_a_row_max: int  # entries refused by the exchange one after the other
    stale_market_seconds_max: int  # of a symbol that is held
    ess_cooldown_seconds: int  # after a reset, before entries are permitted again
    ess_reset_permitted: bool
    symbols_denied: frozenset[str]
    symbol_losses_max: int  # closings of a symbol that lost, one after the other; then it is paused
    symbol_pause_seconds: int  # since the newest of them
    strategy_executions_max: int  # entries of one strategy in one symbol within the window; one more disables it
    strategy_executions_window_seconds: int


_COMMON: Mapping[str, object] = MappingProxyType(
    {
        "open_loss_share_max": Decimal("0.10"),
        "slippage_share_max": Decimal("0.002"),
        "price_drift_share_max": Decimal("0.004"),
        "spread_share_max": Decimal("0.002"),
        "stop_distance_share": Decimal("0.02"),
        "funding_rate_share_max": Decimal("0.001"),
        "signal_age_seconds_max": 30,
        "market_data_age_seconds_max": 5,
        "account_age_seconds_max": 60,
        "policy_age_seconds_max": 600,
        "duplicate_cool_off_seconds": 60,
        "orders_per_minute_max": 600,
        "unknown_seconds_max": 30,
        "execution_errors_max": 5,
        "execution_error_window_seconds": 900,
        "rejections_in_a_row_max": 10,
        "stale_market_seconds_max": 30,
        "ess_cooldown_seconds": 900,
        "ess_reset_permitted": True,
        "symbols_denied": frozenset(),
        "symbol_losses_max": 6,
        "symbol_pause_seconds": 3_600,
        "strategy_executions_window_seconds": 600,
    }
)

_BY_MODE: Mapping[RiskMode, Mapping[str, object]] = MappingProxyType(
    {
        RiskMode.AGGRESSIVE_SMALL_ACCOUNT: {
            "leverage_max": Decimal(7),
            "risk_per_trade_share": Decimal("0.03"),
            "daily_drawdown_share_max": Decimal("0.06"),
            "open_positions_max": 15,
            "position_notional_max": Decimal(300),
            "confidence_minimum": Decimal("0.45"),
            "size_factor": Decimal("1.5"),
            "strategy_executions_max": 40,
        },
        RiskMode.NORMAL: {
            "leverage_max": Decimal(5),
            "risk_per_trade_share": Decimal("0.015"),
            "daily_drawdown_share_max": Decimal("0.05"),
            "open_positions_max": 30,
            "position_notional_max": Decimal(1000),
            "confidence_minimum": Decimal("0.50"),
            "size_factor": Decimal("1.0"),
            "strategy_executions_max": 20,
        },
        RiskMode.DEFENSIVE: {
            "leverage_max": Decimal(3),
            "risk_per_trade_share": Decimal("0.0075"),
            "daily_drawdown_share_max": Decimal("0.03"),
            "open_positions_max": 10,
            "position_notional_max": Decimal(500),
            "confidence_minimum": Decimal("0.60"),
            "size_factor": Decimal("0.7"),
            "strategy_executions_max": 10,
        },
    }
)


_FROM_LEVERAGE = ("net_exposure_share_max", "gross_exposure_share_max")


def default_policy(mode: RiskMode) -> Policy:
    """The policy a mode starts with; exposure limits follow from its leverage."""
    chosen = {**_COMMON, **_BY_MODE[mode]}
    leverage = chosen["leverage_max"]
    return Policy(
        mode=mode,
        net_exposure_share_max=leverage,  # type: ignore[arg-type]
        gross_exposure_share_max=leverage,  # type: ignore[arg-type]
        **chosen,  # type: ignore[arg-type]
    )


def policy_in_mode(policy: Policy, mode: RiskMode) -> Policy:
    """The policy with the numbers that make the mode; what no mode speaks of (denied symbols, ages) stays as it is."""
    whole = default_policy(mode)
    chosen: dict[str, Any] = {name: getattr(whole, name) for name in (*_BY_MODE[mode], *_FROM_LEVERAGE)}
    return replace(policy, mode=mode, **chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVersion:
    """A policy as it was stored: decisions are pinned to `version`. `loaded_at` is when this process read it."""

    version: int
    policy: Policy
    author: str
    reason: str
    created_at: datetime
    loaded_at: datetime
