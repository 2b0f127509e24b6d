"""What is forgotten, and what never is."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
import sqlalchemy as sa

from app.adapters.postgres import retention
from app.adapters.postgres.retention import Retention
from tests.contract.unit_of_work_values import NOW

pytestmark = pytest.mark.integration


def fill(connection: psycopg.Connection, *, age_days: int, prefix: str) -> None:
    """Twenty signals: one in four is still queued, one in four has an order; each has a decision."""
    at = NOW - timedelta(days=age_days)
    connection.execute(
        """
        INSERT INTO signals (signal_id, symbol, side, confidence, strategy, generated_at, received_at, expires_at,
            models, producer, correlation_id, state)
        SELECT %(prefix)s || n, 'BTCUSDT', 'BUY', 0.5, 'x', %(at)s, %(at)s, %(at)s, '{}', 'p', 'c',
            CASE WHEN n %% 4 = 0 THEN 'QUEUED' WHEN n %% 4 = 1 THEN 'EXECUTED' ELSE 'DENIED' END
        FROM generate_series(1, 20) AS n""",
        {"prefix": prefix, "at": at},
    )
    connection.execute(
        """
        INSERT INTO orders (order_id, signal_id, symbol, side, purpose, quantity, reference_price, limit_price, state,
            executed_quantity, booked_quantity, attempts_made, policy_version, correlation_id, created_at)
        SELECT md5(%(prefix)s || n)::uuid, %(prefix)s || n, 'BTCUSDT', 'BUY', 'ENTRY', 1, 1, 1, 'FILLED', 1, 1, 1, 1,
            'c', %(at)s
        FROM generate_series(1, 20, 4) AS n""",
        {"prefix": prefix, "at": at},
    )
    connection.execute(
        """
        INSERT INTO decisions (signal_id, attempt_number, outcome, verdicts, inputs, decided_at)
        SELECT %(prefix)s || n, 1, 'DENIED', '[]', '{}', %(at)s FROM generate_series(1, 20) AS n""",
        {"prefix": prefix, "at": at},
    )
    connection.execute(
        "INSERT INTO equity_points (at, equity, wallet, unrealised) VALUES (%s, 1, 1, 0), (%s, 1, 1, 0)",
        [at, at + timedelta(seconds=2)],
    )


def test_only_what_ended_without_an_order_long_ago_is_deleted_in_however_many_batches(
    fresh_database: str, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH_ROWS", 3)
    monkeypatch.setattr(retention, "PAUSE_SECONDS", 0.0)
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        fill(connection, age_days=100, prefix="old")
        fill(connection, age_days=1, prefix="new")
        # Somebody works on one of them: it is left for the next time.
        with psycopg.connect(fresh_database) as other:
            other.execute("SELECT 1 FROM signals WHERE signal_id = 'old2' FOR UPDATE")
            first = Retention(engine)(NOW - timedelta(days=90))
        second = Retention(engine)(NOW - timedelta(days=90))
        left = connection.execute("SELECT signal_id FROM signals").fetchall()
        explained = connection.execute("SELECT signal_id FROM decisions").fetchall()
    assert first == {"signals": 9, "equity_points": 2, "alerts": 0}
    assert second == {"signals": 1, "equity_points": 0, "alerts": 0}
    kept = {f"old{n}" for n in range(1, 21) if n % 4 in (0, 1)} | {f"new{n}" for n in range(1, 21)}
    assert {row[0] for row in left} == kept == {row[0] for row in explained}
