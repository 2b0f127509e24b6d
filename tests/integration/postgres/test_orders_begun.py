"""How many orders everybody has begun lately, from their records: what exits live on while Redis is away."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from app.adapters.postgres import PostgresUnitOfWorkFactory, create_engine
from app.adapters.postgres.orders_begun import LATE_SECONDS, OrdersBegun
from app.domain.orders import AttemptState
from tests.contract.test_unit_of_work_protection import protective
from tests.contract.unit_of_work_values import attempt, later, order
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.integration


@pytest.fixture
def clock() -> FakeClock:
    clock = FakeClock()
    clock.advance((later(100) - clock.now()).total_seconds())
    return clock


def begun_ago(begin: PostgresUnitOfWorkFactory, *, orders: list[float], protections: list[float]) -> None:
    """Exits and protective orders that were begun so many seconds before the clock's now."""
    with begin() as uow:
        for number, ago in enumerate(orders, start=1):
            one = order(None, order_id=protective(number).order_id)
            uow.orders.add(one)
            # However it ended: the exchange counts what it refuses too.
            uow.orders.add_attempt(attempt(one, begun_at=later(100 - ago), state=AttemptState.REJECTED))
        for number, ago in enumerate(protections, start=1):
            uow.protection.add(protective(1_000 + number, begun_at=later(100 - ago)))
        uow.commit()


def test_entries_exits_and_protective_orders_count_for_as_long_as_they_may_count_at_the_exchange(
    begin: PostgresUnitOfWorkFactory, engine: sa.Engine, clock: FakeClock
) -> None:
    begun_ago(
        begin,
        orders=[0.0, 10 + LATE_SECONDS, 10.1 + LATE_SECONDS, 60 + LATE_SECONDS, 60.1 + LATE_SECONDS],
        protections=[1.0, 30.0, 62.0],
    )
    assert OrdersBegun(engine, clock)() == (3, 6)


def test_without_any_nothing_was_begun(engine: sa.Engine, clock: FakeClock) -> None:
    assert OrdersBegun(engine, clock)() == (0, 0)


def test_a_database_that_is_away_knows_nothing(clock: FakeClock) -> None:
    away = create_engine("postgresql://nobody@127.0.0.1:1/none", application_name="test", pool_size=1)
    assert OrdersBegun(away, clock)() is None
