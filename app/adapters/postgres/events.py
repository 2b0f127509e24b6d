"""The record of events in Postgres: written with what caused them, read when the live stream forgot its end."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from app.adapters.postgres.recordset import as_rows, recordset
from app.adapters.postgres.tables import events
from app.adapters.postgres.transaction import Row, Transaction
from app.domain.events import Event, EventType
from app.ports import EventRepository, RecordedEvent

# How far back an event is told once more that a following one might overtake: longer than anybody takes to publish.
OVERTAKABLE_SECONDS = 10.0
OVERTAKABLE_ROWS_MAX = 200

_FIRST = frozenset({EventType.SIGNAL_RECEIVED})
_COLUMNS = ("event_id", "type", "at", "payload")
_age = sa.extract("epoch", sa.func.clock_timestamp() - events.c.recorded_at)


def _add() -> sa.Executable:
    """Record events; answers those committed just before that they follow from, by their subjects, oldest first."""
    columns = (*_COLUMNS, "subject")
    given = recordset(events, columns, name="given")
    added = (
        sa.insert(events)
        .from_select(list(columns), sa.select(*(given.c[name] for name in columns)))
        .returning(events.c.number)
        .cte("added")
    )
    subjects = sa.bindparam("subjects", type_=sa.ARRAY(sa.Text))
    return (
        sa.select(*(events.c[name] for name in _COLUMNS))
        .add_cte(added)
        .where(events.c.subject == sa.any_(subjects), _age < OVERTAKABLE_SECONDS)
        .order_by(events.c.number.desc())
        .limit(OVERTAKABLE_ROWS_MAX)
    )


_ADD = _add()
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

    def add(self, emitted: Sequence[Event]) -> Sequence[Event]:
        """Record them in this order; answers those committed lately that they follow from, which their own process may
        not have published yet. Statements see what was committed before them, and this one follows every lock."""
        rows = [
            {
                "event_id": each.event_id,
                "type": each.type.value,
                "at": each.at,
                "payload": dict(each.payload),
                "subject": each.subject,
            }
            for each in emitted
        ]
        # Nothing comes before the arrival of a signal.
        subjects = sorted({each.subject for each in emitted if each.type not in _FIRST and each.subject is not None})
        found = self._transaction.rows(_ADD, as_rows(rows) | {"subjects": subjects})
        return [_event(row) for row in reversed(found)]

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
        return [_event(row) for row in self._transaction.rows(_READ, {"numbers": list(numbers)})]

    def forget(self, *, older_than_seconds: float, limit: int) -> int:
        return self._transaction.run(_FORGET, {"age_seconds": older_than_seconds, "most": limit}).rowcount


def _event(row: Row) -> Event:
    return Event(event_id=row.event_id, type=EventType(row.type), at=row.at, payload=row.payload)
