"""Sizing from the facts alone: what was sized before is forgotten, and a chase asks for no more than is left."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from app.domain.entry_size import with_size
from app.domain.gates.facts import EntryFacts
from app.domain.protection.levels import stop_distance_share
from app.domain.regimes import Regime
from app.domain.sizing import SizedEntry, size_entry
from tests.unit.domain.builders import (
    NOW,
    D,
    denies,
    make_facts,
    make_policy,
    make_policy_version,
    make_quote,
    make_regime,
    make_results,
    make_rules,
    make_signal,
)


def of_policy(facts: EntryFacts, **limits: object) -> EntryFacts:
    return replace(facts, policy=make_policy_version(make_policy(**limits)))


def test_an_entry_is_sized_by_the_policy_in_its_facts_whatever_was_said_before() -> None:
    facts = make_facts(quantity=D("9"), limit_price=D("1"), sizing_refusal=denies("size", "SAID_BEFORE"))
    sized = with_size(facts)
    assert (sized.limit_price, sized.quantity, sized.sizing_refusal) == (D("50105.0"), D("0.019"), None)
    halved = with_size(of_policy(facts, position_notional_max=D("500")))
    assert halved.quantity == D("0.009")
    assert with_size(halved) == halved


def test_an_entry_that_cannot_be_sized_says_why_and_has_no_quantity() -> None:
    small = with_size(of_policy(make_facts(), position_notional_max=D("10")))
    assert small.quantity is None
    assert small.sizing_refusal is not None
    assert small.sizing_refusal.code == "SIZE_BELOW_VENUE_MINIMUM"
    assert small.limit_price == D("50105.0")


@pytest.mark.parametrize("missing", ["policy", "quote", "rules"])
def test_without_what_a_price_is_made_of_there_is_neither_price_nor_quantity(missing: str) -> None:
    for number in (1, 2):
        facts = chase(attempt_number=number, **{missing: None})
        sized = with_size(facts)
        assert (sized.quantity, sized.limit_price, sized.sizing_refusal) == (None, None, None)


def test_without_the_account_there_is_a_price_but_no_quantity() -> None:
    sized = with_size(make_facts(account=None))
    assert (sized.quantity, sized.limit_price) == (None, D("50105.0"))


WIDE = {"position_notional_max": D("1000000"), "risk_per_trade_share": D("0.001")}  # the risk budget alone binds

FINE = make_rules(step_size=D("0.000001"), quantity_minimum=D("0.000001"))


def risked(facts: EntryFacts) -> Decimal:
    """What it may lose at its stop, as a share of the budget of a trade; off by no more than a step of the quantity."""
    sized = with_size(facts)
    assert sized.quantity is not None
    assert sized.limits is not None
    distance = stop_distance_share(regime=sized.regime, confidence=sized.signal.confidence, policy=sized.limits)
    assert sized.account is not None
    plain = size_entry(
        policy=sized.limits,
        equity=sized.account.equity,
        limit_price=sized.limit_price or D(0),
        mark_price=D("50000"),
        confidence=sized.signal.confidence,
        rules=FINE,
        stop_distance_share=distance,
        regime_factor=D(1),
    )
    assert isinstance(plain, SizedEntry)
    return (sized.quantity / plain.quantity).quantize(D("0.01"))


@pytest.mark.parametrize(
    ("regime", "losses", "share"),
    [
        (Regime.NORMAL_VOL, 0, "1.00"),
        (Regime.HIGH_VOL, 0, "0.60"),
        (Regime.NORMAL_VOL, 5, "0.50"),
        (Regime.HIGH_VOL, 5, "0.30"),
    ],
)
def test_regime_and_recent_losses_each_take_their_part_of_the_risk_budget(
    regime: Regime, losses: int, share: str
) -> None:
    facts = make_facts(
        rules=FINE,
        regime=make_regime(regime=regime),
        results=make_results(losses_in_a_row=losses, newest_loss_at=NOW if losses else None),
    )
    assert risked(of_policy(facts, **WIDE, symbol_losses_max=10)) == D(share)


def test_a_calm_market_has_a_closer_stop_and_more_for_the_same_risk() -> None:
    calm, ordinary = (
        with_size(of_policy(make_facts(rules=FINE, regime=regime), **WIDE))
        for regime in (make_regime(atr=D("250")), make_regime())
    )
    assert calm.quantity is not None
    assert ordinary.quantity is not None
    assert calm.quantity > D("1.5") * ordinary.quantity
    assert risked(calm) == risked(ordinary) == D("1.00")


def test_a_regime_or_results_that_are_not_known_leave_the_size_to_the_gates() -> None:
    assert risked(of_policy(make_facts(rules=FINE, regime=None, results=None), **WIDE)) == D("1.00")


def chase(**changes: object) -> EntryFacts:
    known = {"attempt_number": 2, "first_reference_price": D("50000"), "remaining_quantity": D("0.0079")}
    return make_facts(**{**known, **changes})


def test_a_chase_asks_for_what_is_left_within_the_drift_from_the_first_price() -> None:
    sized = with_size(chase())
    assert (sized.quantity, sized.limit_price) == (D("0.007"), D("50105.0"))
    risen = make_quote(bid_price=D("50195"), ask_price=D("50200"), mark_price=D("50200"))
    assert with_size(chase(quote=risen)).limit_price == D("50200.0")  # 0.4 % above 50000, not 0.2 % above the ask
    assert with_size(of_policy(chase(quote=risen), price_drift_share_max=D("0.002"))).limit_price == D("50100.0")


@pytest.mark.parametrize(("number", "ends"), [(4, False), (5, True)])
def test_the_third_chase_is_the_last(number: int, ends: bool) -> None:
    sized = with_size(chase(attempt_number=number))
    code = None if sized.sizing_refusal is None else sized.sizing_refusal.code
    assert code == ("REMAINDER_ATTEMPTS_EXHAUSTED" if ends else None)
    assert (sized.quantity is None) is ends


@pytest.mark.parametrize("missing", ["remaining_quantity", "first_reference_price"])
def test_a_chase_of_an_unknown_remainder_or_beginning_asks_for_nothing(missing: str) -> None:
    sized = with_size(chase(**{missing: None}))
    assert (sized.quantity, sized.limit_price) == (None, None)


def test_an_entry_goes_no_further_than_the_slippage_from_the_price_that_its_signal_gave() -> None:
    facts = make_facts(signal=make_signal(reference_price=D("49900")))
    assert with_size(facts).limit_price == D("49999.8")  # 0.2 % above 49900; the ask alone would give 50105


def test_a_chase_that_has_ended_says_why_at_the_size_gate_and_at_which_price() -> None:
    sized = with_size(chase(attempt_number=5))
    refusal = denies("size", "REMAINDER_ATTEMPTS_EXHAUSTED", chase="chases=3, maximum=3")
    assert (sized.sizing_refusal, sized.limit_price) == (refusal, D("50105.0"))
