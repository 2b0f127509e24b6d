"""Who waits for whom: guarded updates and row locks between transactions that overlap."""

from __future__ import annotations

import functools
import operator
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import psycopg
import pytest

from app.adapters.postgres import PostgresUnitOfWorkFactory
from app.adapters.postgres.decision_time import DECISION_IDLE_SECONDS_MAX
from app.adapters.postgres.engine import IDLE_IN_TRANSACTION_SECONDS_MAX
from app.domain.policy import RiskMode, Stage, default_policy
from app.domain.signals import SignalEvent, SignalState
from app.ports import DatabaseUnavailableError, UnitOfWork
from app.services.gather_facts import MarketFacts, gather_facts
from tests.contract.unit_of_work_values import NOW, account, signal, tripped
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

T = TypeVar("T")
Begin = PostgresUnitOfWorkFactory
SLACK_SECONDS = 4.0  # what a busy machine may add; together well below the limit of any other transaction


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(max_workers=4) as pool:
        yield pool


def waits_for_a_lock(database_url: str, *, waiting: int = 1) -> Callable[[], bool]:
    def waits() -> bool:
        with psycopg.connect(database_url, autocommit=True) as connection:
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ).fetchone()
        return row is not None and row[0] >= waiting

    return waits


def test_a_trip_waits_for_a_decision_under_way_and_the_next_decision_sees_it(
    begin: Begin, fresh_database: str, beside: ThreadPoolExecutor
) -> None:
    def trip() -> None:
        with begin() as uow:
            uow.control.lock_ess()
            uow.control.save_ess(tripped())
            uow.commit()

    with begin() as deciding:
        stop = deciding.control.lock_ess_shared()
        assert stop is not None
        assert stop.state.permits_entries
        tripping = beside.submit(trip)
        wait_until(waits_for_a_lock(fresh_database), seconds=5, what="the trip to wait")
        assert not tripping.done()
        deciding.commit()
    tripping.result(5)
    with begin() as uow:
        assert uow.control.lock_ess_shared() == tripped()


def test_a_trip_is_overtaken_by_no_decision_however_many_come(
    begin: Begin, fresh_database: str, beside: ThreadPoolExecutor
) -> None:
    def trip() -> None:
        with begin() as uow:
            uow.control.lock_ess()
            uow.control.save_ess(tripped())
            uow.commit()

    def decide() -> bool:
        with begin() as uow:
            stop = uow.control.lock_ess_shared()
            return stop is not None and stop.state.permits_entries

    with begin() as deciding:
        deciding.control.lock_ess_shared()
        tripping = beside.submit(trip)
        wait_until(waits_for_a_lock(fresh_database), seconds=5, what="the trip to wait")
        next_decision = beside.submit(decide)
        wait_until(waits_for_a_lock(fresh_database, waiting=2), seconds=1.5, what="the next decision to wait behind it")
        # The decision under way asks again (a chase does), and is not held up by the trip that waits for it.
        assert deciding.control.lock_ess_shared() is not None
        deciding.commit()
    tripping.result(5)
    assert next_decision.result(5) is False


def test_a_trip_waits_for_the_decision_whose_turn_it_is_and_not_for_those_that_queue(
    begin: Begin, fresh_database: str, beside: ThreadPoolExecutor
) -> None:
    def decide() -> bool | None:
        with begin() as uow:
            facts = gather_facts(
                uow,
                signal=signal("s1"),
                market=MarketFacts(quote=None, funding=None, marks={}),
                policy=None,
                stage=Stage.PAPER,
                now=NOW,
            )
            return facts.emergency_stop and facts.emergency_stop.state.permits_entries

    with begin() as whose_turn_it_is:
        whose_turn_it_is.ledger.lock_account()
        queued = [beside.submit(decide) for _ in range(2)]
        wait_until(waits_for_a_lock(fresh_database, waiting=2), seconds=5, what="two decisions to queue")
        with begin() as tripping:
            tripping.control.lock_ess()  # would wait for ever for a decision that holds the stop while it queues
            tripping.control.save_ess(tripped())
            tripping.commit()
    assert [decision.result(5) for decision in queued] == [False, False]


def test_a_decision_that_stands_still_is_ended_by_the_server_and_the_trip_behind_it_keeps_its_place(
    begin: Begin, beside: ThreadPoolExecutor
) -> None:
    def trip() -> None:
        with begin() as uow:
            uow.control.lock_ess()
            uow.control.save_ess(tripped())
            uow.commit()

    with begin() as frozen:
        frozen.control.lock_ess_shared()
        beside.submit(trip).result(5)
        with pytest.raises(DatabaseUnavailableError):
            frozen.commit()
    with begin() as uow:
        assert uow.control.ess() == tripped()


def test_a_decision_that_stands_still_with_the_account_locked_keeps_the_next_one_out_for_two_seconds_at_most(
    begin: Begin, beside: ThreadPoolExecutor
) -> None:
    with begin() as uow:
        uow.ledger.save_account(account())
        uow.commit()

    def decide() -> float:
        began = time.monotonic()
        while True:
            try:
                with begin() as uow:
                    uow.ledger.lock_account()
                    return time.monotonic() - began
            except DatabaseUnavailableError:  # its own wait for the lock is over; a task is run again
                assert time.monotonic() - began < IDLE_IN_TRANSACTION_SECONDS_MAX

    with begin() as frozen:
        frozen.ledger.lock_account()
        assert beside.submit(decide).result(20) < DECISION_IDLE_SECONDS_MAX + SLACK_SECONDS
        with pytest.raises(DatabaseUnavailableError):
            frozen.commit()


def test_a_policy_change_is_overtaken_by_no_decision(
    begin: Begin, fresh_database: str, beside: ThreadPoolExecutor
) -> None:
    def change() -> int:
        with begin() as uow:
            version = uow.control.add_policy(
                default_policy(RiskMode.DEFENSIVE), author="operator", reason="less", now=NOW
            ).version
            uow.commit()
            return version

    def decide() -> int | None:
        with begin() as uow:
            stop = uow.control.lock_ess_shared()
            return None if stop is None else stop.policy_version

    with begin() as deciding:
        deciding.control.lock_ess_shared()
        changing = beside.submit(change)
        wait_until(waits_for_a_lock(fresh_database), seconds=5, what="the change to wait")
        next_decision = beside.submit(decide)
        wait_until(waits_for_a_lock(fresh_database, waiting=2), seconds=1.5, what="the next decision to wait behind it")
        deciding.commit()
    assert next_decision.result(5) == changing.result(5)


def test_decisions_do_not_wait_for_each_other_at_the_stop(begin: Begin) -> None:
    with begin() as first, begin() as second:
        assert first.control.lock_ess_shared() == second.control.lock_ess_shared()


def test_a_decision_that_waited_for_a_trip_sees_it(
    begin: Begin, fresh_database: str, beside: ThreadPoolExecutor
) -> None:
    def decide() -> bool:
        with begin() as uow:
            stop = uow.control.lock_ess_shared()
            return stop is not None and stop.state.permits_entries

    with begin() as tripping:
        tripping.control.lock_ess()
        deciding = beside.submit(decide)
        wait_until(waits_for_a_lock(fresh_database), seconds=5, what="the decision to wait")
        tripping.control.save_ess(tripped())
        tripping.commit()
    assert deciding.result(5) is False


def test_decisions_take_turns_at_the_account_and_the_second_sees_what_the_first_did(
    begin: Begin, fresh_database: str, beside: ThreadPoolExecutor
) -> None:
    def second() -> object:
        with begin() as uow:
            return uow.ledger.lock_account()

    with begin() as first:
        assert first.ledger.lock_account() is None  # the row is there to be locked before the exchange has told
        waiting = beside.submit(second)
        wait_until(waits_for_a_lock(fresh_database), seconds=5, what="the second decision to wait")
        first.ledger.save_account(account())
        first.commit()
    assert waiting.result(5) == account()


def test_a_lock_that_is_not_granted_in_time_is_an_outage_not_a_hang(begin: Begin) -> None:
    with begin() as first, begin() as second:
        first.control.lock_ess()
        with pytest.raises(DatabaseUnavailableError, match="lock timeout"):
            second.control.lock_ess_shared()


def raced(begin: Begin, steps: int, step: Callable[[UnitOfWork], T], beside: ThreadPoolExecutor) -> list[T]:
    """Run `step` in that many units of work that start together."""
    barrier = threading.Barrier(steps)

    def run() -> T:
        with begin() as uow:
            barrier.wait(5)
            answer = step(uow)
            uow.commit()
            return answer

    futures: list[Future[T]] = [beside.submit(run) for _ in range(steps)]
    return [future.result(10) for future in futures]


@pytest.mark.parametrize("round_", range(5))
def test_of_two_who_advance_the_same_signals_each_signal_moves_for_one(
    begin: Begin, beside: ThreadPoolExecutor, round_: int
) -> None:
    ids = [f"s{number}" for number in range(50)]
    with begin() as uow:
        uow.signals.add_many([signal(each) for each in ids])
        uow.commit()
    orders = iter((ids, ids[::-1], ids[25:] + ids[:25]))
    turns = threading.Lock()

    def dispatch(uow: UnitOfWork) -> list[str]:
        with turns:
            mine = next(orders)
        return list(uow.signals.advance(mine, SignalEvent.DISPATCHED, now=NOW))

    moved = raced(begin, 3, dispatch, beside)
    assert sorted(functools.reduce(operator.iadd, moved, [])) == sorted(ids)
    with begin() as uow:
        assert uow.signals.in_flight_count() == 50


def test_an_advance_that_waited_looks_at_the_state_again(
    begin: Begin, fresh_database: str, beside: ThreadPoolExecutor
) -> None:
    with begin() as uow:
        uow.signals.add_many([signal("s1"), signal("s2")])
        uow.commit()

    def expire() -> list[str]:
        with begin() as uow:
            moved = list(uow.signals.advance(["s1", "s2"], SignalEvent.EVICTED, now=NOW))
            uow.commit()
            return moved

    with begin() as first:
        assert first.signals.advance(["s1"], SignalEvent.DISPATCHED, now=NOW) == ["s1"]
        second = beside.submit(expire)
        wait_until(waits_for_a_lock(fresh_database), seconds=5, what="the eviction to wait")
        first.commit()
    assert second.result(5) == ["s2"]
    with begin() as uow:
        stored = uow.signals.get("s1")
    assert stored is not None
    assert stored.state is SignalState.DISPATCHED


@pytest.mark.parametrize("round_", range(5))
def test_batches_that_share_ids_in_other_orders_store_each_once_without_deadlock(
    begin: Begin, beside: ThreadPoolExecutor, round_: int
) -> None:
    ids = [f"s{number}" for number in range(200)]
    batches = iter((ids, ids[::-1], ids[100:] + ids[:100]))
    turns = threading.Lock()

    def add(uow: UnitOfWork) -> int:
        with turns:
            mine = next(batches)
        return sum(uow.signals.add_many([signal(each) for each in mine]))

    assert sum(raced(begin, 3, add, beside)) == 200


def test_a_position_that_two_lock_first_is_created_once(begin: Begin, beside: ThreadPoolExecutor) -> None:
    def touch(uow: UnitOfWork) -> str:
        return uow.ledger.lock_position("BTCUSDT").symbol

    assert raced(begin, 3, touch, beside) == ["BTCUSDT"] * 3
    with begin() as uow:
        assert len(uow.ledger.positions()) == 1


def test_a_new_policy_waits_for_a_decision_under_way_and_the_next_decision_knows_of_it(
    begin: Begin, fresh_database: str, beside: ThreadPoolExecutor
) -> None:
    def tighten() -> int:
        with begin() as uow:
            added = uow.control.add_policy(default_policy(RiskMode.DEFENSIVE), author="a", reason="r", now=NOW)
            uow.commit()
        return added.version

    with begin() as deciding:
        assert deciding.control.lock_ess_shared() is not None
        changing = beside.submit(tighten)
        wait_until(waits_for_a_lock(fresh_database), seconds=5, what="the change to wait")
        assert not changing.done()
        deciding.commit()
    version = changing.result(5)
    with begin() as uow:
        stop = uow.control.lock_ess_shared()
        assert stop is not None
        assert stop.policy_version == version
