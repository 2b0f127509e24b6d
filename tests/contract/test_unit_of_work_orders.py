"""What every unit of work does, the one on Postgres and the fake: orders and attempts."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from app.domain.orders import AttemptState, OrderPurpose, OrderState
from app.domain.signals import Side
from app.ports import (
    ConstraintViolatedError,
    OverfilledError,
    SecondOpenAttemptError,
    UnitOfWorkFactory,
)
from tests.contract.unit_of_work_steps import put_signals
from tests.contract.unit_of_work_values import (
    NOW,
    D,
    attempt,
    later,
    order,
    signal,
)


def test_an_order_and_its_attempts_come_back_as_they_were_given(begin: UnitOfWorkFactory) -> None:
    put_signals(begin, "s1")
    given = order()
    first = attempt(given, state=AttemptState.EXPIRED, ended_at=NOW)
    second = attempt(given, 2, price=None, time_in_force=None)
    with begin() as uow:
        uow.orders.add(given)
        uow.orders.add_attempt(second)
        uow.orders.add_attempt(first)
        uow.commit()
    with begin() as uow:
        assert uow.orders.get(given.order_id) == given == uow.orders.lock(given.order_id)
        assert uow.orders.by_signal("s1") == given
        assert uow.orders.get_attempt(second.client_order_id) == second
        assert list(uow.orders.attempts(given.order_id)) == [first, second]
        assert uow.orders.get(uuid.uuid4()) is None
        assert uow.orders.lock(uuid.uuid4()) is None
        assert uow.orders.by_signal("nobody") is None
        assert uow.orders.get_attempt("nobody") is None


def test_saving_writes_what_changes_and_leaves_what_does_not(begin: UnitOfWorkFactory) -> None:
    put_signals(begin, "s1")
    given = order()
    sent = attempt(given)
    changed = replace(
        given,
        state=OrderState.CHASING,
        reason_code="REMAINDER",
        reason="half",
        executed_quantity=D("0.25"),
        booked_quantity=D("0.125"),
        attempts_made=2,
        next_attempt_at=later(1),
        ended_at=later(2),
    )
    answered = replace(
        sent,
        state=AttemptState.UNKNOWN,
        exchange_order_id=99,
        executed_quantity=D("0.25"),
        average_price=D("84200.123456789012345"),
        error_code="-1007",
        error_message="timeout",
        unknown_since=later(1),
        not_found_count=1,
        not_found_at_ms=1_763_812_800_123,
        last_asked_at=later(2),
        ended_at=later(3),
    )
    with begin() as uow:
        uow.orders.add(given)
        uow.orders.add_attempt(sent)
        uow.orders.save(replace(changed, symbol="ETHUSDT", quantity=D(9), policy_version=9))
        uow.orders.save_attempt(replace(answered, quantity=D(9), recv_window_ms=1))
        uow.commit()
    with begin() as uow:
        assert uow.orders.get(given.order_id) == changed
        assert uow.orders.get_attempt(sent.client_order_id) == answered
        assert uow.orders.attempt_by_exchange_id("BTCUSDT", 99) == answered
        assert uow.orders.attempt_by_exchange_id("ETHUSDT", 99) is None


def test_saving_what_does_not_exist_is_an_error(begin: UnitOfWorkFactory) -> None:
    with begin() as uow, pytest.raises(LookupError):
        uow.orders.save(order(None))
    with begin() as uow, pytest.raises(LookupError):
        uow.orders.save_attempt(attempt(order(None)))


def test_a_signal_has_at_most_one_order(begin: UnitOfWorkFactory) -> None:
    put_signals(begin, "s1")
    with begin() as uow:
        uow.orders.add(order())
        with pytest.raises(ConstraintViolatedError):
            uow.orders.add(order())


def test_orders_without_a_signal_are_many(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        uow.orders.add(order(None))
        uow.orders.add(order(None))


def test_an_order_needs_its_signal_and_an_attempt_its_order(begin: UnitOfWorkFactory) -> None:
    with begin() as uow, pytest.raises(ConstraintViolatedError):
        uow.orders.add(order("nobody"))
    with begin() as uow, pytest.raises(ConstraintViolatedError):
        uow.orders.add_attempt(attempt(order(None)))


@pytest.mark.parametrize("state", [AttemptState.SENDING, AttemptState.UNKNOWN])
def test_a_second_open_attempt_is_refused(begin: UnitOfWorkFactory, state: AttemptState) -> None:
    given = order(None)
    with begin() as uow:
        uow.orders.add(given)
        uow.orders.add_attempt(attempt(given, state=state))
        with pytest.raises(SecondOpenAttemptError):
            uow.orders.add_attempt(attempt(given, 2))


def test_the_next_attempt_may_begin_once_the_first_has_ended(begin: UnitOfWorkFactory) -> None:
    given = order(None)
    first = attempt(given)
    with begin() as uow:
        uow.orders.add(given)
        uow.orders.add_attempt(first)
        uow.orders.save_attempt(replace(first, state=AttemptState.EXPIRED))
        uow.orders.add_attempt(attempt(given, 2))
        with pytest.raises(SecondOpenAttemptError):
            uow.orders.save_attempt(replace(first, state=AttemptState.UNKNOWN))


def test_an_attempt_number_is_used_once(begin: UnitOfWorkFactory) -> None:
    given = order(None)
    with begin() as uow:
        uow.orders.add(given)
        uow.orders.add_attempt(attempt(given, state=AttemptState.EXPIRED))
        with pytest.raises(ConstraintViolatedError):
            uow.orders.add_attempt(attempt(given, state=AttemptState.EXPIRED))


@pytest.mark.parametrize("column", ["executed_quantity", "booked_quantity"])
def test_more_than_was_approved_is_refused_to_the_last_digit(begin: UnitOfWorkFactory, column: str) -> None:
    given = order(None)
    with begin() as uow:
        uow.orders.add(given)
        uow.orders.save(replace(given, **{column: D("0.5")}))
        with pytest.raises(OverfilledError):
            uow.orders.save(replace(given, **{column: D("0.5000000000000000000000001")}))


def test_an_overfilled_attempt_is_refused(begin: UnitOfWorkFactory) -> None:
    given = order(None)
    sent = attempt(given)
    with begin() as uow:
        uow.orders.add(given)
        uow.orders.add_attempt(sent)
        with pytest.raises(OverfilledError):
            uow.orders.save_attempt(replace(sent, executed_quantity=D("0.501")))


def test_the_sweeps_of_orders_find_their_work_oldest_first(begin: UnitOfWorkFactory) -> None:
    chasing = [order(None, state=OrderState.CHASING, next_attempt_at=later(at)) for at in (3, 1, 2)]
    ended = order(None, state=OrderState.EXPIRED, next_attempt_at=later(0))
    unbooked = [order(None, executed_quantity=D("0.1"), created_at=later(at)) for at in (2, 1)]
    with begin() as uow:
        for each in [*chasing, ended, *unbooked]:
            uow.orders.add(each)
        assert list(uow.orders.due_chases(now=later(2), limit=5)) == [chasing[1], chasing[2]]
        assert list(uow.orders.due_chases(now=later(9), limit=1)) == [chasing[1]]
        assert list(uow.orders.unbooked(limit=5)) == [unbooked[1], unbooked[0]]
        assert list(uow.orders.unbooked(limit=1)) == [unbooked[1]]
        assert list(uow.orders.in_state([OrderState.SUBMITTED], limit=5)) == [unbooked[1], unbooked[0]]
        both = uow.orders.in_state([OrderState.EXPIRED, OrderState.CHASING], limit=2)
        assert list(both) == [chasing[0], chasing[1]]


def test_open_attempts_are_found_oldest_first(begin: UnitOfWorkFactory) -> None:
    states = [AttemptState.SENDING, AttemptState.FILLED, AttemptState.UNKNOWN, AttemptState.SENDING]
    placed = [order(None) for _ in states]
    begun = [
        attempt(each, state=state, begun_at=later(-age))
        for each, state, age in zip(placed, states, (1, 2, 3, 2), strict=True)
    ]
    with begin() as uow:
        for each, sent in zip(placed, begun, strict=True):
            uow.orders.add(each)
            uow.orders.add_attempt(sent)
        assert list(uow.orders.open_attempts(begun_before=later(-1), limit=5)) == [begun[2], begun[3]]
        assert list(uow.orders.open_attempts(begun_before=NOW, limit=1)) == [begun[2]]


def test_entries_are_counted_and_dated_exits_are_not(begin: UnitOfWorkFactory) -> None:
    entries = [order(None, created_at=later(-age)) for age in (1, 2)]
    leave = order(None, purpose=OrderPurpose.EXIT, created_at=NOW)
    with begin() as uow:
        for each in [*entries, leave]:
            uow.orders.add(each)
            uow.orders.add_attempt(attempt(each, begun_at=each.created_at))
        assert uow.orders.last_entry_at("BTCUSDT", Side.BUY) == later(-1)
        assert uow.orders.last_entry_at("BTCUSDT", Side.SELL) is None
        assert uow.orders.last_entry_at("ETHUSDT", Side.BUY) is None
        assert uow.orders.attempts_since(later(-2)) == 2
        assert uow.orders.attempts_since(later(-1)) == 1
        assert uow.orders.attempts_since(NOW) == 0


def test_orders_are_paged_newest_first_in_plain_json(begin: UnitOfWorkFactory) -> None:
    placed = [order(None), order(None), order(None, quantity=D("1E+2"))]
    with begin() as uow:
        for each in placed:
            uow.orders.add(each)
        first = uow.orders.page(after=None, limit=2)
        second = uow.orders.page(after=first.next, limit=2)
    ids = [item["order_id"] for item in [*first.items, *second.items]]
    assert ids == [str(each.order_id) for each in reversed(placed)]
    assert second.next is None
    item = first.items[0]
    assert (item["quantity"], item["limit_price"], item["created_at"]) == (
        "100",
        "84291.6",
        "2026-11-22T12:00:00.123456Z",
    )
    assert (item["state"], item["purpose"], item["ended_at"]) == ("SUBMITTED", "ENTRY", None)


def test_symbols_are_unsettled_while_an_answer_or_a_booking_of_then_is_missing(begin: UnitOfWorkFactory) -> None:
    asked = order(None)
    ended = order(None, symbol="ADAUSDT", state=OrderState.FILLED, executed_quantity=D("0.5"), booked_quantity=D("0.5"))
    unbooked = order(None, symbol="ETHUSDT", state=OrderState.FILLED, executed_quantity=D("0.5"))
    with begin() as uow:
        assert uow.orders.unsettled_symbols(begun_until=later(9)) == frozenset()
        for each, state in [
            (asked, AttemptState.UNKNOWN),
            (ended, AttemptState.FILLED),
            (unbooked, AttemptState.FILLED),
        ]:
            uow.orders.add(each)
            uow.orders.add_attempt(attempt(each, state=state, begun_at=later(5 if each is unbooked else 0)))
        assert uow.orders.unsettled_symbols(begun_until=later(5)) == {"BTCUSDT", "ETHUSDT"}
        assert uow.orders.unsettled_symbols(begun_until=later(4)) == {"BTCUSDT"}
        assert uow.orders.unsettled_symbols(begun_until=later(-1)) == frozenset()


def test_trouble_is_counted_since_a_moment_and_never_forgotten_by_its_end(begin: UnitOfWorkFactory) -> None:
    put_signals(begin, "s1")
    given = order()
    with begin() as uow:
        uow.orders.add(given)
        for number, changes in enumerate(
            (
                {"state": AttemptState.EXPIRED, "begun_at": later(1)},
                {"state": AttemptState.FILLED, "begun_at": later(2)},
                {"state": AttemptState.NOT_SENT, "begun_at": later(3)},
                {"state": AttemptState.UNKNOWN, "begun_at": later(4)},
            ),
            start=1,
        ):
            uow.orders.add_attempt(attempt(given, number, state=AttemptState.SENDING, begun_at=changes["begun_at"]))
            was_unknown = later(9) if number in (2, 4) else None
            uow.orders.save_attempt(attempt(given, number, unknown_since=was_unknown, **changes))
        assert uow.orders.troubled_since(NOW) == 3  # was unknown and filled in the end, never sent, still unknown
        assert uow.orders.troubled_since(later(3)) == 2
        assert uow.orders.troubled_since(later(5)) == 0


def test_the_newest_ended_entries_leave_out_exits_and_what_is_open(begin: UnitOfWorkFactory) -> None:
    put_signals(begin, "s1", "s2")
    given, other = order(), order("s2")
    kept = [
        attempt(given, number, state=AttemptState.REJECTED, begun_at=later(number), ended_at=later(number))
        for number in (1, 2, 3)
    ]
    with begin() as uow:
        uow.orders.add(given)
        uow.orders.add(other)
        for each in kept:
            uow.orders.add_attempt(each)
            uow.orders.save_attempt(each)
        exit_attempt = attempt(other, 1, reduce_only=True, begun_at=later(4))
        uow.orders.add_attempt(exit_attempt)
        uow.orders.save_attempt(replace(exit_attempt, state=AttemptState.FILLED))
        uow.orders.add_attempt(attempt(other, 2, begun_at=later(5)))
        assert list(uow.orders.newest_ended_entries(since=NOW, limit=2)) == [kept[2], kept[1]]
        assert list(uow.orders.newest_ended_entries(since=later(3), limit=9)) == [kept[2]]


def test_executions_of_a_strategy_are_its_entries_in_a_symbol_after_a_moment(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        uow.signals.add_many([signal(f"s{n}", strategy="carry" if n == 3 else "trend") for n in range(6)])
        for number, age in enumerate((1, 2, 3, 1)):
            uow.orders.add(order(f"s{number}", created_at=later(-age)))
        uow.orders.add(order("s4", created_at=NOW, symbol="ETHUSDT"))
        uow.orders.add(order("s5", created_at=NOW, side=Side.SELL))
        uow.orders.add(order(None, purpose=OrderPurpose.EXIT, created_at=NOW))
        assert uow.orders.executions_of("trend", "BTCUSDT", since=later(-3)) == 3
        assert uow.orders.executions_of("trend", "BTCUSDT", since=later(-1)) == 1
        assert uow.orders.executions_of("trend", "ETHUSDT", since=later(-3)) == 1
        assert uow.orders.executions_of("carry", "BTCUSDT", since=later(-3)) == 1
        assert uow.orders.executions_of("nobody", "BTCUSDT", since=later(-3)) == 0
