"""Gives an entry, or the chase of one, its limit price and quantity, from nothing but the facts it is judged by."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from app.domain.gates import size
from app.domain.gates.deviation import touch_price
from app.domain.gates.facts import EntryFacts
from app.domain.gates.verdicts import Verdict
from app.domain.money import ONE, ZERO, exactly
from app.domain.policy import Policy
from app.domain.protection.levels import stop_distance_share
from app.domain.regimes import SIZE_FACTORS
from app.domain.sizing import ChaseEnd, SizedEntry, chase_limit_price, entry_limit_price, remainder_attempt, size_entry


def with_size(facts: EntryFacts) -> EntryFacts:
    """The facts with limit price and quantity as their own policy has it, or with the reason why there is none.

    What the facts said of them before is forgotten, so that a recorded decision can be sized anew under another policy.
    """
    unsized = replace(facts, quantity=None, limit_price=None, sizing_refusal=None)
    return _chase(unsized) if facts.is_chase else _entry(unsized)


def _entry(facts: EntryFacts) -> EntryFacts:
    limits, quote, rules, account = facts.limits, facts.quote, facts.rules, facts.account
    if limits is None or quote is None or rules is None:
        return facts
    limit_price = entry_limit_price(
        side=facts.signal.side,
        quote=quote,
        reference_price=facts.signal.reference_price or touch_price(quote, side=facts.signal.side),
        slippage_share=limits.slippage_share_max,
        rules=rules,
    )
    if account is None:
        return replace(facts, limit_price=limit_price)
    sized = size_entry(
        policy=limits,
        equity=account.equity,
        limit_price=limit_price,
        mark_price=quote.mark_price,
        confidence=facts.signal.confidence,
        rules=rules,
        stop_distance_share=stop_distance_share(regime=facts.regime, confidence=facts.signal.confidence, policy=limits),
        regime_factor=_factor(facts, limits),
    )
    if isinstance(sized, SizedEntry):
        return replace(facts, quantity=sized.quantity, limit_price=limit_price)
    return replace(facts, limit_price=limit_price, sizing_refusal=sized)


def _factor(facts: EntryFacts, limits: Policy) -> Decimal:
    """What the market's regime and the symbol's recent results leave of the risk budget; what is not known is the
    gates' business."""
    regime = ONE if facts.regime is None else SIZE_FACTORS[facts.regime.regime]
    results = ONE if facts.results is None else facts.results.size_factor(losses_max=limits.symbol_losses_max)
    return exactly(regime, "*", results)


def _chase(facts: EntryFacts) -> EntryFacts:
    limits, quote, rules = facts.limits, facts.quote, facts.rules
    remaining, first_reference_price = facts.remaining_quantity, facts.first_reference_price
    if limits is None or quote is None or rules is None or remaining is None or first_reference_price is None:
        return facts
    limit_price = chase_limit_price(
        side=facts.signal.side,
        quote=quote,
        first_reference_price=first_reference_price,
        slippage_share=limits.slippage_share_max,
        drift_share=limits.price_drift_share_max,
        rules=rules,
    )
    remainder = remainder_attempt(
        remaining_quantity=remaining,
        chases_made=facts.attempt_number - 2,  # after the first attempt, before this one
        price=limit_price,
        rules=rules,
        jitter=ZERO,  # the delay was spent before this attempt was due
    )
    if isinstance(remainder, ChaseEnd):
        refusal = Verdict(gate=size.GATE, code=remainder.code, numbers={"chase": remainder.reason})
        return replace(facts, limit_price=limit_price, sizing_refusal=refusal)
    return replace(facts, quantity=remainder.quantity, limit_price=limit_price)
