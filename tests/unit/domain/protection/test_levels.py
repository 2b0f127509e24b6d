"""Levels: the table of the regimes, tightened by confidence, bounded by the policy, and never widened."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.protection.levels import (
    REGIME_EXITS,
    Guard,
    follow,
    is_past,
    open_guard,
    stop_distance_share,
    with_more,
)
from app.domain.regimes import Regime
from app.domain.signals import Side
from tests.unit.domain.builders import NOW, D, ago, make_policy, make_regime, make_rules

# A market whose stops lie between the policy's bounds: 0.8 % a candle.
CALM = {"atr": D("400"), "close": D("50000")}
RULES = make_rules()


def guard(side: Side = Side.BUY, *, entry: str = "50000", confidence: str = "1", **regime: Any) -> Guard:
    return open_guard(
        symbol="BTCUSDT",
        side=side,
        entry_price=D(entry),
        regime=make_regime(**{**CALM, **regime}),
        confidence=D(confidence),
        policy=make_policy(),
        rules=RULES,
        now=NOW,
    )


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize(
    ("regime", "stop", "target", "hours"),
    [
        (Regime.LOW_VOL, "480", "1400", 48),
        (Regime.NORMAL_VOL, "600", "1200", 36),
        (Regime.HIGH_VOL, "800", "1600", 24),
        (Regime.EXTREME_VOL, "1000", "2000", 12),
        (Regime.TRENDING, "720", "1800", 72),
        (Regime.RANGING, "400", "800", 18),
    ],
)
def test_levels_are_the_tables_multiples_of_the_range(side, regime, stop, target, hours) -> None:
    opened = guard(side, regime=regime)
    assert (opened.entry_price - opened.stop_price) * side.sign == D(stop)
    assert (opened.target_price - opened.entry_price) * side.sign == D(target)
    assert opened.expires_at == NOW + timedelta(hours=hours)


def test_the_table_is_the_designs() -> None:
    table = {
        regime.value: [str(each.stop), str(each.target), str(each.breakeven), str(each.trailing), each.hours_max]
        for regime, each in REGIME_EXITS.items()
    }
    assert table == {
        "LOW_VOL": ["1.2", "3.5", "0.3", "1.8", 48],
        "NORMAL_VOL": ["1.5", "3.0", "0.5", "2.0", 36],
        "HIGH_VOL": ["2.0", "4.0", "0.8", "2.5", 24],
        "EXTREME_VOL": ["2.5", "5.0", "1.0", "3.0", 12],
        "TRENDING": ["1.8", "4.5", "0.4", "2.5", 72],
        "RANGING": ["1.0", "2.0", "0.3", "1.5", 18],
    }


def test_less_confidence_brings_both_levels_nearer() -> None:
    sure, doubtful = guard(), guard(confidence="0.5")
    assert doubtful.risk == sure.risk * D("0.75")
    assert sure.stop_price < doubtful.stop_price < doubtful.target_price < sure.target_price
    assert guard(confidence="0.1").risk == doubtful.risk, "no nearer than at the policy's minimum"


def test_the_policy_is_the_widest_and_its_slippage_the_nearest() -> None:
    policy = make_policy()
    wild = stop_distance_share(regime=make_regime(atr=D(5000)), confidence=D(1), policy=policy)
    assert wild == policy.stop_distance_share
    still = stop_distance_share(regime=make_regime(atr=D(1)), confidence=D(1), policy=policy)
    assert still == policy.slippage_share_max * 2
    assert stop_distance_share(regime=None, confidence=D(1), policy=policy) == policy.stop_distance_share


def test_a_regime_of_yesterday_is_none() -> None:
    old = guard(observed_at=ago(6 * 3600 + 1))
    assert old.regime is None
    assert old.risk == D(1000), "the policy's own distance"
    assert guard(observed_at=ago(6 * 3600)).regime is Regime.NORMAL_VOL


def test_the_stop_goes_to_breakeven_once_the_profit_is_the_regimes_share_of_the_risk() -> None:
    opened = guard()
    before = follow(opened, mark_price=D("50299.9"), rules=RULES, now=NOW)
    assert before.stop_price < D("50000")
    even = follow(opened, mark_price=D("50300"), rules=RULES, now=NOW)
    assert even.breakeven_at == NOW
    assert even.stop_price == D("50000")
    short = follow(guard(Side.SELL), mark_price=D("49700"), rules=RULES, now=NOW)
    assert short.stop_price == D("50000")


def test_the_stop_trails_the_best_price_by_the_regimes_multiple() -> None:
    moved = follow(guard(), mark_price=D("52000"), rules=RULES, now=NOW)
    assert moved.stop_price == D("52000") - 2 * D("400")
    assert follow(moved, mark_price=D("51000"), rules=RULES, now=NOW) is moved, "it never goes back"


def test_small_moves_are_not_worth_an_order() -> None:
    moved = follow(guard(), mark_price=D("52000"), rules=RULES, now=NOW)
    assert follow(moved, mark_price=D("52059.9"), rules=RULES, now=NOW) is moved
    assert follow(moved, mark_price=D("52060"), rules=RULES, now=NOW).stop_price == D("51260")


def test_more_of_a_position_keeps_the_nearer_of_every_level() -> None:
    opened = guard()
    cheaper = replace(guard(entry="49800"), expires_at=opened.expires_at + timedelta(hours=9))
    after = with_more(opened, cheaper)
    assert after.entry_price == D("49800")
    assert after.stop_price == opened.stop_price
    assert after.target_price == cheaper.target_price
    assert after.expires_at == opened.expires_at
    dearer = with_more(opened, guard(entry="50200"))
    assert (dearer.stop_price, dearer.target_price) == (D("49597.6"), opened.target_price)


def test_a_price_at_the_stop_is_past_it() -> None:
    assert is_past(guard(), D("49400"))
    assert not is_past(guard(), D("49400.1"))
    assert is_past(guard(Side.SELL), D("50600"))
    assert not is_past(guard(Side.SELL), D("50599.9"))


marks = st.lists(st.decimals(Decimal("45000"), Decimal("56000"), places=1), max_size=20)


@given(side=st.sampled_from(Side), regime=st.sampled_from(Regime), seen=marks)
def test_whatever_the_price_does_no_stop_is_ever_further_away(side: Side, regime: Regime, seen: list[Decimal]) -> None:
    current = guard(side, regime=regime)
    target = current.target_price
    for mark in seen:
        after = follow(current, mark_price=mark, rules=RULES, now=NOW)
        assert (after.stop_price - current.stop_price) * side.sign >= 0
        assert after is current or (mark - after.stop_price) * side.sign > 0, "never beyond the price that moved it"
        assert after.target_price == target
        assert after.stop_price % RULES.tick_size == 0
        current = after
