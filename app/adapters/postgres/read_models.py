"""What people look at, read from Postgres: each answer one read-only transaction that sees one moment."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from app.adapters.postgres.alerts import PostgresAlerts
from app.adapters.postgres.control import PostgresControl
from app.adapters.postgres.cursors import encode_name, limit_of, name_before, page_of, sequence_before
from app.adapters.postgres.explanation import explain, explain_order
from app.adapters.postgres.items import (
    account_item,
    attempt_item,
    audit_item,
    ess_item,
    no_policy_item,
    position_item,
)
from app.adapters.postgres.json_values import rfc3339
from app.adapters.postgres.ledger import PostgresLedger, position_from_row
from app.adapters.postgres.orders import PostgresOrders
from app.adapters.postgres.protection import PostgresProtection
from app.adapters.postgres.signals import PostgresSignals, votes_from_json
from app.adapters.postgres.tables import audit, equity_points, orders, positions, signals
from app.adapters.postgres.transaction import Row, Transaction, core_errors
from app.domain.ensemble.provenance import Ballot
from app.domain.market import Quote
from app.domain.money import ZERO, plain
from app.domain.signals import SignalState
from app.ports import EQUITY_POINTS_MAX, Page, ReadModels

# Of how many of the newest signals and orders an overview tells the states; counting all would grow with the tables.
COUNTED_IN_OVERVIEW_MAX = 1_000
SOURCE = "database"

_HELD = sa.select(positions).where(positions.c.quantity != ZERO).order_by(positions.c.symbol)
_HELD_AFTER = _HELD.where(positions.c.symbol > sa.bindparam("after", type_=sa.Text)).limit(
    sa.bindparam("limit", type_=sa.Integer)
)
_BOOKED = sa.select(
    sa.func.coalesce(sa.func.sum(positions.c.realised_pnl), ZERO).label("realised_pnl"),
    sa.func.coalesce(sa.func.sum(positions.c.fees), ZERO).label("fees"),
)
_LIMIT = sa.bindparam("limit", type_=sa.Integer)
_EQUITY_SINCE = (
    sa.select(equity_points)
    .where(equity_points.c.at >= sa.bindparam("since", type_=equity_points.c.at.type))
    .order_by(equity_points.c.at)
    .limit(_LIMIT)
)
_SPAN = sa.func.floor(
    sa.func.extract("epoch", equity_points.c.at) / sa.bindparam("every_seconds", type_=sa.Integer)
).label("span")
# The last point of each span, told from the first that `since` meets to the last of all.
_EQUITY_THINNED = (
    sa.select(equity_points)
    .ext(distinct_on(_SPAN))
    .where(equity_points.c.at >= sa.bindparam("since", type_=equity_points.c.at.type))
    .order_by(_SPAN, equity_points.c.at.desc())
    .limit(_LIMIT)
)
_EQUITY_NEWEST = sa.select(equity_points).order_by(equity_points.c.at.desc()).limit(_LIMIT)


# How far back votes are looked for: without votes in reach, the search must not read the whole table.
BALLOTS_LOOKED_THROUGH_MAX = 1_000
# A limit, not a condition on numbers: the planner cannot know how few those are.
_LATELY = (
    sa.select(
        signals.c.sequence,
        signals.c.signal_id,
        signals.c.symbol,
        signals.c.generated_at,
        signals.c.received_at,
        signals.c.models,
    )
    .order_by(signals.c.sequence.desc())
    .limit(BALLOTS_LOOKED_THROUGH_MAX)
    .subquery("lately")
)
_BALLOTS = (
    sa.select(_LATELY.c.signal_id, _LATELY.c.symbol, _LATELY.c.generated_at, _LATELY.c.received_at, _LATELY.c.models)
    .where(
        _LATELY.c.models != sa.text("'{}'::jsonb"),
        sa.or_(
            sa.bindparam("of_symbol", type_=sa.Text).is_(None),
            _LATELY.c.symbol == sa.bindparam("of_symbol", type_=sa.Text),
        ),
    )
    .order_by(_LATELY.c.sequence.desc())
    .limit(_LIMIT)
)
_AUDIT = (
    sa.select(audit)
    .where(
        audit.c.audit_id < sa.bindparam("before", type_=sa.BigInteger),
        sa.or_(
            sa.bindparam("of_actor", type_=sa.Text).is_(None), audit.c.actor == sa.bindparam("of_actor", type_=sa.Text)
        ),
    )
    .order_by(audit.c.audit_id.desc())
    .limit(_LIMIT)
)


def _counts(table: sa.Table) -> sa.Executable:
    """States of the `newest` rows. A limit, not a condition on numbers: the planner cannot know how few those are."""
    counted = (
        sa.select(table.c.state)
        .order_by(table.c.sequence.desc())
        .limit(sa.bindparam("newest", type_=sa.BigInteger))
        .subquery("counted")
    )
    return sa.select(counted.c.state, sa.func.count()).group_by(counted.c.state)


_COUNTS = {table.name: _counts(table) for table in (signals, orders)}
_EVERY = 2**62


class PostgresReadModels(ReadModels):
    """`app.ports.ReadModels` on an engine of its own or shared with the units of work."""

    def __init__(self, engine: sa.Engine) -> None:
        # REPEATABLE READ is one snapshot for all statements; a reader takes no row locks and holds up nobody.
        self._engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    def explain_signal(self, signal_id: str) -> Mapping[str, Any] | None:
        """See `app.adapters.postgres.explanation`."""
        with self._moment() as transaction:
            return explain(transaction, signal_id)

    def signals(self, *, states: Sequence[SignalState], after: str | None, limit: int) -> Page:
        """Newest first."""
        with self._moment() as transaction:
            return PostgresSignals(transaction).page(states=states, after=after, limit=limit)

    def orders(self, *, after: str | None, limit: int) -> Page:
        """Newest first."""
        with self._moment() as transaction:
            return PostgresOrders(transaction).page(after=after, limit=limit)

    def explain_order(self, order_id: uuid.UUID) -> Mapping[str, Any] | None:
        """See `app.adapters.postgres.explanation`."""
        with self._moment() as transaction:
            return explain_order(transaction, order_id)

    def ballots(self, *, symbol: str | None, limit: int) -> Sequence[Ballot]:
        """The votes of the newest signals that had some, newest first."""
        with self._moment() as transaction:
            rows = transaction.rows(_BALLOTS, {"of_symbol": symbol, "limit": limit})
        return [
            Ballot(
                signal_id=row.signal_id,
                symbol=row.symbol,
                cast_at=min(row.generated_at, row.received_at),
                votes=votes_from_json(row.models),
            )
            for row in rows
        ]

    def audit(self, *, actor: str | None, after: str | None, limit: int) -> Page:
        """Newest first."""
        parameters = {"of_actor": actor, "before": sequence_before(after), "limit": limit_of(limit)}
        with self._moment() as transaction:
            rows = transaction.rows(_AUDIT, parameters)
        return page_of(rows, limit=limit, sequence=lambda row: int(row.audit_id), item=audit_item)

    def open_attempts(self, *, limit: int) -> Sequence[Mapping[str, Any]]:
        """Attempts whose end is not known, oldest first."""
        with self._moment() as transaction:
            attempts = PostgresOrders(transaction).open_attempts(limit=limit)
        return [{**attempt_item(each), "symbol": each.symbol, "order_id": str(each.order_id)} for each in attempts]

    def alerts(self, *, only_open: bool, after: str | None, limit: int) -> Page:
        """Newest first."""
        with self._moment() as transaction:
            return PostgresAlerts(transaction).page(only_open=only_open, after=after, limit=limit)

    def positions(self, quotes: Mapping[str, Quote], *, now: datetime, after: str | None, limit: int) -> Page:
        """Those that are not flat, by symbol, valued at the quotes' mark prices."""
        parameters = {"after": name_before(after), "limit": limit_of(limit)}
        with self._moment() as transaction:
            rows = transaction.rows(_HELD_AFTER, parameters)
            items = _positions(transaction, rows[:limit], quotes, now=now)
        return Page(items=items, next=encode_name(rows[limit - 1].symbol) if len(rows) > limit else None)

    def portfolio(self, *, now: datetime) -> Mapping[str, Any]:
        """The account as the exchange told it, and what our ledger has realised and paid in fees."""
        with self._moment() as transaction:
            return _portfolio(transaction, now=now)

    def equity(self, *, since: datetime | None, limit: int, every_seconds: int | None = None) -> Page:
        """Oldest first from `since` on, `next` being the `since` of the next page; without it the newest `limit`."""
        with_next = limit_of(limit, maximum=EQUITY_POINTS_MAX)
        with self._moment() as transaction:
            if since is None:
                rows = list(reversed(transaction.rows(_EQUITY_NEWEST, {"limit": limit})))
            elif every_seconds is not None:
                spans = {"since": since, "limit": with_next, "every_seconds": every_seconds}
                rows = list(transaction.rows(_EQUITY_THINNED, spans))
            else:
                rows = list(transaction.rows(_EQUITY_SINCE, {"since": since, "limit": with_next}))
        items = [
            {
                "at": rfc3339(row.at),
                "equity": plain(row.equity),
                "wallet": plain(row.wallet),
                "unrealised": plain(row.unrealised),
            }
            for row in rows
        ]
        return Page(items=items[:limit], next=items[limit]["at"] if len(items) > limit else None)

    def ess(self) -> Mapping[str, Any]:
        with self._moment() as transaction:
            return _ess(transaction)

    def policy(self) -> Mapping[str, Any]:
        with self._moment() as transaction:
            return _policy(transaction)

    def policy_versions(self, *, after: str | None, limit: int) -> Page:
        """Newest first."""
        with self._moment() as transaction:
            return PostgresControl(transaction).policy_versions(after=after, limit=limit)

    def counts(self, *, newest: int | None) -> Mapping[str, Any]:
        """Signals and orders by state among the `newest` of each (None: of all, which reads them all)."""
        with self._moment() as transaction:
            return _count(transaction, newest)

    def overview(self, quotes: Mapping[str, Quote], *, now: datetime, limit: int) -> Mapping[str, Any]:
        """`portfolio, positions, orders, signals, ess, policy, counts` as of one moment; lists hold `limit` rows."""
        with self._moment() as transaction:
            told = {"source": SOURCE, "age_seconds": 0.0}
            newest_orders = PostgresOrders(transaction).page(after=None, limit=limit)
            newest_signals = PostgresSignals(transaction).page(states=[], after=None, limit=limit)
            return {
                "portfolio": _portfolio(transaction, now=now),
                "positions": {"items": _positions(transaction, transaction.rows(_HELD), quotes, now=now), **told},
                "orders": {"items": newest_orders.items, "next": newest_orders.next, **told},
                "signals": {"items": newest_signals.items, "next": newest_signals.next, **told},
                "ess": {**_ess(transaction), **told},
                "policy": {**_policy(transaction), **told},
                "counts": {**_count(transaction, COUNTED_IN_OVERVIEW_MAX), **told},
            }

    @contextmanager
    def _moment(self) -> Iterator[Transaction]:
        with core_errors(), self._engine.connect() as connection:
            transaction = Transaction(connection)
            try:
                yield transaction
            finally:
                transaction.finish()


def _positions(
    transaction: Transaction, rows: Sequence[Row], quotes: Mapping[str, Quote], *, now: datetime
) -> list[Mapping[str, Any]]:
    held = [position_from_row(row) for row in rows]
    guards = {guard.symbol: guard for guard in PostgresProtection(transaction).guards()}
    return [position_item(each, guards.get(each.symbol), quotes.get(each.symbol), now=now) for each in held]


def _portfolio(transaction: Transaction, *, now: datetime) -> dict[str, Any]:
    booked = transaction.rows(_BOOKED)[0]
    return {
        **account_item(PostgresLedger(transaction).account(), now=now),
        "realised_pnl": plain(booked.realised_pnl),
        "fees": plain(booked.fees),
    }


def _ess(transaction: Transaction) -> dict[str, Any]:
    return ess_item(PostgresControl(transaction).ess())


def _policy(transaction: Transaction) -> Mapping[str, Any]:
    newest = PostgresControl(transaction).policy_versions(after=None, limit=1).items
    return newest[0] if newest else no_policy_item()


def _count(transaction: Transaction, newest: int | None) -> dict[str, Any]:
    parameters = {"newest": _EVERY if newest is None else newest}
    found = {
        name: {row.state: row.count for row in transaction.rows(statement, parameters)}
        for name, statement in _COUNTS.items()
    }
    return {**found, "of_newest": newest}
