"""The record of events in Postgres: written with what caused them, read when the live stream forgot its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from app.adapters.postgres.event_tables import applied_events, events, strategy_outcomes
from app.adapters.postgres.recordset import as_rows, recordset
from app.adapters.postgres.tables import signals
from app.adapters.postgres.transaction import Row, Transaction
from app.domain.events import Event, EventType
from app.domain.signals import SignalState
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

# A day: far longer than any event can still be delivered again.
_FORGET_APPLIED = sa.delete(applied_events).where(
    applied_events.c.event_id.in_(
        sa.select(applied_events.c.event_id)
        .where(applied_events.c.applied_at < sa.func.now() - sa.text("interval '1 day'"))
        .order_by(applied_events.c.applied_at)
        .limit(sa.bindparam("most", type_=sa.Integer))
    )
)
_ids = (
    sa.func.unnest(sa.bindparam("event_ids", type_=sa.ARRAY(sa.Text)))
    .table_valued("event_id", name="given")
    .render_derived()
)
_CLAIM = (
    pg.insert(applied_events)
    .from_select(["consumer", "event_id"], sa.select(sa.bindparam("of_consumer", type_=sa.Text), _ids.c.event_id))
    .on_conflict_do_nothing()
    .returning(applied_events.c.event_id)
)


def _add_outcomes() -> sa.Executable:
    """In order of the keys, so that two that count at once wait for each other instead of deadlocking."""
    ended = recordset(signals, ("signal_id", "state"), name="ended")
    counted = (
        sa.select(signals.c.strategy, ended.c.state, sa.func.count().label("signals"))
        .join_from(ended, signals, signals.c.signal_id == ended.c.signal_id)
        .group_by(signals.c.strategy, ended.c.state)
        .order_by(signals.c.strategy, ended.c.state)
    )
    insert = pg.insert(strategy_outcomes).from_select(["strategy", "state", "signals"], counted)
    return insert.on_conflict_do_update(
        index_elements=["strategy", "state"],
        set_={"signals": strategy_outcomes.c.signals + insert.excluded.signals},
    ).returning(strategy_outcomes.c.strategy)


_ADD_OUTCOMES = _add_outcomes()
_OUTCOMES = sa.select(strategy_outcomes).order_by(strategy_outcomes.c.strategy, strategy_outcomes.c.state)


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

    def claim(self, consumer: str, event_ids: Sequence[str]) -> Sequence[str]:
        rows = self._transaction.rows(_CLAIM, {"of_consumer": consumer, "event_ids": sorted(event_ids)})
        return sorted(row.event_id for row in rows)

    def add_outcomes(self, ends: Sequence[tuple[str, SignalState]]) -> Mapping[str, Mapping[str, int]]:
        if not ends:
            return {}
        rows = [{"signal_id": signal_id, "state": state.value} for signal_id, state in ends]
        touched = {row.strategy for row in self._transaction.rows(_ADD_OUTCOMES, as_rows(rows))}
        return {strategy: counts for strategy, counts in self.outcomes().items() if strategy in touched}

    def outcomes(self) -> Mapping[str, Mapping[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for row in self._transaction.rows(_OUTCOMES):
            found.setdefault(row.strategy, {})[row.state] = row.signals
        return found

    def forget(self, *, older_than_seconds: float, limit: int) -> int:
        self._transaction.run(_FORGET_APPLIED, {"most": limit})
        return self._transaction.run(_FORGET, {"age_seconds": older_than_seconds, "most": limit}).rowcount


def _event(row: Row) -> Event:
    return Event(event_id=row.event_id, type=EventType(row.type), at=row.at, payload=row.payload)
