"""Sizing: budget, caps, the venue's minimum, limits on the safe side of the tick, and remainders."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.gates.deviation import touch_price
from app.domain.gates.verdicts import Verdict
from app.domain.money import exactly, is_multiple_of
from app.domain.policy import Policy
from app.domain.signals import Side
from app.domain.sizing import (
    ChaseEnd,
    RemainderAttempt,
    SizedEntry,
    chase_limit_price,
    confidence_scale,
    entry_limit_price,
    remainder_attempt,
    remainder_delay,
    size_entry,
    venue_minimum_quantity,
)
from tests.unit.domain.builders import D, denies, make_policy, make_quote, make_rules


def still_policy(**changes: Any) -> Policy:
    """A policy whose chases may not follow the price, so that caps are met to the digit."""
    return make_policy(**{"price_drift_share_max": D("0"), **changes})


POLICY = still_policy(
    risk_per_trade_share=D("0.01"),
    size_factor=D("1"),
    confidence_minimum=D("0.5"),
    position_notional_max=D("1000000"),
    leverage_max=D("5"),
)
RULES = make_rules(quantity_maximum=D("1000"))


def size(**changes: Any) -> SizedEntry | Verdict:
    """Budget 100 at certainty; at 1,000 and a stop 2 % away that is 5 units."""
    facts: dict[str, Any] = {
        "policy": POLICY,
        "equity": D("10000"),
        "limit_price": D("1000"),
        "mark_price": D("1000"),
        "confidence": D("1"),
        "rules": RULES,
        "stop_distance_share": D("0.02"),
    }
    return size_entry(**{**facts, **changes})


def sized(**changes: Any) -> SizedEntry:
    answer = size(**changes)
    assert isinstance(answer, SizedEntry)
    return answer


def test_the_stop_costs_exactly_the_risk_budget_when_no_cap_binds() -> None:
    assert sized() == SizedEntry(
        quantity=D("5"),
        notional=D("5000"),
        risk=D("100"),
        risk_budget=D("100"),
        confidence_scale=D("1"),
        bound_by="risk_budget",
    )


def test_risk_share_size_factor_and_stop_distance_scale_the_size() -> None:
    assert sized(
        policy=still_policy(
            risk_per_trade_share=D("0.02"), size_factor=D("1.5"), position_notional_max=D("1E9"), leverage_max=D("50")
        )
    ).quantity == D("15")
    assert sized(stop_distance_share=D("0.04")).quantity == D("2.5")
    assert sized(equity=D("5000")).quantity == D("2.5")


@pytest.mark.parametrize(
    ("confidence", "scale"),
    [("0.5", "0.5"), ("0.75", "0.75"), ("0.9", "0.9"), ("1", "1"), ("0.4", "0.5"), ("1.2", "1"), ("0.51", "0.51")],
)
def test_confidence_scales_linearly_from_half_at_the_minimum_to_all_at_certainty(confidence: str, scale: str) -> None:
    assert confidence_scale(confidence=D(confidence), minimum=D("0.5")) == D(scale)


def test_confidence_scales_over_the_policys_own_range() -> None:
    assert confidence_scale(confidence=D("0.7"), minimum=D("0.6")) == D("0.625")
    assert confidence_scale(confidence=D("1"), minimum=D("1")) == D("1")
    entry = sized(confidence=D("0.75"))
    assert (entry.quantity, entry.risk_budget, entry.confidence_scale) == (D("3.75"), D("75"), D("0.75"))


@pytest.mark.parametrize(
    ("changes", "quantity", "bound_by"),
    [
        ({"policy": still_policy(position_notional_max=D("1234.5"))}, "1.234", "position_notional_max"),
        ({"stop_distance_share": D("0.001")}, "50", "leverage_max"),
        ({"rules": make_rules(quantity_maximum=D("4.9995"))}, "4.999", "venue_maximum"),
        ({"rules": make_rules(quantity_maximum=D("0"))}, "5", "risk_budget"),
    ],
)
def test_the_tightest_cap_binds_and_is_named(changes: dict[str, Any], quantity: str, bound_by: str) -> None:
    entry = sized(**changes)
    assert (entry.quantity, entry.bound_by) == (D(quantity), bound_by)


def test_caps_are_held_at_the_dearer_of_limit_and_mark() -> None:
    policy = still_policy(position_notional_max=D("1000"))
    assert sized(policy=policy, limit_price=D("998"), mark_price=D("1000")).quantity == D("1")
    assert sized(policy=policy, limit_price=D("1000"), mark_price=D("998")).quantity == D("1")
    assert sized(limit_price=D("500")).notional == D("5000")


def test_caps_leave_room_for_a_chase_to_follow_the_price() -> None:
    policy = still_policy(position_notional_max=D("1004"), price_drift_share_max=D("0.004"))
    assert sized(policy=policy).quantity == D("1")
    policy = still_policy(position_notional_max=D("1003.99"), price_drift_share_max=D("0.004"))
    assert sized(policy=policy).quantity == D("0.999")
    policy = still_policy(leverage_max=D("0.1004"), position_notional_max=D("1E9"), price_drift_share_max=D("0.004"))
    assert (sized(policy=policy).quantity, sized(policy=policy).bound_by) == (D("1"), "leverage_max")
    # The risk budget is about the stop, which moves with the price: it keeps no such room.
    policy = still_policy(
        risk_per_trade_share=D("0.01"), position_notional_max=D("1E9"), price_drift_share_max=D("0.004")
    )
    assert sized(policy=policy).quantity == D("5")


def test_a_size_is_cut_down_to_the_grid_that_starts_at_the_minimum() -> None:
    rules = make_rules(step_size=D("0.4"), quantity_minimum=D("0.3"), quantity_maximum=D("0"))
    assert sized(rules=rules).quantity == D("4.7")


def test_a_size_below_the_venues_minimum_is_raised_to_it_within_what_full_confidence_may_risk() -> None:
    rules = make_rules(notional_minimum=D("4000"), quantity_maximum=D("0"))
    entry = sized(rules=rules, confidence=D("0.6"))
    assert (entry.quantity, entry.bound_by, entry.risk) == (D("4"), "venue_minimum", D("80"))
    assert entry.risk_budget == D("60")
    exactly_all = make_rules(notional_minimum=D("5000"), quantity_maximum=D("0"))
    assert sized(rules=exactly_all, confidence=D("0.5")).quantity == D("5")


def test_a_size_exactly_at_the_venues_minimum_is_not_raised() -> None:
    entry = sized(rules=make_rules(notional_minimum=D("5000"), quantity_maximum=D("0")))
    assert (entry.quantity, entry.bound_by) == (D("5"), "risk_budget")


def test_a_size_that_cannot_reach_the_venues_minimum_within_the_budget_is_refused_with_the_numbers() -> None:
    rules = make_rules(notional_minimum=D("5000.01"), quantity_maximum=D("0"))
    assert size(rules=rules) == denies(
        "size",
        "SIZE_BELOW_VENUE_MINIMUM",
        quantity="5",
        minimum_quantity="5.001",
        largest_quantity="5",
        limit="1000",
        minimum_notional="5000.01",
        risk_budget="100",
        bound_by="risk_budget",
    )


def test_no_cap_is_broken_for_the_venues_minimum() -> None:
    rules = make_rules(notional_minimum=D("50"), quantity_maximum=D("0"))
    refused = size(rules=rules, policy=still_policy(position_notional_max=D("49.99")))
    assert isinstance(refused, Verdict)
    assert (refused.code, refused.numbers["bound_by"]) == ("SIZE_BELOW_VENUE_MINIMUM", "position_notional_max")
    refused = size(rules=make_rules(quantity_minimum=D("60"), quantity_maximum=D("0")), stop_distance_share=D("0.0001"))
    assert isinstance(refused, Verdict)
    assert (refused.numbers["bound_by"], refused.numbers["quantity"]) == ("leverage_max", "0")


@pytest.mark.parametrize("name", ["equity", "limit_price", "mark_price", "stop_distance_share"])
@pytest.mark.parametrize("value", ["0", "-1"])
def test_nothing_is_sized_on_what_is_not_positive(name: str, value: str) -> None:
    facts = {"equity": "10000", "limit_price": "1000", "mark_price": "1000", "stop_distance_share": "0.02"}
    seen = {**facts, name: value}
    assert size(**{name: D(value)}) == denies(
        "size",
        "SIZE_INPUT_NOT_POSITIVE",
        equity=seen["equity"],
        limit=seen["limit_price"],
        mark=seen["mark_price"],
        stop_distance_share=seen["stop_distance_share"],
    )


def decimals(low: str, high: str, places: int) -> st.SearchStrategy[Decimal]:
    return st.decimals(D(low), D(high), places=places, allow_nan=False, allow_infinity=False)


@given(
    equity=decimals("1", "1000000", 8),
    limit_price=decimals("0.0001", "100000", 4),
    mark_price=decimals("0.0001", "100000", 4),
    confidence=decimals("0.5", "1", 17),
    stop=decimals("0.0001", "0.5", 4),
    step=st.sampled_from(["0.001", "0.1", "1", "10", "0.3"]),
    notional_minimum=st.sampled_from(["5", "50", "100"]),
)
def test_no_size_ever_exceeds_a_cap_its_full_budget_or_leaves_the_grid(
    equity: Decimal,
    limit_price: Decimal,
    mark_price: Decimal,
    confidence: Decimal,
    stop: Decimal,
    step: str,
    notional_minimum: str,
) -> None:
    rules = make_rules(
        step_size=D(step),
        quantity_minimum=D(step),
        quantity_maximum=D("99999999"),
        notional_minimum=D(notional_minimum),
    )
    policy = still_policy(position_notional_max=D("1000"), leverage_max=D("3"), size_factor=D("0.7"))
    entry = size(
        policy=policy,
        equity=equity,
        limit_price=limit_price,
        mark_price=mark_price,
        confidence=confidence,
        rules=rules,
        stop_distance_share=stop,
    )
    if isinstance(entry, Verdict):
        assert entry.code == "SIZE_BELOW_VENUE_MINIMUM"
        return
    assert is_multiple_of(entry.quantity, D(step))
    assert entry.notional == exactly(entry.quantity, "*", max(limit_price, mark_price))
    assert entry.notional <= 1000
    assert entry.notional <= exactly(equity, "*", D("3"))
    assert exactly(entry.quantity, "*", limit_price) >= D(notional_minimum)
    full_budget = exactly(exactly(equity, "*", policy.risk_per_trade_share), "*", D("0.7"))
    assert entry.risk == exactly(entry.notional, "*", stop)
    assert entry.risk <= (full_budget if entry.bound_by == "venue_minimum" else entry.risk_budget)
    assert entry.risk_budget <= full_budget


@given(
    minimum=decimals("0.001", "3", 3),
    step=st.sampled_from(["0.001", "0.7", "3"]),
    notional=decimals("0", "500", 2),
    price=decimals("0.0001", "1000", 4),
)
def test_the_venues_minimum_is_the_smallest_quantity_it_takes(
    minimum: Decimal, step: str, notional: Decimal, price: Decimal
) -> None:
    rules = make_rules(quantity_minimum=minimum, step_size=D(step), notional_minimum=notional)
    quantity = venue_minimum_quantity(rules, price=price)
    assert exactly(quantity, "*", price) >= notional
    assert quantity >= minimum
    assert is_multiple_of(exactly(quantity, "-", minimum), D(step))
    one_less = exactly(quantity, "-", D(step))
    assert one_less < minimum or exactly(one_less, "*", price) < notional


def test_without_a_step_the_venues_minimum_is_the_bound_itself() -> None:
    rules = make_rules(step_size=D("0"), quantity_minimum=D("0.5"), notional_minimum=D("50"))
    assert venue_minimum_quantity(rules, price=D("1000")) == D("0.5")
    assert venue_minimum_quantity(rules, price=D("10")) == D("5")
    assert sized(
        rules=make_rules(step_size=D("0"), quantity_maximum=D("0")),
        limit_price=D("30"),
        mark_price=D("30"),
        policy=still_policy(position_notional_max=D("100")),
    ).quantity > D("3.3333333333")


# ------------------------------------------------------------------------------------------------------------- limits

QUOTE = make_quote(bid_price=D("99.95"), ask_price=D("100.05"))
TICKS = make_rules(tick_size=D("0.1"), price_minimum=D("0.05"))


@pytest.mark.parametrize(
    ("side", "reference", "limit"),
    [
        # One percent beyond the touch: 101.0505 to buy, 98.9505 to sell; the grid is x.x5.
        (Side.BUY, None, "101.05"),
        (Side.SELL, None, "99.05"),
        # One percent beyond a reference that is better for us than the touch.
        (Side.BUY, "100", "100.95"),
        (Side.SELL, "100", "99.05"),
        # A reference that is worse for us than the touch gives no room.
        (Side.BUY, "150", "101.05"),
        (Side.SELL, "50", "99.05"),
        (Side.SELL, "100.2", "99.25"),
    ],
)
def test_an_entrys_limit_is_the_slippage_beyond_the_better_of_reference_and_touch(
    side: Side, reference: str | None, limit: str
) -> None:
    price = entry_limit_price(
        side=side,
        quote=QUOTE,
        reference_price=None if reference is None else D(reference),
        slippage_share=D("0.01"),
        rules=TICKS,
    )
    assert price == D(limit)


@pytest.mark.parametrize(
    ("side", "first", "limit"),
    [
        (Side.BUY, "100", "101.05"),  # the touch binds: 101.0505
        (Side.SELL, "100", "99.05"),
        (Side.BUY, "98.5", "100.45"),  # the drift of 2 % binds: 100.47
        (Side.SELL, "101.5", "99.55"),  # 99.47
    ],
)
def test_a_chases_limit_follows_the_touch_but_never_past_the_drift(side: Side, first: str, limit: str) -> None:
    price = chase_limit_price(
        side=side,
        quote=QUOTE,
        first_reference_price=D(first),
        slippage_share=D("0.01"),
        drift_share=D("0.02"),
        rules=TICKS,
    )
    assert price == D(limit)


def test_without_a_tick_a_limit_is_not_rounded() -> None:
    rules = make_rules(tick_size=D("0"))
    price = entry_limit_price(side=Side.BUY, quote=QUOTE, reference_price=None, slippage_share=D("0.0123"), rules=rules)
    assert price == D("101.280615")


@given(
    side=st.sampled_from(Side),
    bid=decimals("1", "1000", 2),
    spread=decimals("0", "5", 2),
    reference=st.none() | decimals("1", "1000", 3),
    slippage=decimals("0", "0.05", 4),
    tick=st.sampled_from(["0.01", "0.05", "0.3"]),
)
def test_a_limit_is_on_the_tick_and_never_worse_than_the_slippage_from_touch_and_reference(
    side: Side, bid: Decimal, spread: Decimal, reference: Decimal | None, slippage: Decimal, tick: str
) -> None:
    rules = make_rules(tick_size=D(tick), price_minimum=D("0.01"))
    quote = make_quote(bid_price=bid, ask_price=bid + spread)
    price = entry_limit_price(side=side, quote=quote, reference_price=reference, slippage_share=slippage, rules=rules)
    assert is_multiple_of(price - D("0.01"), D(tick))
    for anchor in (touch_price(quote, side=side), reference):
        if anchor is not None:
            assert (price - anchor * (1 + slippage * side.sign)) * side.sign <= 0


# --------------------------------------------------------------------------------------------------------- remainders


def remainder(
    remaining: str, *, chases_made: int = 0, jitter: str = "0", **changes: Any
) -> RemainderAttempt | ChaseEnd:
    facts: dict[str, Any] = {"price": D("100"), "rules": make_rules()}
    return remainder_attempt(
        remaining_quantity=D(remaining), chases_made=chases_made, jitter=D(jitter), **{**facts, **changes}
    )


def test_a_remainder_is_cut_down_to_the_step() -> None:
    assert remainder("1.2349") == RemainderAttempt(quantity=D("1.234"), delay=timedelta(seconds=0.5))


def test_a_remainder_of_exactly_the_minimum_notional_is_chased_and_one_step_less_is_not() -> None:
    assert remainder("0.5") == RemainderAttempt(quantity=D("0.5"), delay=timedelta(seconds=0.5))
    assert remainder("0.4999") == ChaseEnd(
        code="REMAINDER_BELOW_VENUE_MINIMUM",
        reason="remaining=0.4999, quantity=0.499, minimum=0.001, notional=49.9, minimum_notional=50",
    )


def test_a_remainder_below_the_minimum_quantity_is_not_chased() -> None:
    rules = make_rules(quantity_minimum=D("2"), notional_minimum=D("0"))
    assert remainder("2", rules=rules) == RemainderAttempt(quantity=D("2"), delay=timedelta(seconds=0.5))
    end = remainder("1.999", rules=rules)
    assert isinstance(end, ChaseEnd)
    assert end.code == "REMAINDER_BELOW_VENUE_MINIMUM"
    assert isinstance(remainder("0", rules=make_rules(notional_minimum=D("0"), quantity_minimum=D("0"))), ChaseEnd)


def test_three_chases_are_made_and_no_fourth() -> None:
    delays = []
    for made in range(3):
        attempt = remainder("1", chases_made=made)
        assert isinstance(attempt, RemainderAttempt)
        delays.append(attempt.delay)
    assert delays == [timedelta(seconds=0.5), timedelta(seconds=1), timedelta(seconds=2)]
    assert remainder("1", chases_made=3) == ChaseEnd(code="REMAINDER_ATTEMPTS_EXHAUSTED", reason="chases=3, maximum=3")


def test_jitter_adds_up_to_a_quarter_of_the_delay() -> None:
    assert remainder_delay(chases_made=1, jitter=D("0.5")) == timedelta(seconds=1.125)
    assert remainder_delay(chases_made=0, jitter=D("0.999999")) < timedelta(seconds=0.625)
    for outside in ("-0.000001", "1"):
        with pytest.raises(ValueError, match=r"jitter must lie in \[0, 1\)"):
            remainder_delay(chases_made=0, jitter=D(outside))


@given(remaining=decimals("0", "1000", 9), price=decimals("0.01", "100000", 2))
def test_a_chase_never_asks_for_more_than_remains(remaining: Decimal, price: Decimal) -> None:
    attempt = remainder(str(remaining), price=price)
    if isinstance(attempt, ChaseEnd):
        assert attempt.code == "REMAINDER_BELOW_VENUE_MINIMUM"
        assert exactly(remaining - D("0.001"), "*", price) < 50
        return
    assert 0 < attempt.quantity <= remaining
    assert exactly(attempt.quantity, "*", price) >= 50


@pytest.mark.parametrize(("factor", "quantity"), [("1", "5"), ("0.6", "3"), ("0.3", "1.5"), ("2", "5")])
def test_a_regime_leaves_a_part_of_the_risk_and_never_more_than_all(factor: str, quantity: str) -> None:
    assert sized(regime_factor=D(factor)).quantity == D(quantity)


def test_no_digit_of_a_size_exceeds_what_its_budget_pays_for_where_no_step_cuts_it() -> None:
    # Two thirds have no last digit: rounded to nearest they would be dearer than the budget.
    rules = make_rules(step_size=D("0"), quantity_minimum=D("0"), notional_minimum=D("0"))
    sized = size_entry(
        policy=still_policy(risk_per_trade_share=D("0.02"), size_factor=D("1"), confidence_minimum=D("0.5")),
        equity=D("100"),
        limit_price=D("3"),
        mark_price=D("3"),
        confidence=D("1"),
        rules=rules,
        stop_distance_share=D("1"),
    )
    assert isinstance(sized, SizedEntry)
    assert D("0.66666666666666666666666666666") < sized.quantity
    assert exactly(sized.quantity, "*", D("3")) <= D("2")


def test_a_confidence_earns_no_digit_more_than_its_share() -> None:
    scale = confidence_scale(confidence=D("0.7"), minimum=D("0.1"))
    assert D("0.8333333333333333333333333333") <= scale
    assert exactly(scale, "*", D("6")) <= D("5")


def test_a_minimum_is_not_short_of_what_the_venue_demands_by_a_single_digit() -> None:
    rules = make_rules(step_size=D("0"), quantity_minimum=D("0"), notional_minimum=D("1"))
    assert exactly(venue_minimum_quantity(rules, price=D("3")), "*", D("3")) >= D("1")
