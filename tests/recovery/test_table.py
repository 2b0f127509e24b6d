"""The table of recovery points is the code's: every state that a walk through the domain reaches has exactly one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from app.domain.attempt_outcomes import ATTEMPTS_MAX, order_event
from app.domain.money import ZERO
from app.domain.orders import (
    ATTEMPT_TRANSITIONS,
    AttemptEvent,
    AttemptState,
    OrderEvent,
    OrderPurpose,
    OrderState,
    next_order_state,
)
from app.domain.recovery_points import RECOVERY_POINTS, STREAM, DurableState, RecoveryPoint, points_of
from app.domain.signals import SIGNAL_TRANSITIONS, SignalState
from app.flow import SWEEPS
from app.services.settle_attempt import _SIGNAL_ENDINGS, COLLECT_FILLS_SECONDS
from app.services.sweep_orders import UNANSWERED_SECONDS, UNBOOKED_SECONDS
from app.services.sweep_signals import UNPLACED_SECONDS, UNRANKED_SECONDS
from tests.recovery.dooms import DOOMS
from tests.unit.domain.builders import D

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "recovery_points.md"
APPROVED = D("10")
SHARES = (D("0"), D("4"), D("9"), D("10"))


def reachable() -> set[DurableState]:
    """Every durable state there is: a walk over the domain's own tables and rules, not a list of ours."""
    found = {
        DurableState(signal=state, order=None, attempt=None, is_unbooked=False)
        for state in SignalState
        if state is not SignalState.ORDERED
    }
    for purpose, (order, attempt, executed) in itertools.product(OrderPurpose, walk_orders()):
        if purpose is OrderPurpose.EXIT and order is OrderState.CHASING:
            continue
        signal = None
        if purpose is OrderPurpose.ENTRY:
            signal = SignalState.ORDERED if not order.is_terminal else _SIGNAL_ENDINGS[order][1]
        for is_unbooked in {False, executed > ZERO}:
            found.add(DurableState(signal=signal, order=order, attempt=attempt, is_unbooked=is_unbooked))
    return found


def walk_orders() -> Iterator[tuple[OrderState, AttemptState, object]]:
    """(order, newest attempt, executed) after any history of attempts."""
    frontier = [(OrderState.SUBMITTED, AttemptState.SENDING, ZERO, 1)]
    seen = set()
    while frontier:
        step = frontier.pop()
        if step in seen:
            continue
        seen.add(step)
        order, attempt, executed, made = step
        yield order, attempt, executed
        if order is OrderState.CHASING:
            for what in (OrderEvent.FILLED_ENOUGH, OrderEvent.CHASE_ENDED, OrderEvent.NOTHING_FILLED):
                frontier.append((next_order_state(order, what), attempt, executed, made))
            frontier.append(
                (next_order_state(order, OrderEvent.ATTEMPT_BEGUN), AttemptState.SENDING, executed, made + 1)
            )
        for event, after in ATTEMPT_TRANSITIONS.get(attempt, {}).items():
            for total in (share for share in SHARES if share >= executed):
                follows = order_event(
                    purpose=OrderPurpose.ENTRY,
                    quantity=APPROVED,
                    executed_quantity=total,
                    attempts_made=made,
                    attempt_state=after,
                    is_transient=event is AttemptEvent.REJECTED and made % 2 == 1,
                )
                state = order if follows is None else next_order_state(order, follows)
                if made <= ATTEMPTS_MAX:
                    frontier.append((state, after, total, made))


def test_every_state_with_something_left_to_do_is_covered_by_exactly_one_point() -> None:
    states = reachable()
    assert len(states) > 30
    wrong = {state: [point.name for point in points_of(state)] for state in states if len(points_of(state)) != 1}
    assert {state: names for state, names in wrong.items() if not state.is_at_rest} == {}
    assert all(names == [] for names in wrong.values())


def test_every_point_is_reached_and_every_open_state_of_every_table_is_in_one() -> None:
    covered = [(state, point) for state in reachable() for point in points_of(state)]
    assert {point.name for _, point in covered} == {point.name for point in RECOVERY_POINTS}
    assert {state.signal for state, _ in covered} >= set(SIGNAL_TRANSITIONS)
    assert {state.order for state, _ in covered} >= {state for state in OrderState if not state.is_terminal}
    assert {state.attempt for state, _ in covered} >= set(ATTEMPT_TRANSITIONS)


def test_whoever_finds_a_point_exists() -> None:
    sweeps = {step.task for step in SWEEPS}
    for point in RECOVERY_POINTS:
        assert set(point.found_by) <= sweeps | {STREAM}
        assert set(point.found_by) & sweeps, f"{point.name} depends on a stream alone"


def test_the_promised_times_leave_room_for_what_the_sweeps_wait() -> None:
    patience = {
        # Ranked again, then dispatched by the next beat.
        "stored": UNRANKED_SECONDS + period("signals.sweep") + period("signals.dispatch"),
        "dispatched": UNPLACED_SECONDS + period("signals.sweep"),
        "sending": UNANSWERED_SECONDS + period("orders.sweep"),
        "unknown": UNANSWERED_SECONDS + period("orders.sweep"),
        "chasing": period("orders.sweep"),
        "executed": max(UNBOOKED_SECONDS, COLLECT_FILLS_SECONDS) + period("orders.sweep"),
    }
    assert patience.keys() == {point.name for point in RECOVERY_POINTS}
    for point in RECOVERY_POINTS:
        assert patience[point.name] <= point.found_seconds_max - 1, point.name
        assert point.found_seconds_max < point.ended_seconds_max


def period(task: str) -> float:
    (seconds,) = [seconds for step, seconds in SWEEPS.items() if step.task == task]
    return seconds


def test_every_death_of_the_table_is_staged_and_no_other() -> None:
    deaths = [death.name for point in RECOVERY_POINTS for death in point.deaths]
    assert len(set(deaths)) == len(deaths)
    assert set(deaths) == set(DOOMS)


def test_the_page_of_the_documentation_shows_this_table() -> None:
    begin, end = "<!-- table -->\n", "<!-- end of table -->"
    shown = DOCUMENT.read_text().split(begin)[1].split(end)[0]
    assert shown.strip() == "\n\n".join(section(point) for point in RECOVERY_POINTS).strip()


def section(point: RecoveryPoint) -> str:
    """One point as the page has it."""
    state = " / ".join(
        [
            str(point.signal or "any"),
            str(point.order or "no order"),
            " or ".join(sorted(point.attempts))
            if point.order and len(point.attempts) < 3
            else "ended attempt"
            if point.order
            else "no attempt",
        ]
    )
    deaths = "\n".join(f"| `{death.name}` | {death.process} | {death.lost} |" for death in point.deaths)
    return "\n".join(
        [
            f"### {point.name}",
            "",
            f"Signal / order / newest attempt: {state}. Durable: {point.durable}.",
            f"Found by {', '.join(f'`{each}`' for each in point.found_by)} within {point.found_seconds_max:g} s; "
            f"at rest within {point.ended_seconds_max:g} s.",
            f"What follows: {point.follows}.",
            "",
            "| a process dies here | which | what is lost |",
            "|---|---|---|",
            deaths,
        ]
    )
