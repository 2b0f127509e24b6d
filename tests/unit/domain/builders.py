"""Facts as a healthy system would have them; a test names only what it is about."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from app.domain.ess import EmergencyStop, EssState
from app.domain.exposure import Exposure
from app.domain.fills import Fill, FillSource
from app.domain.gates.facts import EntryFacts
from app.domain.gates.verdicts import Verdict
from app.domain.market import AccountSnapshot, FundingRate, Quote, SymbolRules
from app.domain.policy import Policy, PolicyVersion, RiskMode, Stage, default_policy
from app.domain.regimes import MarketRegime, Regime
from app.domain.results import SymbolResults
from app.domain.signals import Side, Signal
from app.domain.throttles import StrategyUse

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def D(text: str | int) -> Decimal:
    return Decimal(text)


def ago(seconds: str | int) -> datetime:
    return NOW - timedelta(microseconds=int(Decimal(seconds) * 1_000_000))


def passes(gate: str, **numbers: str) -> Verdict:
    return Verdict(gate=gate, numbers=numbers)


def denies(gate: str, code: str, **numbers: str) -> Verdict:
    return Verdict(gate=gate, code=code, numbers=numbers)


def make_signal(**changes: Any) -> Signal:
    signal = Signal(
        signal_id="signal-1",
        symbol="BTCUSDT",
        side=Side.BUY,
        confidence=D("0.80"),
        strategy="trend",
        generated_at=ago(2),
        received_at=ago(1),
        expires_at=NOW + timedelta(seconds=28),
        reference_price=None,
        models={},
        correlation_id="c-1",
        producer="model",
    )
    return replace(signal, **changes)


def make_rules(**changes: Any) -> SymbolRules:
    rules = SymbolRules(
        symbol="BTCUSDT",
        status="TRADING",
        base_asset="BTC",
        quote_asset="USDT",
        tick_size=D("0.10"),
        price_minimum=D("100"),
        price_maximum=D("1000000"),
        step_size=D("0.001"),
        quantity_minimum=D("0.001"),
        quantity_maximum=D("100"),
        market_quantity_maximum=D("50"),
        notional_minimum=D("50"),
        price_multiplier_up=D("1.05"),
        price_multiplier_down=D("0.95"),
    )
    return replace(rules, **changes)


def make_quote(**changes: Any) -> Quote:
    quote = Quote(
        symbol="BTCUSDT",
        bid_price=D("49995"),
        bid_quantity=D("2"),
        ask_price=D("50005"),
        ask_quantity=D("3"),
        mark_price=D("50000"),
        observed_at=ago(1),
    )
    return replace(quote, **changes)


def make_funding(**changes: Any) -> FundingRate:
    funding = FundingRate(
        symbol="BTCUSDT",
        rate=D("0.0001"),
        interval_hours=8,
        next_funding_at=NOW + timedelta(hours=3),
        observed_at=ago(2),
    )
    return replace(funding, **changes)


def make_account(**changes: Any) -> AccountSnapshot:
    account = AccountSnapshot(
        wallet_balance=D("10000"), unrealised_pnl=D("0"), available_balance=D("9000"), observed_at=ago(5)
    )
    return replace(account, **changes)


def make_exposure(**changes: Any) -> Exposure:
    exposure = Exposure(
        open_symbols=frozenset({"ETHUSDT"}),
        symbol_notional=D("0"),
        net_notional=D("400"),
        gross_notional=D("400"),
    )
    return replace(exposure, **changes)


def make_policy(**changes: Any) -> Policy:
    return replace(default_policy(RiskMode.NORMAL), **changes)


def make_policy_version(policy: Policy | None = None, **changes: Any) -> PolicyVersion:
    version = PolicyVersion(
        version=7,
        policy=policy or make_policy(),
        author="owner",
        reason="start",
        created_at=ago(86_400),
        loaded_at=ago(3),
    )
    return replace(version, **changes)


def make_stop(state: EssState = EssState.ARMED, **changes: Any) -> EmergencyStop:
    stop = EmergencyStop(
        state=state,
        trip_reason=None,
        tripped_at=None,
        tripped_by=None,
        safe_at=None,
        cooldown_started_at=None,
        cooldown_until=None,
        trip_count=0,
        reset_count=0,
        flatten_requested=False,
        updated_at=ago(100),
    )
    return replace(stop, **changes)


def make_regime(**changes: Any) -> MarketRegime:
    """An ordinary market that moves enough for the policy's own distance to bound the stop."""
    regime = MarketRegime(
        symbol="BTCUSDT",
        regime=Regime.NORMAL_VOL,
        atr=D("1500"),
        close=D("50000"),
        usual=D("1"),
        efficiency=D("0.3"),
        candles=99,
        interval="1h",
        observed_at=ago(60),
    )
    return replace(regime, **changes)


def make_results(**changes: Any) -> SymbolResults:
    return replace(SymbolResults(closings=0, losses_in_a_row=0, newest_loss_at=None), **changes)


def make_facts(**changes: Any) -> EntryFacts:
    """An entry of 0.01 BTC at 50,050 that every gate lets through."""
    facts = EntryFacts(
        now=NOW,
        stage=Stage.PAPER,
        signal=make_signal(),
        policy=make_policy_version(),
        emergency_stop=make_stop(),
        rules=make_rules(),
        quote=make_quote(),
        funding=make_funding(),
        account=make_account(),
        start_of_day_equity=D("10000"),
        exposure=make_exposure(),
        last_same_side_entry_at=None,
        entry_attempts_last_minute=4,
        quantity=D("0.01"),
        limit_price=D("50050"),
        regime=make_regime(),
        strategy_use=StrategyUse(executions=1, disabled_at=None),
        results=make_results(),
    )
    return replace(facts, **changes)


def make_fill(**changes: Any) -> Fill:
    fill = Fill(
        symbol="BTCUSDT",
        trade_id=1,
        exchange_order_id=11,
        client_order_id="q-1",
        order_id=uuid.UUID(int=1),
        side=Side.BUY,
        price=D("100"),
        quantity=D("2"),
        fee=D("0.08"),
        fee_asset="USDT",
        realised_pnl=D("0"),
        is_maker=False,
        traded_at=NOW,
        source=FillSource.STREAM,
    )
    return replace(fill, **changes)
