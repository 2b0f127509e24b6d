"""A policy that lets orders flow: where recovery is put to the proof, no gate may be what it waits for."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from app.domain.policy import Policy, RiskMode, default_policy


def flowing_policy() -> Policy:
    """Small orders that may meet in one symbol, whatever the market does; a mismatch of the books still stops."""
    return replace(
        default_policy(RiskMode.NORMAL),
        duplicate_cool_off_seconds=0,
        symbol_losses_max=1_000,
        strategy_executions_max=100_000,
        position_notional_max=Decimal(100_000),
        risk_per_trade_share=Decimal("0.0005"),
        net_exposure_share_max=Decimal(100),
        gross_exposure_share_max=Decimal(100),
        leverage_max=Decimal(20),
        daily_drawdown_share_max=Decimal("0.9"),
        slippage_share_max=Decimal("0.01"),
        price_drift_share_max=Decimal("0.02"),
        spread_share_max=Decimal("0.02"),
        # The paper market has hot periods, by the hour of the day.
        funding_rate_share_max=Decimal(1),
        ess_cooldown_seconds=1,
        # What is broken on purpose must not trip the stop.
        execution_errors_max=1_000,
        rejections_in_a_row_max=1_000,
        unknown_seconds_max=600,
        stale_market_seconds_max=600,
    )
