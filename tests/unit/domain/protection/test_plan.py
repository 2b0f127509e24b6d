"""The next step: what is placed, cancelled and closed, for every state the orders of a position can be in."""

from __future__ import annotations

import uuid
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.positions import Position, flat_position
from app.domain.protection.orders import (
    PROTECTION_TRANSITIONS,
    Leg,
    ProtectionEvent,
    ProtectionState,
    ProtectiveOrder,
    client_algo_id,
    is_ours,
    next_protection_state,
)
from app.domain.protection.plan import SLICES_MAX, ProtectionFacts, next_step
from app.domain.signals import IllegalTransitionError, Side
from tests.unit.domain.builders import NOW, D, ago, make_policy, make_regime, make_rules

numbers = iter(range(1, 1_000_000))


def position(quantity: str = "2") -> Position:
    return replace(flat_position("BTCUSDT"), quantity=D(quantity), entry_price=D(50000), updated_at=NOW)


def facts(**changes: Any) -> ProtectionFacts:
    found = ProtectionFacts(
        now=NOW,
        position=position(),
        guard=None,
        live=[],
        is_exiting=False,
        mark_price=D(50000),
        regime=make_regime(),
        confidence=D("0.8"),
        policy=make_policy(),
        rules=make_rules(),
    )
    return replace(found, **changes)


def orders_of(before: ProtectionFacts, state: ProtectionState = ProtectionState.WORKING) -> list[ProtectiveOrder]:
    """What the step's orders are once they were sent."""
    sent = []
    for leg in next_step(before).place:
        order_id = uuid.UUID(int=next(numbers))
        sent.append(
            ProtectiveOrder(
                client_algo_id=client_algo_id(order_id),
                order_id=order_id,
                symbol="BTCUSDT",
                leg=leg.leg,
                side=leg.side,
                quantity=leg.quantity,
                trigger_price=leg.trigger_price,
                signed_at_ms=0,
                recv_window_ms=2500,
                state=state,
                begun_at=NOW,
            )
        )
    return sent


def protected(**changes: Any) -> ProtectionFacts:
    bare = facts(**changes)
    guard = next_step(bare).guard
    assert guard is not None
    whole = replace(bare, guard=guard, live=orders_of(bare))
    return replace(whole, guard=next_step(whole).guard)


def test_a_protected_position_needs_nothing() -> None:
    whole = protected()
    assert not next_step(whole).changes(whole)
    assert whole.guard is not None
    assert whole.guard.uncovered_since is None


@pytest.mark.parametrize("state", [ProtectionState.SENDING, ProtectionState.UNKNOWN])
def test_what_may_have_arrived_is_neither_sent_again_nor_counted_as_protection(state: ProtectionState) -> None:
    whole = protected()
    unsure = replace(whole, live=[replace(each, state=state) for each in whole.live])
    step = next_step(unsure)
    assert (step.place, step.cancel) == ([], [])
    assert step.guard is not None
    assert step.guard.uncovered_since == NOW


def test_old_orders_go_only_when_all_of_the_new_ones_stand() -> None:
    whole = protected()
    grown = replace(whole, position=position("3"))
    new = orders_of(grown)
    assert len(new) == 2
    assert next_step(grown).cancel == []
    half = replace(grown, live=[*whole.live, new[0], replace(new[1], state=ProtectionState.UNKNOWN)])
    assert next_step(half).cancel == []
    done = replace(grown, live=[*whole.live, *new])
    assert list(next_step(done).cancel) == list(whole.live)


def test_an_order_on_the_wrong_side_goes_at_once() -> None:
    whole = protected()
    turned = replace(whole, position=position("-1"), guard=None)
    assert list(next_step(turned).cancel) == list(whole.live)


def test_what_exits_is_not_protected_beside() -> None:
    step = next_step(facts(is_exiting=True))
    assert step.place == []
    closing = protected()
    assert closing.guard is not None
    over = replace(closing, now=closing.guard.expires_at, is_exiting=True)
    assert next_step(over).close_because is None
    assert next_step(replace(over, is_exiting=False)).close_because == "HOLDING_TIME_OVER"


def test_a_larger_position_than_one_order_may_close_is_protected_in_pieces() -> None:
    step = next_step(facts(position=position("120"), rules=make_rules(market_quantity_maximum=D("50"))))
    pieces = [each.quantity for each in step.place if each.leg is Leg.STOP]
    assert pieces == [D(50), D(50), D(20)]
    endless = next_step(facts(position=position("120"), rules=make_rules(market_quantity_maximum=D("0.001"))))
    assert len(endless.place) == 2 * SLICES_MAX


def test_a_flat_position_has_no_guard_and_loses_every_order_that_stands() -> None:
    whole = protected()
    step = next_step(replace(whole, position=position("0")))
    assert step.guard is None
    assert list(step.cancel) == list(whole.live)


@given(
    quantity=st.integers(-5, 5),
    sizes=st.lists(st.tuples(st.sampled_from(Leg), st.sampled_from(Side), st.integers(1, 5),
                             st.sampled_from(list(PROTECTION_TRANSITIONS)), st.booleans()), max_size=6),
)  # fmt: skip
def test_following_the_steps_always_ends_protected_or_with_nothing(quantity: int, sizes: list[Any]) -> None:
    live = []
    for leg, side, size, state, is_leaving in sizes:
        order_id = uuid.UUID(int=next(numbers))
        live.append(
            ProtectiveOrder(
                client_algo_id=client_algo_id(order_id), order_id=order_id, symbol="BTCUSDT", leg=leg, side=side,
                quantity=Decimal(size), trigger_price=D(49000), signed_at_ms=0, recv_window_ms=2500, state=state,
                begun_at=ago(1), cancel_requested_at=NOW if is_leaving else None,
            )
        )  # fmt: skip
    current = facts(position=position(str(quantity)), live=live)
    for _ in range(6):
        step = next_step(current)
        gone = {each.client_algo_id for each in step.cancel}
        kept = [
            replace(each, state=ProtectionState.WORKING)
            for each in current.live
            if each.client_algo_id not in gone
            and each.cancel_requested_at is None
            and each.state is not ProtectionState.TRIGGERED
        ]
        current = replace(current, guard=step.guard, live=[*kept, *orders_of(current)])
    last = next_step(current)
    assert not last.changes(current)
    closing = {(each.leg, each.side, each.quantity) for each in current.live}
    if quantity:
        side = Side.SELL if quantity > 0 else Side.BUY
        assert closing == {(leg, side, Decimal(abs(quantity))) for leg in Leg}
    else:
        assert closing == set()


def test_every_state_that_may_exist_at_the_exchange_takes_every_word_of_it() -> None:
    for state in ProtectionState:
        for event in ProtectionEvent:
            if state.is_live and event is not ProtectionEvent.NOT_FOUND_FOR_GOOD:
                assert next_protection_state(state, event) in ProtectionState
            elif not state.is_live:
                with pytest.raises(IllegalTransitionError):
                    next_protection_state(state, event)


def test_ids_are_ours_by_their_form() -> None:
    assert is_ours(client_algo_id(uuid.UUID(int=7)))
    assert not is_ours("by-hand")
    assert not is_ours("x-HNA2TXFJ" + "a" * 20)
    assert len(client_algo_id(uuid.UUID(int=7))) <= 36
