"""The state tables: terminal is terminal, everything can end, and every arrow is the one written here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.ess import ESS_TRANSITIONS, EssEvent, EssState, next_ess_state
from app.domain.orders import (
    ATTEMPT_TRANSITIONS,
    ORDER_TRANSITIONS,
    AttemptEvent,
    AttemptState,
    OrderEvent,
    OrderState,
    next_attempt_state,
    next_order_state,
)
from app.domain.signals import (
    SIGNAL_TRANSITIONS,
    IllegalTransitionError,
    SignalEvent,
    SignalState,
    next_signal_state,
)

Table = Mapping[Any, Mapping[Any, Any]]
Step = Callable[[Any, Any], Any]

TABLES: list[tuple[str, type[StrEnum], type[StrEnum], Table, Step, set[str]]] = [
    (
        "signal",
        SignalState,
        SignalEvent,
        SIGNAL_TRANSITIONS,
        next_signal_state,
        {"DROPPED", "EVICTED", "EXPIRED", "DENIED", "OBSERVED", "EXECUTED", "FAILED"},
    ),
    (
        "order",
        OrderState,
        OrderEvent,
        ORDER_TRANSITIONS,
        next_order_state,
        {"FILLED", "PARTIALLY_FILLED", "EXPIRED", "REJECTED", "NOT_SENT"},
    ),
    (
        "attempt",
        AttemptState,
        AttemptEvent,
        ATTEMPT_TRANSITIONS,
        next_attempt_state,
        {"FILLED", "PARTIALLY_FILLED", "EXPIRED", "REJECTED", "NOT_SENT"},
    ),
    # An emergency stop never ends: it always can be tripped.
    ("emergency stop", EssState, EssEvent, ESS_TRANSITIONS, next_ess_state, set()),
]
every_table = pytest.mark.parametrize(
    ("states", "events", "table", "step", "terminal"), [row[1:] for row in TABLES], ids=[row[0] for row in TABLES]
)


def reachable(table: Table, start: Any) -> set[Any]:
    """Every state that some walk from `start` arrives at."""
    seen: set[Any] = set()
    frontier = [start]
    while frontier:
        for state in table.get(frontier.pop(), {}).values():
            if state not in seen:
                seen.add(state)
                frontier.append(state)
    return seen


@every_table
def test_exactly_the_terminal_states_have_no_way_out(
    states: Any, events: Any, table: Table, step: Step, terminal: set[str]
) -> None:
    assert {state for state in states if state not in table} == terminal
    assert all(table[state] for state in table)
    for state in terminal:
        for event in events:
            with pytest.raises(IllegalTransitionError, match=f"{state}.*{event}"):
                step(states(state), event)


@every_table
def test_every_state_that_is_not_terminal_has_a_way_to_end(
    states: Any, events: Any, table: Table, step: Step, terminal: set[str]
) -> None:
    for state in table:
        ends = reachable(table, state)
        assert ends & terminal or not terminal


@every_table
def test_every_state_and_event_is_used(states: Any, events: Any, table: Table, step: Step, terminal: set[str]) -> None:
    initial = next(iter(states))
    assert reachable(table, initial) | {initial} == set(states)
    assert {event for arrows in table.values() for event in arrows} == set(events)


@every_table
@given(data=st.data())
def test_a_walk_of_any_events_follows_the_table_and_stays_where_it_ended(
    states: Any, events: Any, table: Table, step: Step, terminal: set[str], data: st.DataObject
) -> None:
    state = next(iter(states))
    ended_in = None
    for event in data.draw(st.lists(st.sampled_from(events), max_size=30)):
        previous = state
        try:
            state = step(state, event)
        except IllegalTransitionError:
            assert event not in table.get(state, {})
            continue
        assert event in table[previous]
        assert ended_in is None
        assert state in states
        ended_in = state if state in terminal else None


def test_the_properties_tell_terminal_and_open_states_apart() -> None:
    assert {state for state in SignalState if state.is_terminal} == TABLES[0][5]
    assert {state for state in OrderState if state.is_terminal} == TABLES[1][5]
    assert {state for state in AttemptState if state.is_open} == {"SENDING", "UNKNOWN"}
    assert {state for state in EssState if state.permits_entries} == {"ARMED", "DISABLED"}


def test_a_refusal_never_settles_an_attempt_whose_first_answer_was_lost() -> None:
    assert next_attempt_state(AttemptState.SENDING, AttemptEvent.REJECTED) is AttemptState.REJECTED
    with pytest.raises(IllegalTransitionError):
        next_attempt_state(AttemptState.UNKNOWN, AttemptEvent.REJECTED)


def test_an_unknown_attempt_stays_unknown_until_the_exchange_tells() -> None:
    assert next_attempt_state(AttemptState.UNKNOWN, AttemptEvent.AMBIGUOUS) is AttemptState.UNKNOWN
    assert next_attempt_state(AttemptState.UNKNOWN, AttemptEvent.FILLED) is AttemptState.FILLED
    assert next_attempt_state(AttemptState.UNKNOWN, AttemptEvent.NOT_FOUND_FOR_GOOD) is AttemptState.NOT_SENT


def test_a_tripped_stop_lets_entries_through_only_after_reset_and_cooldown() -> None:
    for state in EssState:
        assert next_ess_state(state, EssEvent.TRIPPED) is EssState.TRIPPED
    for event in set(EssEvent) - {EssEvent.RESET, EssEvent.TRIPPED}:
        with pytest.raises(IllegalTransitionError):
            next_ess_state(EssState.TRIPPED, event)
    assert next_ess_state(EssState.TRIPPED, EssEvent.RESET) is EssState.COOLING_DOWN
    assert next_ess_state(EssState.COOLING_DOWN, EssEvent.COOLED_DOWN) is EssState.ARMED
