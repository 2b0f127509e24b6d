"""The rule book: order, completeness, chases, and that a missing fact denies and never raises."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import app.domain.gates as gates
from app.domain.ess import EssState
from app.domain.gates.facts import EntryFacts
from app.domain.gates.rule_book import RULE_BOOK, Outcome, judge_entry
from app.domain.policy import Stage
from app.domain.signals import Side
from app.domain.throttles import StrategyUse
from tests.unit.domain.builders import (
    NOW,
    D,
    ago,
    denies,
    make_account,
    make_exposure,
    make_facts,
    make_funding,
    make_policy,
    make_policy_version,
    make_quote,
    make_regime,
    make_results,
    make_rules,
    make_signal,
    make_stop,
)

ORDER = [
    "stage",
    "emergency_stop",
    "signal_age",
    "policy_age",
    "symbol_selection",
    "confidence",
    "duplicate",
    "market_data_age",
    "price_collar",
    "price_drift",
    "liquidity",
    "funding_rate",
    "regime",
    "account_age",
    "daily_loss",
    "open_positions",
    "size",
    "symbol_exposure",
    "net_exposure",
    "gross_exposure",
    "message_rate",
    "repeated_execution",
    "venue_filters",
    "margin",
]

# For every gate, one change to healthy facts that this gate, with this code, turns down.
DENIALS: dict[str, tuple[dict[str, Any], str]] = {
    "stage": ({"stage": None}, "STAGE_UNKNOWN"),
    "emergency_stop": ({"emergency_stop": make_stop(EssState.TRIPPED)}, "EMERGENCY_STOP_TRIPPED"),
    "signal_age": ({"signal": make_signal(generated_at=ago(31))}, "SIGNAL_TOO_OLD"),
    "policy_age": ({"policy": make_policy_version(loaded_at=ago(601))}, "POLICY_TOO_OLD"),
    "symbol_selection": ({"rules": make_rules(status="BREAK")}, "SYMBOL_NOT_TRADING"),
    "confidence": ({"signal": make_signal(confidence=D("0.49"))}, "CONFIDENCE_BELOW_MINIMUM"),
    "duplicate": ({"last_same_side_entry_at": ago(59)}, "DUPLICATE_WITHIN_COOL_OFF"),
    "market_data_age": ({"quote": make_quote(observed_at=ago(6))}, "MARKET_DATA_STALE"),
    "price_collar": ({"signal": make_signal(reference_price=D("51000"))}, "REFERENCE_PRICE_OUTSIDE_COLLAR"),
    "price_drift": ({"attempt_number": 2, "first_reference_price": D("51000")}, "PRICE_DRIFTED"),
    "liquidity": ({"quote": make_quote(bid_price=D("49000"))}, "SPREAD_TOO_WIDE"),
    "funding_rate": ({"funding": make_funding(rate=D("-0.002"))}, "FUNDING_RATE_ABOVE_MAXIMUM"),
    "regime": ({"regime": make_regime(observed_at=ago(901))}, "REGIME_STALE"),
    "account_age": ({"account": make_account(observed_at=ago(61))}, "ACCOUNT_STALE"),
    "daily_loss": ({"start_of_day_equity": D("11000")}, "DAILY_LOSS_ABOVE_MAXIMUM"),
    "open_positions": (
        {"exposure": make_exposure(open_symbols=frozenset(str(n) for n in range(30)))},
        "OPEN_POSITIONS_AT_MAXIMUM",
    ),
    "size": ({"sizing_refusal": denies("size", "SIZE_BELOW_VENUE_MINIMUM")}, "SIZE_BELOW_VENUE_MINIMUM"),
    "symbol_exposure": ({"exposure": make_exposure(symbol_notional=D("600"))}, "SYMBOL_EXPOSURE_ABOVE_MAXIMUM"),
    "net_exposure": ({"exposure": make_exposure(net_notional=D("49900"))}, "NET_EXPOSURE_ABOVE_MAXIMUM"),
    "gross_exposure": ({"exposure": make_exposure(gross_notional=D("49900"))}, "GROSS_EXPOSURE_ABOVE_MAXIMUM"),
    "message_rate": ({"entry_attempts_last_minute": 600}, "MESSAGE_RATE_AT_MAXIMUM"),
    "repeated_execution": (
        {"strategy_use": StrategyUse(executions=20, disabled_at=None)},
        "STRATEGY_EXECUTIONS_AT_MAXIMUM",
    ),
    "venue_filters": ({"limit_price": D("50050.05")}, "PRICE_OFF_TICK"),
    "margin": ({"account": make_account(available_balance=D("100.09"))}, "MARGIN_INSUFFICIENT"),
}


def denials_of(facts: EntryFacts) -> dict[str, str]:
    return {verdict.gate: verdict.code for verdict in judge_entry(facts).verdicts if verdict.code is not None}


def test_healthy_facts_pass_every_gate_in_the_order_of_the_rule_book() -> None:
    judgement = judge_entry(make_facts())
    assert [verdict.gate for verdict in judgement.verdicts] == ORDER
    assert [verdict.code for verdict in judgement.verdicts] == [None] * len(ORDER)
    assert (judgement.denial, judgement.outcome) == (None, Outcome.APPROVED)


def test_the_folder_of_gates_is_the_rule_book() -> None:
    [folder] = gates.__path__
    files = {path.stem for path in Path(folder).glob("*.py")}
    assert files - {"__init__", "ages", "deviation", "facts", "rule_book", "verdicts"} == {
        name for name, _ in RULE_BOOK
    }
    assert set(DENIALS) == set(ORDER)


@pytest.mark.parametrize("gate", ORDER)
def test_each_gate_can_be_the_one_and_only_denial(gate: str) -> None:
    changes, code = DENIALS[gate]
    judgement = judge_entry(make_facts(**changes))
    assert denials_of(make_facts(**changes)) == {gate: code}
    assert judgement.denial is not None
    assert (judgement.denial.gate, judgement.denial.code) == (gate, code)
    assert judgement.denial in judgement.verdicts
    assert judgement.outcome is Outcome.DENIED


def test_outcomes_have_the_names_under_which_decisions_are_stored() -> None:
    assert [outcome.value for outcome in Outcome] == ["APPROVED", "OBSERVED", "DENIED"]


def test_the_first_denial_in_order_is_the_reason_and_all_are_recorded() -> None:
    facts = make_facts(
        signal=make_signal(confidence=D("0.1")), emergency_stop=make_stop(EssState.COOLING_DOWN), funding=None
    )
    judgement = judge_entry(facts)
    assert judgement.denial is not None
    assert judgement.denial.code == "EMERGENCY_STOP_COOLING_DOWN"
    assert len(judgement.verdicts) == len(ORDER)
    assert list(denials_of(facts)) == ["emergency_stop", "confidence", "funding_rate"]


def test_observation_decides_like_any_stage_but_only_observes() -> None:
    assert judge_entry(make_facts(stage=Stage.OBSERVATION)).outcome is Outcome.OBSERVED
    assert judge_entry(make_facts(stage=Stage.LIVE)).outcome is Outcome.APPROVED
    denied = judge_entry(make_facts(stage=Stage.OBSERVATION, funding=None))
    assert denied.outcome is Outcome.DENIED


@pytest.mark.parametrize(
    ("missing", "denials"),
    [
        ("stage", {"stage": "STAGE_UNKNOWN"}),
        ("emergency_stop", {"emergency_stop": "EMERGENCY_STOP_UNKNOWN"}),
        ("rules", {"symbol_selection": "SYMBOL_UNKNOWN", "venue_filters": "VENUE_RULES_UNKNOWN"}),
        (
            "quote",
            {
                "market_data_age": "MARKET_DATA_UNKNOWN",
                "price_collar": "QUOTE_UNKNOWN",
                "liquidity": "LIQUIDITY_UNKNOWN",
                "symbol_exposure": "SYMBOL_EXPOSURE_UNKNOWN",
                "net_exposure": "NET_EXPOSURE_UNKNOWN",
                "gross_exposure": "GROSS_EXPOSURE_UNKNOWN",
                "venue_filters": "VENUE_MARK_PRICE_UNKNOWN",
                "margin": "AVAILABLE_BALANCE_UNKNOWN",
            },
        ),
        ("funding", {"funding_rate": "FUNDING_RATE_UNKNOWN"}),
        (
            "account",
            {
                "account_age": "ACCOUNT_UNKNOWN",
                "daily_loss": "EQUITY_UNKNOWN",
                "net_exposure": "NET_EXPOSURE_UNKNOWN",
                "gross_exposure": "GROSS_EXPOSURE_UNKNOWN",
                "margin": "AVAILABLE_BALANCE_UNKNOWN",
            },
        ),
        ("start_of_day_equity", {"daily_loss": "START_OF_DAY_EQUITY_UNKNOWN"}),
        (
            "exposure",
            {
                "open_positions": "OPEN_POSITIONS_UNKNOWN",
                "symbol_exposure": "SYMBOL_EXPOSURE_UNKNOWN",
                "net_exposure": "NET_EXPOSURE_UNKNOWN",
                "gross_exposure": "GROSS_EXPOSURE_UNKNOWN",
            },
        ),
        ("entry_attempts_last_minute", {"message_rate": "MESSAGE_RATE_UNKNOWN"}),
        ("strategy_use", {"repeated_execution": "STRATEGY_USE_UNKNOWN"}),
        (
            "quantity",
            {
                "size": "SIZE_UNKNOWN",
                "symbol_exposure": "SYMBOL_EXPOSURE_UNKNOWN",
                "net_exposure": "NET_EXPOSURE_UNKNOWN",
                "gross_exposure": "GROSS_EXPOSURE_UNKNOWN",
                "venue_filters": "VENUE_QUANTITY_UNKNOWN",
                "margin": "AVAILABLE_BALANCE_UNKNOWN",
            },
        ),
        (
            "limit_price",
            {
                "price_collar": "LIMIT_PRICE_UNKNOWN",
                "symbol_exposure": "SYMBOL_EXPOSURE_UNKNOWN",
                "net_exposure": "NET_EXPOSURE_UNKNOWN",
                "gross_exposure": "GROSS_EXPOSURE_UNKNOWN",
                "venue_filters": "VENUE_PRICE_UNKNOWN",
                "margin": "AVAILABLE_BALANCE_UNKNOWN",
            },
        ),
    ],
)
def test_a_missing_fact_denies_at_every_gate_that_needs_it_and_at_no_other(
    missing: str, denials: dict[str, str]
) -> None:
    assert denials_of(make_facts(**{missing: None})) == denials


def test_a_losing_symbol_is_paused_until_the_time_of_the_decision_is_past_its_pause() -> None:
    policy = make_policy_version(make_policy(symbol_losses_max=4, symbol_pause_seconds=600))
    for seconds, denials in ((599, {"symbol_selection": "SYMBOL_PAUSED"}), (600, {})):
        results = make_results(closings=4, losses_in_a_row=4, newest_loss_at=ago(seconds))
        assert denials_of(make_facts(policy=policy, results=results)) == denials


def test_without_a_policy_every_gate_with_a_limit_says_so() -> None:
    needs_no_policy = {"stage", "emergency_stop", "size", "venue_filters", "price_drift", "regime"}
    expected = {gate: "POLICY_UNKNOWN" for gate in ORDER if gate not in needs_no_policy}
    assert denials_of(make_facts(policy=None)) == expected
    chase = make_facts(policy=None, attempt_number=2, first_reference_price=D("50000"))
    assert denials_of(chase) == {**expected, "price_drift": "POLICY_UNKNOWN"}


# Every field that may be None, except the last entry's time, whose None is knowledge.
OPTIONAL = [
    "stage", "policy", "emergency_stop", "rules", "quote", "funding", "account", "start_of_day_equity", "exposure",
    "entry_attempts_last_minute", "quantity", "limit_price", "first_reference_price", "regime",
    "results", "strategy_use",
]  # fmt: skip


@given(missing=st.sets(st.sampled_from(OPTIONAL), min_size=1), side=st.sampled_from(Side))
def test_no_combination_of_missing_facts_raises_or_lets_an_entry_through(missing: set[str], side: Side) -> None:
    facts = make_facts(attempt_number=2, first_reference_price=D("50000"), signal=make_signal(side=side))
    judgement = judge_entry(replace(facts, **dict.fromkeys(missing)))
    assert judgement.outcome is Outcome.DENIED
    assert len(judgement.verdicts) == len(ORDER)


def test_the_list_of_facts_that_may_be_missing_is_complete() -> None:
    optional = {field.name for field in fields(EntryFacts) if "None" in str(field.type)}
    # What sizing alone looks at is missing as a quantity.
    assert optional == {*OPTIONAL, "last_same_side_entry_at", "sizing_refusal", "remaining_quantity"}


def test_a_chase_is_judged_by_the_drift_and_not_by_the_signals_own_price_age_or_entry() -> None:
    signal = make_signal(reference_price=D("49000"), generated_at=ago(80), expires_at=ago(50))
    facts = make_facts(signal=signal, last_same_side_entry_at=ago(1))
    assert denials_of(facts) == {
        "signal_age": "SIGNAL_TOO_OLD",
        "duplicate": "DUPLICATE_WITHIN_COOL_OFF",
        "price_collar": "REFERENCE_PRICE_OUTSIDE_COLLAR",
    }
    chase = replace(facts, attempt_number=2, first_reference_price=D("50000"))
    assert chase.is_chase
    assert judge_entry(chase).outcome is Outcome.APPROVED
    assert denials_of(replace(chase, first_reference_price=None)) == {"price_drift": "FIRST_REFERENCE_PRICE_UNKNOWN"}
    assert denials_of(replace(chase, now=NOW + timedelta(hours=1)))["signal_age"] == "SIGNAL_TOO_OLD"


def test_each_limit_is_read_from_the_policys_own_field() -> None:
    tight = make_policy(
        confidence_minimum=D("0.81"),
        signal_age_seconds_max=1,
        policy_age_seconds_max=2,
        symbols_denied=frozenset({"BTCUSDT"}),
        market_data_age_seconds_max=0,
        slippage_share_max=D("0.00005"),
        spread_share_max=D("0.00015"),
        funding_rate_share_max=D("0.00009"),
        account_age_seconds_max=4,
        open_positions_max=1,
        position_notional_max=D("500.49"),
        net_exposure_share_max=D("0.09"),
        gross_exposure_share_max=D("0.09"),
        orders_per_minute_max=4,
        strategy_executions_max=1,
        leverage_max=D("0.05"),
        daily_drawdown_share_max=D("0"),
        duplicate_cool_off_seconds=10,
        price_drift_share_max=D("0.00001"),
    )
    facts = make_facts(
        policy=make_policy_version(tight), start_of_day_equity=D("10001"), last_same_side_entry_at=ago(9)
    )
    needs_no_policy = {"stage", "emergency_stop", "size", "venue_filters", "price_drift", "regime"}
    assert set(denials_of(facts)) == set(ORDER) - needs_no_policy
    assert "POLICY_UNKNOWN" not in denials_of(facts).values()
    chase = replace(facts, attempt_number=2, first_reference_price=D("50000"))
    assert denials_of(chase)["price_drift"] == "PRICE_DRIFTED"


def test_a_decision_is_taken_again_by_the_gates_that_took_it() -> None:
    facts = make_facts(strategy_use=None)  # as recorded before anybody counted
    asked = [name for name in ORDER if name != "repeated_execution"]
    judgement = judge_entry(facts, gates=frozenset(asked))
    assert [verdict.gate for verdict in judgement.verdicts] == asked
    assert judgement.outcome is Outcome.APPROVED


def test_an_entry_is_valued_at_the_dearer_of_limit_and_mark() -> None:
    assert make_facts().notional == D("500.50")
    assert make_facts(limit_price=D("49900")).notional == D("500.00")
    for missing in ("quantity", "limit_price", "quote"):
        assert make_facts(**{missing: None}).notional is None


def test_a_selling_entry_counts_against_the_short_side() -> None:
    facts = make_facts(
        signal=make_signal(side=Side.SELL),
        limit_price=D("49900"),
        exposure=make_exposure(symbol_notional=D("-600"), net_notional=D("-49600")),
    )
    assert denials_of(facts) == {
        "symbol_exposure": "SYMBOL_EXPOSURE_ABOVE_MAXIMUM",
        "net_exposure": "NET_EXPOSURE_ABOVE_MAXIMUM",
    }


def test_side_and_symbol_of_the_signal_reach_the_gates_that_ask_for_them() -> None:
    def seen(gate: str, name: str, **changes: Any) -> str | None:
        verdicts = {verdict.gate: verdict for verdict in judge_entry(make_facts(**changes)).verdicts}
        return verdicts[gate].code or verdicts[gate].numbers.get(name)

    assert seen("liquidity", "touch_quantity") == "3"
    assert seen("liquidity", "touch_quantity", signal=make_signal(side=Side.SELL)) == "2"
    dear = {"limit_price": D("52500.1")}  # above 1.05 times the mark
    assert seen("venue_filters", "price", **dear) == "PRICE_ABOVE_MARK_MULTIPLE"
    assert seen("venue_filters", "price", signal=make_signal(side=Side.SELL), **dear) == "52500.1"
    full = make_policy_version(make_policy(open_positions_max=1))
    mine = make_exposure(open_symbols=frozenset({"BTCUSDT"}))
    assert seen("open_positions", "maximum", policy=full, exposure=mine) == "1"
    assert seen("open_positions", "maximum", policy=full) == "OPEN_POSITIONS_AT_MAXIMUM"
