"""Forgets what nobody needs any more, a little at a time, beside a system that works."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

import sqlalchemy as sa

from app.adapters.postgres.tables import alerts, decisions, equity_points, orders, signals
from app.adapters.postgres.transaction import core_errors
from app.domain.signals import SIGNAL_TRANSITIONS, SignalState

BATCH_ROWS = 1_000
PAUSE_SECONDS = 0.05  # between two batches: whoever trades goes first

_ENDED = [state.value for state in SignalState if not SIGNAL_TRANSITIONS.get(state)]


class Retention:
    """Deletes signals that ended without an order, their decisions, equity points and cleared alerts from before.

    Orders, attempts, fills, the ledger, policies and the audit are the books: they stay. Each batch is a transaction
    of its own with the engine's lock and statement time-outs; rows that somebody holds are left for the next time.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def __call__(self, before: datetime) -> dict[str, int]:
        """How many rows of each table were deleted; raises `DatabaseUnavailableError`."""
        return {
            "signals": sum(self._signals(before)),
            "equity_points": sum(self._simple(equity_points, equity_points.c.at, equity_points.c.at < before)),
            "alerts": sum(self._simple(alerts, alerts.c.alert_id, alerts.c.cleared_at < before)),
        }

    def _signals(self, before: datetime) -> Iterator[int]:
        """By number, so that what is kept is passed over once and not with every batch."""
        last = -1
        while True:
            with core_errors(), self._engine.begin() as connection:
                window = connection.execute(
                    sa.select(signals.c.sequence, signals.c.received_at)
                    .where(signals.c.sequence > last)
                    .order_by(signals.c.sequence)
                    .limit(BATCH_ROWS)
                ).all()
                old = [row.sequence for row in window if row.received_at < before]
                if not old:
                    return
                last = window[-1].sequence
                going = connection.execute(
                    sa.select(signals.c.signal_id)
                    .where(
                        signals.c.sequence.in_(old),
                        signals.c.state.in_(_ENDED),
                        ~sa.exists().where(orders.c.signal_id == signals.c.signal_id),
                    )
                    .with_for_update(skip_locked=True)
                ).scalars()
                ids = list(going)
                connection.execute(sa.delete(decisions).where(decisions.c.signal_id.in_(ids)))
                connection.execute(sa.delete(signals).where(signals.c.signal_id.in_(ids)))
            yield len(ids)
            time.sleep(PAUSE_SECONDS)

    def _simple(self, table: sa.Table, key: sa.Column[object], old: sa.ColumnElement[bool]) -> Iterator[int]:
        while True:
            some = sa.select(key).where(old).limit(BATCH_ROWS).with_for_update(skip_locked=True)
            with core_errors(), self._engine.begin() as connection:
                count = connection.execute(sa.delete(table).where(key.in_(some))).rowcount
            yield count
            if count < BATCH_ROWS:
                return
            time.sleep(PAUSE_SECONDS)
