"""However many rows have ended, the hot statements read only what is not finished, or a page."""

from __future__ import annotations

import re
from collections.abc import Callable

import psycopg
import pytest
import sqlalchemy as sa

from app.adapters.postgres import PostgresReadModels, PostgresUnitOfWorkFactory
from app.domain.orders import OrderState
from app.domain.signals import Side, SignalEvent, SignalState
from app.ports import UnitOfWork
from tests.contract.unit_of_work_values import NOW, later

pytestmark = pytest.mark.integration

ENDED = 30_000
# What a page, a batch and a handful of unfinished rows may read, in buffers of 8 kB; the tables have thousands.
BUFFERS_MAX = 120


@pytest.fixture
def full(fresh_database: str) -> str:
    """Tables full of what is over, and a few rows that are not."""
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        connection.execute(
            """
            INSERT INTO signals (signal_id, symbol, side, confidence, strategy, generated_at, received_at, expires_at,
                models, producer, correlation_id, state, dispatched_at, decided_at)
            SELECT 's' || n, 'BTCUSDT', 'BUY', 0.5, 'x', %(now)s, %(now)s, %(now)s, '{}', 'p', 'c',
                CASE WHEN n %% 10000 = 0 THEN 'QUEUED' WHEN n %% 10000 = 1 THEN 'DISPATCHED'
                     WHEN n %% 10000 = 2 THEN 'OBSERVED' ELSE 'EXECUTED' END, %(now)s, %(now)s
            FROM generate_series(1, %(ended)s) AS n""",
            {"now": NOW, "ended": ENDED},
        )
        connection.execute(
            """
            INSERT INTO orders (order_id, signal_id, symbol, side, purpose, quantity, reference_price, limit_price,
                state, executed_quantity, booked_quantity, attempts_made, next_attempt_at, policy_version,
                correlation_id, created_at)
            SELECT md5(n::text)::uuid, 's' || n, 'BTCUSDT', 'BUY', 'ENTRY', 1, 1, 1,
                CASE WHEN n %% 10000 = 0 THEN 'CHASING' ELSE 'FILLED' END,
                1, CASE WHEN n %% 10000 = 1 THEN 0 ELSE 1 END, 1, %(now)s, 1, 'c', %(now)s - n * interval '1 s'
            FROM generate_series(1, %(ended)s) AS n""",
            {"now": NOW, "ended": ENDED},
        )
        connection.execute(
            """
            INSERT INTO attempts (client_order_id, order_id, number, symbol, side, order_type, quantity, reduce_only,
                signed_at_ms, recv_window_ms, state, begun_at, executed_quantity, not_found_count, exchange_order_id)
            SELECT 'a' || n, md5(n::text)::uuid, 1, 'BTCUSDT', 'BUY', 'LIMIT', 1, false, 1, 1,
                CASE WHEN n %% 10000 = 0 THEN 'UNKNOWN' ELSE 'FILLED' END, %(now)s - n * interval '1 s', 1, 0, n
            FROM generate_series(1, %(ended)s) AS n""",
            {"now": NOW, "ended": ENDED},
        )
        connection.execute("VACUUM ANALYZE")
    return fresh_database


class BuffersRead:
    """The most buffers that any statement sent through the engine reads, by explaining each before it runs."""

    def __init__(self, engine: sa.Engine) -> None:
        self.worst: tuple[int, str] = (0, "")
        self._engine = engine

    def __enter__(self) -> BuffersRead:
        sa.event.listen(self._engine, "before_cursor_execute", self._explain)
        return self

    def __exit__(self, *_: object) -> None:
        sa.event.remove(self._engine, "before_cursor_execute", self._explain)

    def _explain(self, connection: sa.Connection, _c: object, statement: str, parameters: object, *_: object) -> None:
        raw = connection.connection.driver_connection
        assert raw is not None
        # The generic plan: what a prepared statement uses in the long run, when the values are not known.
        raw.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        with raw.cursor() as cursor:
            raw.execute("SAVEPOINT explaining")
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {statement}", parameters, prepare=True)
            plan = "\n".join(row[0] for row in cursor.fetchall())
            raw.execute("ROLLBACK TO SAVEPOINT explaining")
        execution = plan.split("Planning")[0]
        first = re.search(r"Buffers: shared(?: hit=(\d+))?(?: read=(\d+))?", execution)
        buffers = sum(int(each or 0) for each in first.groups()) if first else 0
        self.worst = max(self.worst, (buffers, f"{statement}\n{plan}"))


STEPS: dict[str, Callable[[UnitOfWork], object]] = {
    "queued_before": lambda uow: uow.signals.queued_before(later(1), limit=100),
    "dispatched_before": lambda uow: uow.signals.dispatched_before(later(1), limit=100),
    "in_flight_count": lambda uow: uow.signals.in_flight_count(),
    "get": lambda uow: uow.signals.get("s77"),
    "advance": lambda uow: uow.signals.advance(["s10000", "s20000", "s5"], SignalEvent.DISPATCHED, now=NOW),
    "page": lambda uow: uow.signals.page(states=[], after=None, limit=50),
    "page of a rare state": lambda uow: uow.signals.page(states=[SignalState.OBSERVED], after=None, limit=50),
    "page of two states": lambda uow: uow.signals.page(
        states=[SignalState.QUEUED, SignalState.EXECUTED], after=None, limit=20
    ),
    "by_signal": lambda uow: uow.orders.by_signal("s77"),
    "open_attempts": lambda uow: uow.orders.open_attempts(begun_before=later(1), limit=100),
    "due_chases": lambda uow: uow.orders.due_chases(now=later(1), limit=100),
    "unbooked": lambda uow: uow.orders.unbooked(limit=100),
    "in_state": lambda uow: uow.orders.in_state([OrderState.SUBMITTED, OrderState.CHASING], limit=100),
    "last_entry_at": lambda uow: uow.orders.last_entry_at("BTCUSDT", Side.BUY),
    "attempts_since": lambda uow: uow.orders.attempts_since(later(-60)),
    "attempt_by_exchange_id": lambda uow: uow.orders.attempt_by_exchange_id("BTCUSDT", 77),
    "exposure": lambda uow: uow.ledger.exposure("BTCUSDT", {}),
    "orders page": lambda uow: uow.orders.page(after=None, limit=50),
}


def test_hot_statements_do_not_read_what_is_over(
    full: str, begin: PostgresUnitOfWorkFactory, engine: sa.Engine
) -> None:
    read: dict[str, tuple[int, str]] = {}
    for name, step in STEPS.items():
        with BuffersRead(engine) as buffers, begin() as uow:
            step(uow)
        read[name] = buffers.worst
    assert {name: worst for name, (worst, _) in read.items() if worst == 0} == {}
    too_many = {name: plan for name, (worst, plan) in read.items() if worst > BUFFERS_MAX}
    assert not too_many, "\n\n".join(f"{name}: {plan}" for name, plan in too_many.items())


def test_an_explanation_reads_one_signal(full: str, reads: PostgresReadModels, engine: sa.Engine) -> None:
    with BuffersRead(engine) as buffers:
        assert reads.explain_signal("s77") is not None
    assert 0 < buffers.worst[0] <= BUFFERS_MAX, buffers.worst[1]


def test_an_overview_reads_a_page_and_counts_the_newest(
    full: str, reads: PostgresReadModels, engine: sa.Engine
) -> None:
    with BuffersRead(engine) as buffers:
        overview = reads.overview({}, now=NOW, limit=50)
    assert sum(overview["counts"]["signals"].values()) == 1_000
    assert 0 < buffers.worst[0] <= BUFFERS_MAX, buffers.worst[1]
