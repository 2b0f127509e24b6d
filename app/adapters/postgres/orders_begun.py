"""How many orders were begun lately by everybody: their records are durable before anything is sent."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog

from app.adapters.postgres.protection_tables import protective_orders
from app.adapters.postgres.tables import attempts
from app.adapters.postgres.transaction import core_errors
from app.ports import Clock, DatabaseUnavailableError

log = structlog.get_logger(__name__)

# Between the moment in the record and the arrival at the exchange: the rest of the transaction, and the way there.
LATE_SECONDS = 1.6
SHORT_SECONDS = 10.0
LONG_SECONDS = 60.0


def _begun_since(table: sa.Table) -> sa.Select[int, int]:
    begun_at = table.c.begun_at
    short = sa.func.count().filter(begun_at >= sa.bindparam("short", type_=begun_at.type))
    return sa.select(short.label("short"), sa.func.count().label("long")).where(
        begun_at >= sa.bindparam("long", type_=begun_at.type)
    )


_COUNT = sa.union_all(_begun_since(attempts), _begun_since(protective_orders))


class OrdersBegun:
    """Counts attempts and protective orders. A connection of its own: it is asked in the middle of other work."""

    def __init__(self, engine: sa.Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def __call__(self) -> tuple[int, int] | None:
        """In the last ten seconds and in the last minute, and a little more; None when the database does not say."""
        now: datetime = self._clock.now()
        since = {
            "short": now - timedelta(seconds=SHORT_SECONDS + LATE_SECONDS),
            "long": now - timedelta(seconds=LONG_SECONDS + LATE_SECONDS),
        }
        try:
            with core_errors(), self._engine.connect() as connection:
                rows = connection.execute(_COUNT, since).all()
        except DatabaseUnavailableError as error:
            log.warning("orders_not_counted", error=str(error))
            return None
        return sum(row.short for row in rows), sum(row.long for row in rows)
