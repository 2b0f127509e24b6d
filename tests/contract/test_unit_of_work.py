"""What every unit of work does, the one on Postgres and the fake: the transaction itself."""

from __future__ import annotations

import pytest

from app.adapters.postgres.transaction import UnitOfWorkFailedError, UnitOfWorkFinishedError
from app.ports import (
    ConstraintViolatedError,
    UnitOfWorkFactory,
)
from tests.contract.conftest import World
from tests.contract.unit_of_work_steps import put_signals
from tests.contract.unit_of_work_values import (
    event,
    order,
    signal,
)


def test_what_was_committed_is_seen_by_the_next_one(begin: UnitOfWorkFactory) -> None:
    put_signals(begin, "s1")
    with begin() as uow:
        assert uow.signals.get("s1") is not None


def test_leaving_without_commit_leaves_nothing(world: World) -> None:
    with world.begin() as uow:
        uow.signals.add_many([signal()])
        uow.emit(event())
    with world.begin() as uow:
        assert uow.signals.get("s1") is None
    assert world.events.published == []


def test_an_exception_inside_leaves_nothing_and_goes_on_its_way(world: World) -> None:
    with pytest.raises(ZeroDivisionError), world.begin() as uow:
        uow.signals.add_many([signal()])
        uow.emit(event())
        raise ZeroDivisionError
    with world.begin() as uow:
        assert uow.signals.get("s1") is None
    assert world.events.published == []


def test_events_are_published_in_order_once_the_commit_has_succeeded(world: World) -> None:
    with world.begin() as uow:
        uow.emit(event(1), event(2))
        uow.emit(event(3))
        assert world.events.published == []
        uow.commit()
        assert world.events.published == [event(1), event(2), event(3)]
    assert len(world.events.published) == 3


def test_after_the_commit_nothing_more_can_be_done(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        uow.commit()
        with pytest.raises(UnitOfWorkFinishedError):
            uow.signals.get("s1")
        with pytest.raises(UnitOfWorkFinishedError):
            uow.emit(event())
        with pytest.raises(UnitOfWorkFinishedError):
            uow.commit()


def test_a_unit_of_work_in_which_a_statement_failed_cannot_be_committed(world: World) -> None:
    put_signals(world.begin, "s1")
    with world.begin() as uow:
        uow.orders.add(order())
        uow.emit(event())
        with pytest.raises(ConstraintViolatedError):
            uow.orders.add(order())
        with pytest.raises(UnitOfWorkFailedError):
            uow.commit()
    assert world.events.published == []
    with world.begin() as uow:
        assert uow.orders.by_signal("s1") is None


def test_a_named_lock_is_held_by_one_until_it_ends(begin: UnitOfWorkFactory) -> None:
    with begin() as first:
        assert first.control.try_lock("sweep")
        assert first.control.try_lock("sweep")
        with begin() as second:
            assert not second.control.try_lock("sweep")
            assert second.control.try_lock("something else")
    with begin() as third:
        assert third.control.try_lock("sweep")
