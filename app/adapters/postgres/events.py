"""The record of events in Postgres: written with what caused them, read when the live stream forgot its end."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from app.adapters.postgres.recordset import as_rows, recordset
from app.adapters.postgres.tables import events
from app.adapters.postgres.transaction import Transaction
from app.domain.events import Event, EventType
from app.ports import EventRepository, RecordedEvent

_COLUMNS = ("event_id", "type", "at", "payload")
_given = recordset(events, _COLUMNS, name="given")
_ADD = sa.insert(events).from_select(list(_COLUMNS), sa.select(*(_given.c[name] for name in _COLUMNS)))

_age = sa.extract("epoch", sa.func.clock_timestamp() - events.c.recorded_at)
_old = _age >= sa.bindparam("age_seconds", type_=sa.Float)
_RECORDED = (
    sa.select(events.c.number, events.c.event_id, sa.cast(_age, sa.Float).label("age_seconds"))
    .where(events.c.number > sa.bindparam("after", type_=sa.BigInteger))
    .order_by(events.c.number)
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_NEWEST = sa.select(sa.func.coalesce(sa.func.max(events.c.number), 0))
# From the newest backwards: what is asked for is never far from there.
_NUMBER_BEFORE = sa.select(events.c.number).where(_old).order_by(events.c.number.desc()).limit(1)
_READ = (
    sa.select(*(events.c[name] for name in _COLUMNS))
    .where(events.c.number == sa.any_(sa.bindparam("numbers", type_=sa.ARRAY(sa.BigInteger))))
    .order_by(events.c.number)
)
# Only ever looks at the oldest `most`: never a scan of the table.
_oldest = (
    sa.select(events.c.number, events.c.recorded_at)
    .order_by(events.c.number)
    .limit(sa.bindparam("most", type_=sa.Integer))
    .cte("oldest")
)
_FORGET = (
    sa.delete(events)
    .where(events.c.number == _oldest.c.number)
    .where(
        sa.extract("epoch", sa.func.clock_timestamp() - _oldest.c.recorded_at)
        >= sa.bindparam("age_seconds", type_=sa.Float)
    )
)


class PostgresEvents(EventRepository):
    """`app.ports.EventRepository` on one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def add(self, emitted: Sequence[Event]) -> None:
        """Record them in this order."""
        rows = [
            {"event_id": each.event_id, "type": each.type.value, "at": each.at, "payload": dict(each.payload)}
            for each in emitted
        ]
        self._transaction.run(_ADD, as_rows(rows))

    def recorded(self, *, after: int, limit: int) -> Sequence[RecordedEvent]:
        return [
            RecordedEvent(number=row.number, event_id=row.event_id, age_seconds=row.age_seconds)
            for row in self._transaction.rows(_RECORDED, {"after": after, "most": limit})
        ]

    def number_before(self, *, age_seconds: float) -> int:
        return int(self._transaction.value(_NUMBER_BEFORE, {"age_seconds": age_seconds}) or 0)

    def newest_number(self) -> int:
        return int(self._transaction.value(_NEWEST))

    def read(self, numbers: Sequence[int]) -> Sequence[Event]:
        return [
            Event(event_id=row.event_id, type=EventType(row.type), at=row.at, payload=row.payload)
            for row in self._transaction.rows(_READ, {"numbers": list(numbers)})
        ]

    def forget(self, *, older_than_seconds: float, limit: int) -> int:
        return self._transaction.run(_FORGET, {"age_seconds": older_than_seconds, "most": limit}).rowcount
