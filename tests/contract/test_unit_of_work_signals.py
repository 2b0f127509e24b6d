"""What every unit of work does, the one on Postgres and the fake: signals."""

from __future__ import annotations

import pytest

from app.domain.signals import SIGNAL_TRANSITIONS, Side, SignalEvent, SignalState
from app.ports import (
    InvalidCursorError,
    UnitOfWorkFactory,
)
from tests.contract.unit_of_work_steps import put_in_state, put_signals
from tests.contract.unit_of_work_values import (
    NOW,
    D,
    later,
    signal,
)


def test_a_signal_comes_back_as_it_was_given(begin: UnitOfWorkFactory) -> None:
    given = signal(reference_price=None), signal("s2", side=Side.SELL, models={}, confidence=D(1))
    with begin() as uow:
        assert list(uow.signals.add_many(given)) == [True, True]
        uow.commit()
    with begin() as uow:
        first, second = uow.signals.get("s1"), uow.signals.lock("s2")
    assert first is not None
    assert second is not None
    assert (first.signal, second.signal) == given
    assert (first.state, first.reason_code, first.reason, first.decided_at) == (SignalState.QUEUED, None, None, None)
    assert (first.dispatched_at, first.policy_version) == (None, None)
    assert first.sequence < second.sequence


def test_a_signal_id_stored_before_changes_nothing(begin: UnitOfWorkFactory) -> None:
    put_signals(begin, "s1")
    with begin() as uow:
        answers = uow.signals.add_many([signal("s2"), signal("s1", confidence=D("0.9")), signal("s3")])
        assert list(answers) == [True, False, True]
        uow.commit()
    with begin() as uow:
        stored = uow.signals.get("s1")
    assert stored is not None
    assert stored.signal == signal("s1")


def test_the_first_of_twins_in_one_batch_wins(begin: UnitOfWorkFactory) -> None:
    twins = [signal("t", confidence=D("0.1")), signal("u"), signal("t", confidence=D("0.9")), signal("t")]
    with begin() as uow:
        assert list(uow.signals.add_many(twins)) == [True, True, False, False]
        stored = uow.signals.get("t")
    assert stored is not None
    assert stored.signal.confidence == D("0.1")


def test_a_batch_is_numbered_in_order_of_arrival_whatever_the_ids(begin: UnitOfWorkFactory) -> None:
    ids = ["m", "z", "a", "q"]
    put_signals(begin, *ids)
    with begin() as uow:
        stored = [uow.signals.get(each) for each in ids]
    numbers = [each.sequence for each in stored if each is not None]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) == 4


def test_no_signals_are_no_answers(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        assert list(uow.signals.add_many([])) == []
        assert list(uow.signals.advance([], SignalEvent.EXPIRED, now=NOW)) == []


@pytest.mark.parametrize("event_", list(SignalEvent))
def test_an_advance_moves_exactly_what_the_table_lets_move(begin: UnitOfWorkFactory, event_: SignalEvent) -> None:
    put_signals(begin, *SignalState)
    with begin() as uow:
        for state in SignalState:
            put_in_state(uow, state, state)
        moved = uow.signals.advance([*SignalState, "unknown"], event_, now=NOW)
        arrows = {state: moves[event_] for state, moves in SIGNAL_TRANSITIONS.items() if event_ in moves}
        assert list(moved) == [state for state in SignalState if state in arrows]
        for state in SignalState:
            stored = uow.signals.get(state)
            assert stored is not None
            assert stored.state is arrows.get(state, state)


def test_an_advance_tells_reason_policy_and_time(begin: UnitOfWorkFactory) -> None:
    put_signals(begin, "s1")
    with begin() as uow:
        uow.signals.advance(["s1"], SignalEvent.DISPATCHED, now=later(1))
        dispatched = uow.signals.get("s1")
        uow.signals.advance(
            ["s1"], SignalEvent.ORDERED, now=later(2), reason_code="APPROVED", reason="all gates", policy_version=7
        )
        ordered = uow.signals.get("s1")
        uow.signals.advance(["s1"], SignalEvent.EXECUTED, now=later(3), reason_code="FILLED")
        executed = uow.signals.get("s1")
    assert dispatched is not None
    assert ordered is not None
    assert executed is not None
    assert (dispatched.dispatched_at, dispatched.decided_at) == (later(1), None)
    assert (ordered.reason_code, ordered.reason, ordered.policy_version) == ("APPROVED", "all gates", 7)
    # A reason belongs to its state; the decision and its policy are the first ones.
    assert (executed.reason_code, executed.reason, executed.policy_version) == ("FILLED", None, 7)
    assert (executed.decided_at, executed.dispatched_at) == (later(2), later(1))


def test_an_id_named_twice_moves_once(begin: UnitOfWorkFactory) -> None:
    put_signals(begin, "a", "b")
    with begin() as uow:
        assert list(uow.signals.advance(["b", "a", "b"], SignalEvent.EXPIRED, now=NOW)) == ["b", "a"]
        assert list(uow.signals.advance(["b", "a", "b"], SignalEvent.EXPIRED, now=NOW)) == []


def test_sweeps_find_what_waits_oldest_first(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        uow.signals.add_many([signal(f"q{age}", received_at=later(-age)) for age in (1, 3, 2)])
        uow.signals.add_many([signal(f"d{age}") for age in (1, 3, 2)])
        uow.signals.add_many([signal("over", received_at=later(-9))])
        uow.signals.advance(["over"], SignalEvent.EXPIRED, now=NOW)
        for age in (1, 3, 2):
            uow.signals.advance([f"d{age}"], SignalEvent.DISPATCHED, now=later(-age))
        queued = uow.signals.queued_before(later(-1), limit=5)
        dispatched = uow.signals.dispatched_before(later(-1), limit=1)
        assert [each.signal.signal_id for each in queued] == ["q3", "q2"]
        assert [each.signal.signal_id for each in dispatched] == ["d3"]
        further = uow.signals.queued_before(later(-1), limit=5, after=queued[0])
        assert [each.signal.signal_id for each in further] == ["q2"]
        further = uow.signals.dispatched_before(later(-1), limit=1, after=dispatched[0])
        assert [each.signal.signal_id for each in further] == ["d2"]
        assert uow.signals.dispatched_before(later(-1), limit=5, after=further[0]) == []
        assert uow.signals.in_flight_count() == 3
        uow.signals.advance(["d3"], SignalEvent.ORDERED, now=NOW)
        assert uow.signals.in_flight_count() == 3
        uow.signals.advance(["d3"], SignalEvent.EXECUTED, now=NOW)
        assert uow.signals.in_flight_count() == 2


def test_confidences_are_told_of_the_known(begin: UnitOfWorkFactory) -> None:
    put_signals(begin, "a", "b")
    with begin() as uow:
        assert uow.signals.confidences(["b", "nobody"]) == {"b": signal().confidence}
        assert uow.signals.confidences([]) == {}


def test_pages_go_from_newest_to_oldest_and_end(begin: UnitOfWorkFactory) -> None:
    put_signals(begin, *(f"s{number}" for number in range(5)))
    seen: list[list[str]] = []
    cursor = None
    for _ in range(3):
        with begin() as uow:
            page = uow.signals.page(states=[], after=cursor, limit=2)
        seen.append([item["signal_id"] for item in page.items])
        cursor = page.next
    assert seen == [["s4", "s3"], ["s2", "s1"], ["s0"]]
    assert cursor is None


def test_a_page_that_ends_with_the_last_row_has_no_next(begin: UnitOfWorkFactory) -> None:
    put_signals(begin, "a", "b")
    with begin() as uow:
        assert uow.signals.page(states=[], after=None, limit=2).next is None
        assert uow.signals.page(states=[SignalState.DENIED], after=None, limit=2).items == []


def test_a_cursor_keeps_its_place_while_signals_arrive(begin: UnitOfWorkFactory) -> None:
    put_signals(begin, "a", "b", "c")
    with begin() as uow:
        first = uow.signals.page(states=[], after=None, limit=2)
    put_signals(begin, "d", "e")
    with begin() as uow:
        second = uow.signals.page(states=[], after=first.next, limit=2)
    assert [item["signal_id"] for item in [*first.items, *second.items]] == ["c", "b", "a"]


def test_a_page_shows_the_states_asked_for(begin: UnitOfWorkFactory) -> None:
    put_signals(begin, "a", "b", "c", "d")
    with begin() as uow:
        put_in_state(uow, "a", SignalState.DENIED)
        put_in_state(uow, "b", SignalState.EXECUTED)
        put_in_state(uow, "d", SignalState.DENIED)
        wanted = [SignalState.EXECUTED, SignalState.DENIED, SignalState.DENIED]
        first = uow.signals.page(states=wanted, after=None, limit=2)
        second = uow.signals.page(states=wanted, after=first.next, limit=2)
    assert [item["signal_id"] for item in first.items] == ["d", "b"]
    assert [item["signal_id"] for item in second.items] == ["a"]
    assert second.next is None


def test_a_signal_item_is_ready_for_json(begin: UnitOfWorkFactory) -> None:
    put_signals(begin, "s1")
    with begin() as uow:
        uow.signals.advance(["s1"], SignalEvent.EXPIRED, now=NOW, reason_code="TOO_OLD", reason="age=31")
        (item,) = uow.signals.page(states=[], after=None, limit=1).items
    assert item == {
        "signal_id": "s1",
        "symbol": "BTCUSDT",
        "side": "BUY",
        "confidence": "0.518321943283081",
        "strategy": "ensemble",
        "state": "EXPIRED",
        "reason_code": "TOO_OLD",
        "reason": "age=31",
        "generated_at": "2026-11-22T11:59:59.123456Z",
        "received_at": "2026-11-22T12:00:00.123456Z",
        "expires_at": "2026-11-22T12:00:30.123456Z",
        "dispatched_at": None,
        "decided_at": "2026-11-22T12:00:00.123456Z",
        "reference_price": "84123.4",
        "policy_version": None,
        "producer": "models",
        "correlation_id": "c-s1",
    }


@pytest.mark.parametrize("cursor", ["", "x", "czo", "czotMQ", "czo5OTk5OTk5OTk5OTk5OTk5OTk5OQ", "ключ", "czox="])
def test_a_cursor_we_never_handed_out_is_refused(begin: UnitOfWorkFactory, cursor: str) -> None:
    with begin() as uow, pytest.raises(InvalidCursorError):
        uow.signals.page(states=[], after=cursor, limit=2)


@pytest.mark.parametrize("limit", [0, -1, 501])
def test_a_page_has_a_size(begin: UnitOfWorkFactory, limit: int) -> None:
    with begin() as uow, pytest.raises(ValueError, match="a page holds"):
        uow.signals.page(states=[], after=None, limit=limit)
