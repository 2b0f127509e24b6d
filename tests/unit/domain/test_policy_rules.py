"""A policy is taken on whole or not at all, and whoever refuses it points at the field."""

from __future__ import annotations

from dataclasses import fields, replace
from decimal import Decimal

import pytest

from app.domain.policy import Policy, RiskMode, default_policy
from app.domain.policy_rules import CONTRADICTION, OUT_OF_RANGE, RANGES, faults_of

D = Decimal
NORMAL = default_policy(RiskMode.NORMAL)
WITHOUT_RANGE = {"mode", "ess_reset_permitted", "symbols_denied"}


@pytest.mark.parametrize("mode", list(RiskMode))
def test_what_every_mode_starts_with_can_be_taken_on(mode: RiskMode) -> None:
    assert list(faults_of(default_policy(mode))) == []


def test_the_modes_are_those_of_the_design() -> None:
    def row(mode: RiskMode) -> tuple[object, ...]:
        policy = default_policy(mode)
        return (
            policy.leverage_max,
            policy.risk_per_trade_share,
            policy.daily_drawdown_share_max,
            policy.open_positions_max,
            policy.position_notional_max,
            policy.confidence_minimum,
            policy.size_factor,
        )

    assert row(RiskMode.AGGRESSIVE_SMALL_ACCOUNT) == (7, D("0.03"), D("0.06"), 15, 300, D("0.45"), D("1.5"))
    assert row(RiskMode.NORMAL) == (5, D("0.015"), D("0.05"), 30, 1000, D("0.50"), 1)
    assert row(RiskMode.DEFENSIVE) == (3, D("0.0075"), D("0.03"), 10, 500, D("0.60"), D("0.7"))


def test_every_number_has_a_range() -> None:
    assert {field.name for field in fields(Policy)} == RANGES.keys() | WITHOUT_RANGE


@pytest.mark.parametrize("name", list(RANGES))
def test_a_number_is_taken_up_to_its_ends_and_no_further(name: str) -> None:
    allowed = RANGES[name]
    step = D(1) if isinstance(getattr(NORMAL, name), int) else D("0.0000000001")
    kind = type(getattr(NORMAL, name))

    def is_in_range(value: Decimal) -> bool:
        faults = faults_of(replace(NORMAL, **{name: kind(value)}))
        return (name, OUT_OF_RANGE) not in [(fault.field, fault.code) for fault in faults]

    assert is_in_range(allowed.high)
    assert not is_in_range(allowed.high + step)
    assert is_in_range(allowed.low) is not allowed.above
    assert is_in_range(allowed.low + step)
    assert not is_in_range(allowed.low - step)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"risk_per_trade_share": D("0.06")}, "risk_per_trade_share"),
        ({"open_loss_share_max": D("0.01")}, "risk_per_trade_share"),
        ({"gross_exposure_share_max": D(4)}, "net_exposure_share_max"),
        ({"leverage_max": D(4)}, "gross_exposure_share_max"),
        ({"price_drift_share_max": D("0.001")}, "price_drift_share_max"),
        ({"stop_distance_share": D("0.002")}, "stop_distance_share"),
        ({"market_data_age_seconds_max": 31}, "stale_market_seconds_max"),
    ],
)
def test_a_policy_that_contradicts_itself_is_refused(changes: dict[str, object], field: str) -> None:
    assert [(fault.field, fault.code) for fault in faults_of(replace(NORMAL, **changes))] == [(field, CONTRADICTION)]


@pytest.mark.parametrize(
    "changes",
    [
        {"risk_per_trade_share": D("0.05")},
        {"leverage_max": D(7), "gross_exposure_share_max": D(7), "net_exposure_share_max": D(7)},
        {"price_drift_share_max": D("0.002")},
        {"market_data_age_seconds_max": 30},
    ],
)
def test_limits_that_meet_exactly_do_not_contradict_each_other(changes: dict[str, object]) -> None:
    assert list(faults_of(replace(NORMAL, **changes))) == []


@pytest.mark.parametrize("symbols", [{"btcusdt"}, {"BTC USDT"}, {"X"}, {f"S{n}USDT" for n in range(1_001)}])
def test_denied_symbols_are_symbols_and_not_too_many(symbols: set[str]) -> None:
    (fault,) = faults_of(replace(NORMAL, symbols_denied=frozenset(symbols)))
    assert (fault.field, fault.code) == ("symbols_denied", OUT_OF_RANGE)
