"""Signals in Postgres: intake of whole batches in one statement, state changes guarded by the state table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from app.adapters.postgres.cursors import limit_of, page_of, sequence_before
from app.adapters.postgres.items import signal_item
from app.adapters.postgres.recordset import as_rows, recordset
from app.adapters.postgres.tables import (
    SIGNAL_IS_DISPATCHED,
    SIGNAL_IS_IN_FLIGHT,
    SIGNAL_IS_QUEUED,
    signals,
)
from app.adapters.postgres.transaction import Row, Transaction
from app.domain.signals import (
    SIGNAL_TRANSITIONS,
    ModelVote,
    Side,
    Signal,
    SignalEvent,
    SignalState,
    StoredSignal,
)
from app.ports import Page, SignalRepository

BATCH_MAX = 500

_INTAKE_COLUMNS = (
    "signal_id", "symbol", "side", "confidence", "strategy", "generated_at", "received_at", "expires_at",
    "reference_price", "models", "producer", "correlation_id",
)  # fmt: skip


def _insert_batch() -> sa.Executable:
    """Numbers are drawn in order of arrival; rows go in in order of their ids, so that two batches that share ids
    wait for each other instead of deadlocking."""
    given = recordset(signals, _INTAKE_COLUMNS, name="given")
    number = sa.func.nextval(sa.func.pg_get_serial_sequence("signals", "sequence"))
    arrived = (
        sa.select(number.label("sequence"), *(given.c[name] for name in _INTAKE_COLUMNS))
        .cte("arrived")
        .prefix_with("MATERIALIZED")
    )
    return (
        pg.insert(signals)
        .from_select(
            ["sequence", *_INTAKE_COLUMNS, "state"],
            sa.select(*arrived.c, sa.literal_column(f"'{SignalState.QUEUED.value}'")).order_by(arrived.c.signal_id),
        )
        .on_conflict_do_nothing(index_elements=["signal_id"])
        .returning(signals.c.signal_id)
    )


def _target_of(event: SignalEvent) -> tuple[SignalState, frozenset[SignalState]]:
    """Where `event` leads and from which states; an event that led to two places could not be one UPDATE."""
    arrows = {state: moves[event] for state, moves in SIGNAL_TRANSITIONS.items() if event in moves}
    (target,) = set(arrows.values())
    return target, frozenset(arrows)


def _advance(event: SignalEvent) -> sa.Executable:
    target, sources = _target_of(event)
    in_source = signals.c.state.in_([sa.literal_column(f"'{state.value}'") for state in sorted(sources)])
    # Rows are locked in one order, so that two sweeps over the same signals wait instead of deadlocking.
    movable = (
        sa.select(signals.c.sequence)
        .where(signals.c.signal_id == sa.any_(sa.bindparam("signal_ids", type_=pg.ARRAY(sa.Text))), in_source)
        .order_by(signals.c.sequence)
        .with_for_update()
        .cte("movable")
    )
    now = sa.bindparam("now", type_=signals.c.received_at.type)
    changes: dict[str, Any] = {
        "state": target.value,
        "reason_code": sa.bindparam("new_reason_code", type_=sa.Text),
        "reason": sa.bindparam("new_reason", type_=sa.Text),
        "policy_version": sa.func.coalesce(
            sa.bindparam("new_policy_version", type_=sa.BigInteger), signals.c.policy_version
        ),
    }
    if target is SignalState.DISPATCHED:
        changes["dispatched_at"] = now
    else:
        changes["decided_at"] = sa.func.coalesce(signals.c.decided_at, now)
    return (
        sa.update(signals)
        .where(signals.c.sequence.in_(sa.select(movable.c.sequence)), in_source)
        .values(changes)
        .returning(signals.c.signal_id)
    )


_ID = sa.bindparam("signal_id", type_=sa.Text)
_IDS = sa.bindparam("signal_ids", type_=pg.ARRAY(sa.Text))
_BEFORE = sa.bindparam("before", type_=signals.c.received_at.type)
_LIMIT = sa.bindparam("limit", type_=sa.Integer)

_INSERT_BATCH = _insert_batch()
_ADVANCE = {event: _advance(event) for event in SignalEvent}
_GET = sa.select(signals).where(signals.c.signal_id == _ID)
_LOCK = _GET.with_for_update()
_AFTER = (sa.bindparam("after_moment", type_=sa.DateTime(timezone=True)), sa.bindparam("after", type_=sa.BigInteger))


def _oldest(is_in_state: sa.TextClause, since: sa.Column[Any]) -> sa.Select[Any]:
    """Those in a state since before a moment, oldest first, from behind a place in that order."""
    return (
        sa.select(signals)
        .where(is_in_state, since < _BEFORE, sa.tuple_(since, signals.c.sequence) > sa.tuple_(*_AFTER))
        .order_by(since, signals.c.sequence)
        .limit(_LIMIT)
    )


BEFORE_ALL = (datetime(1970, 1, 1, tzinfo=UTC), 0)
_QUEUED_BEFORE = _oldest(SIGNAL_IS_QUEUED, signals.c.received_at)
_DISPATCHED_BEFORE = _oldest(SIGNAL_IS_DISPATCHED, signals.c.dispatched_at)
_CONFIDENCES = sa.select(signals.c.signal_id, signals.c.confidence).where(signals.c.signal_id == sa.any_(_IDS))
_IN_FLIGHT = sa.select(sa.func.count()).select_from(signals).where(SIGNAL_IS_IN_FLIGHT)


def _page_of_states() -> sa.Executable:
    """Each state contributes its newest rows through the index (state, sequence); however rare it is, nothing older
    than a page is read."""
    before = sa.bindparam("sequence_before", type_=sa.BigInteger)
    wanted = (
        sa.func.unnest(sa.bindparam("states", type_=pg.ARRAY(sa.Text)))
        .table_valued(sa.column("state", sa.Text))
        .render_derived(name="wanted")
    )
    newest = (
        sa.select(signals)
        .where(signals.c.state == wanted.c.state, signals.c.sequence < before)
        .order_by(signals.c.sequence.desc())
        .limit(_LIMIT)
        .lateral("newest")
    )
    return (
        sa.select(newest).select_from(wanted.join(newest, sa.true())).order_by(newest.c.sequence.desc()).limit(_LIMIT)
    )


_PAGE_OF_STATES = _page_of_states()
_PAGE = (
    sa.select(signals)
    .where(signals.c.sequence < sa.bindparam("sequence_before", type_=sa.BigInteger))
    .order_by(signals.c.sequence.desc())
    .limit(_LIMIT)
)


class PostgresSignals(SignalRepository):
    """`app.ports.SignalRepository` on one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def add_many(self, batch: Sequence[Signal]) -> Sequence[bool]:
        """Insert as QUEUED, in one statement; False where the signal_id was stored before or earlier in the batch."""
        if len(batch) > BATCH_MAX:
            raise ValueError(f"a batch holds at most {BATCH_MAX} signals, not {len(batch)}")
        if not batch:
            return []
        rows = self._transaction.rows(_INSERT_BATCH, as_rows([_to_row(signal) for signal in batch]))
        inserted = {row.signal_id for row in rows}
        answers = []
        for signal in batch:
            answers.append(signal.signal_id in inserted)
            inserted.discard(signal.signal_id)
        return answers

    def get(self, signal_id: str) -> StoredSignal | None:
        row = self._transaction.row(_GET, {"signal_id": signal_id})
        return None if row is None else signal_from_row(row)

    def lock(self, signal_id: str) -> StoredSignal | None:
        """The row, FOR UPDATE."""
        row = self._transaction.row(_LOCK, {"signal_id": signal_id})
        return None if row is None else signal_from_row(row)

    def advance(
        self,
        signal_ids: Sequence[str],
        event: SignalEvent,
        *,
        now: datetime,
        reason_code: str | None = None,
        reason: str | None = None,
        policy_version: int | None = None,
    ) -> Sequence[str]:
        """One guarded UPDATE. The reason belongs to the new state and replaces the old one; a policy version given
        once stays; `decided_at` is when the signal first left the queue for good."""
        if not signal_ids:
            return []
        rows = self._transaction.rows(
            _ADVANCE[event],
            {
                "signal_ids": list(signal_ids),
                "now": now,
                "new_reason_code": reason_code,
                "new_reason": reason,
                "new_policy_version": policy_version,
            },
        )
        moved = {row.signal_id for row in rows}
        return [signal_id for signal_id in dict.fromkeys(signal_ids) if signal_id in moved]

    def queued_before(
        self, received_before: datetime, *, limit: int, after: StoredSignal | None = None
    ) -> Sequence[StoredSignal]:
        """QUEUED signals received before, oldest first, from behind `after` on."""
        place = BEFORE_ALL if after is None else (after.signal.received_at, after.sequence)
        return self._oldest(_QUEUED_BEFORE, received_before, place, limit)

    def dispatched_before(
        self, dispatched_before: datetime, *, limit: int, after: StoredSignal | None = None
    ) -> Sequence[StoredSignal]:
        """DISPATCHED signals whose hint may be lost, oldest first, from behind `after` on."""
        place = BEFORE_ALL if after is None else (after.dispatched_at or BEFORE_ALL[0], after.sequence)
        return self._oldest(_DISPATCHED_BEFORE, dispatched_before, place, limit)

    def _oldest(
        self, statement: sa.Executable, before: datetime, place: tuple[datetime, int], limit: int
    ) -> Sequence[StoredSignal]:
        moment, sequence = place
        rows = self._transaction.rows(
            statement, {"before": before, "after_moment": moment, "after": sequence, "limit": limit}
        )
        return [signal_from_row(row) for row in rows]

    def confidences(self, signal_ids: Sequence[str]) -> Mapping[str, Decimal]:
        """Their confidences, by id; unknown ids are left out."""
        if not signal_ids:
            return {}
        rows = self._transaction.rows(_CONFIDENCES, {"signal_ids": list(signal_ids)})
        return {row.signal_id: row.confidence for row in rows}

    def in_flight_count(self) -> int:
        return int(self._transaction.value(_IN_FLIGHT))

    def page(self, *, states: Sequence[SignalState], after: str | None, limit: int) -> Page:
        """Newest first; of all states when none is named."""
        parameters: dict[str, Any] = {"sequence_before": sequence_before(after), "limit": limit_of(limit)}
        if states:
            parameters["states"] = [state.value for state in dict.fromkeys(states)]
        rows = self._transaction.rows(_PAGE_OF_STATES if states else _PAGE, parameters)
        return page_of(
            rows,
            limit=limit,
            sequence=lambda row: int(row.sequence),
            item=lambda row: signal_item(signal_from_row(row)),
        )


def _to_row(signal: Signal) -> dict[str, Any]:
    return {
        "signal_id": signal.signal_id,
        "symbol": signal.symbol,
        "side": signal.side.value,
        "confidence": signal.confidence,
        "strategy": signal.strategy,
        "generated_at": signal.generated_at,
        "received_at": signal.received_at,
        "expires_at": signal.expires_at,
        "reference_price": signal.reference_price,
        "models": {
            name: {"action": vote.action, "confidence": vote.confidence, "source": vote.source}
            for name, vote in signal.models.items()
        },
        "producer": signal.producer,
        "correlation_id": signal.correlation_id,
    }


def _item_of(row: Row) -> Mapping[str, Any]:
    return signal_item(signal_from_row(row))


def votes_from_json(models: Mapping[str, Any]) -> Mapping[str, ModelVote]:
    """The votes of the column `models`."""
    return {
        name: ModelVote(action=vote["action"], confidence=Decimal(vote["confidence"]), source=vote["source"])
        for name, vote in models.items()
    }


def signal_from_row(row: Row) -> StoredSignal:
    return StoredSignal(
        signal=Signal(
            signal_id=row.signal_id,
            symbol=row.symbol,
            side=Side(row.side),
            confidence=row.confidence,
            strategy=row.strategy,
            generated_at=row.generated_at,
            received_at=row.received_at,
            expires_at=row.expires_at,
            reference_price=row.reference_price,
            models=votes_from_json(row.models),
            correlation_id=row.correlation_id,
            producer=row.producer,
        ),
        sequence=row.sequence,
        state=SignalState(row.state),
        reason_code=row.reason_code,
        reason=row.reason,
        decided_at=row.decided_at,
        dispatched_at=row.dispatched_at,
        policy_version=row.policy_version,
    )
