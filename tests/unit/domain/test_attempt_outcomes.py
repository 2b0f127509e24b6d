"""What follows from the end of an attempt, for the attempt and for its order."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.attempt_outcomes import (
    FINAL_STATUSES,
    OverfilledError,
    attempt_event,
    is_final_report,
    order_event,
)
from app.domain.orders import AttemptEvent, AttemptState, OrderEvent, OrderPurpose, OrderState, next_order_state
from tests.unit.domain.builders import D

ENDED = [state for state in AttemptState if not state.is_open]


def of_attempt(executed: str, *, status: str = "EXPIRED", reduce_only: bool = False) -> AttemptEvent:
    return attempt_event(
        status=status, executed_quantity=D(executed), attempt_quantity=D("10"), reduce_only=reduce_only
    )


def of_order(
    executed: str, state: AttemptState = AttemptState.PARTIALLY_FILLED, *, made: int = 1, **changes: Any
) -> OrderEvent | None:
    facts: dict[str, Any] = {
        "purpose": OrderPurpose.ENTRY,
        "quantity": D("10"),
        "executed_quantity": D(executed),
        "attempts_made": made,
        "attempt_state": state,
        "is_transient": False,
    }
    return order_event(**{**facts, **changes})


@pytest.mark.parametrize(
    ("executed", "what"),
    [
        ("10", AttemptEvent.FILLED),
        ("9.999", AttemptEvent.PARTLY_FILLED),
        ("0.001", AttemptEvent.PARTLY_FILLED),
        ("0", AttemptEvent.EXPIRED),
    ],
)
def test_a_final_report_is_judged_by_what_was_executed(executed: str, what: AttemptEvent) -> None:
    assert of_attempt(executed) is what


@pytest.mark.parametrize("status", ["NEW", "PARTIALLY_FILLED", "PENDING_CANCEL", "HALTED", "", "filled"])
@pytest.mark.parametrize("executed", ["0", "9.999"])
def test_a_status_that_is_not_listed_as_final_leaves_the_outcome_open(executed: str, status: str) -> None:
    assert of_attempt(executed, status=status) is AttemptEvent.AMBIGUOUS


@pytest.mark.parametrize("status", sorted(FINAL_STATUSES - {"FILLED"}))
def test_every_final_status_ends_an_attempt(status: str) -> None:
    assert of_attempt("0", status=status) is AttemptEvent.EXPIRED
    assert of_attempt("4", status=status) is AttemptEvent.PARTLY_FILLED


def test_filled_with_less_than_an_entry_asked_for_contradicts_itself_and_leaves_the_outcome_open() -> None:
    assert of_attempt("9.999", status="FILLED") is AttemptEvent.AMBIGUOUS
    assert of_attempt("0", status="FILLED") is AttemptEvent.AMBIGUOUS


def test_a_reduce_only_order_may_be_filled_with_less_because_the_exchange_cuts_it_to_the_position() -> None:
    assert of_attempt("4", status="FILLED", reduce_only=True) is AttemptEvent.PARTLY_FILLED


def test_a_full_fill_is_a_full_fill_whatever_the_status_says() -> None:
    assert of_attempt("10", status="NEW") is AttemptEvent.FILLED


@given(status=st.text(max_size=20), executed=st.decimals(Decimal(0), Decimal("9.999"), places=3))
def test_no_invented_status_is_a_last_word(status: str, executed: Decimal) -> None:
    if status not in FINAL_STATUSES:
        assert not is_final_report(status=status, executed_quantity=executed, asked_quantity=D("10"))


@pytest.mark.parametrize("status", ["NEW", "EXPIRED"])
def test_more_than_was_asked_for_is_a_surprise(status: str) -> None:
    with pytest.raises(OverfilledError, match=r"^executed=10\.001, asked=10"):
        of_attempt("10.001", status=status)


def test_ninety_percent_is_enough_and_one_unit_less_is_not() -> None:
    assert of_order("9.0") is OrderEvent.FILLED_ENOUGH
    assert of_order("8.999") is OrderEvent.REMAINDER_LEFT


@pytest.mark.parametrize("state", ENDED)
def test_enough_is_enough_however_the_last_attempt_ended(state: AttemptState) -> None:
    assert of_order("9.5", state, made=4) is OrderEvent.FILLED_ENOUGH


@pytest.mark.parametrize("state", [AttemptState.SENDING, AttemptState.UNKNOWN])
def test_while_an_attempt_is_open_nothing_follows_however_much_was_filled_before(state: AttemptState) -> None:
    assert of_order("0", state) is None
    assert of_order("9.5", state) is None


@pytest.mark.parametrize("state", [AttemptState.PARTIALLY_FILLED, AttemptState.EXPIRED, AttemptState.NOT_SENT])
def test_a_remainder_is_chased_three_times_and_no_more(state: AttemptState) -> None:
    for made in (1, 2, 3):
        assert of_order("5", state, made=made) is OrderEvent.REMAINDER_LEFT
        assert of_order("0", state, made=made) is OrderEvent.REMAINDER_LEFT
    assert of_order("5", state, made=4) is OrderEvent.CHASE_ENDED


@pytest.mark.parametrize(
    ("state", "what"),
    [
        (AttemptState.EXPIRED, OrderEvent.NOTHING_FILLED),
        (AttemptState.NOT_SENT, OrderEvent.NOT_SENT),
        (AttemptState.REJECTED, OrderEvent.REJECTED),
    ],
)
def test_a_chase_that_ends_without_a_fill_ends_as_its_last_attempt_did(state: AttemptState, what: OrderEvent) -> None:
    assert of_order("0", state, made=4) is what


def test_a_refusal_for_good_ends_the_order_and_a_passing_one_is_tried_again() -> None:
    assert of_order("0", AttemptState.REJECTED) is OrderEvent.REJECTED
    assert of_order("5", AttemptState.REJECTED) is OrderEvent.CHASE_ENDED
    assert of_order("0", AttemptState.REJECTED, is_transient=True) is OrderEvent.REMAINDER_LEFT
    assert of_order("0", AttemptState.REJECTED, is_transient=True, made=4) is OrderEvent.REJECTED


def test_an_exit_is_never_chased_here() -> None:
    assert of_order("5", purpose=OrderPurpose.EXIT) is OrderEvent.CHASE_ENDED
    assert of_order("0", AttemptState.EXPIRED, purpose=OrderPurpose.EXIT) is OrderEvent.NOTHING_FILLED


def test_more_than_was_approved_is_a_surprise_even_while_an_attempt_is_open() -> None:
    for state in AttemptState:
        with pytest.raises(OverfilledError, match=r"^executed=10\.001, approved=10"):
            of_order("10.001", state)


@given(
    executed=st.decimals(Decimal(0), Decimal(10), places=3),
    state=st.sampled_from(ENDED),
    made=st.integers(1, 6),
    purpose=st.sampled_from(OrderPurpose),
    is_transient=st.booleans(),
)
def test_whatever_ends_an_attempt_the_order_has_an_arrow_for_what_follows(
    executed: Decimal, state: AttemptState, made: int, purpose: OrderPurpose, is_transient: bool
) -> None:
    what = order_event(
        purpose=purpose,
        quantity=D("10"),
        executed_quantity=executed,
        attempts_made=made,
        attempt_state=state,
        is_transient=is_transient,
    )
    assert what is not None
    after = next_order_state(OrderState.SUBMITTED, what)
    assert after.is_terminal != (what is OrderEvent.REMAINDER_LEFT)
    if after in (OrderState.EXPIRED, OrderState.REJECTED, OrderState.NOT_SENT):
        assert executed == 0
    if after in (OrderState.FILLED, OrderState.PARTIALLY_FILLED):
        assert executed > 0
