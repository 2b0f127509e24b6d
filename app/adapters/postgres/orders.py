"""Orders and their attempts in Postgres; the database itself refuses a second open attempt and an overfill."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from app.adapters.postgres.cursors import limit_of, page_of, sequence_before
from app.adapters.postgres.items import order_item
from app.adapters.postgres.tables import (
    ATTEMPT_HAS_ENDED,
    ATTEMPT_IS_OPEN,
    ATTEMPT_WAS_TROUBLED,
    ORDER_IS_CHASING,
    ORDER_IS_OPEN,
    ORDER_IS_UNBOOKED,
    attempts,
    orders,
    signals,
)
from app.adapters.postgres.transaction import Row, Transaction
from app.domain.orders import (
    Attempt,
    AttemptState,
    Order,
    OrderPurpose,
    OrderState,
    OrderType,
    TimeInForce,
)
from app.domain.signals import Side
from app.ports import OrderRepository, Page

# What never changes once an order or an attempt exists.
_ORDER_FIXED = frozenset(
    ("order_id", "signal_id", "symbol", "side", "purpose", "quantity", "reference_price", "limit_price",
     "policy_version", "correlation_id", "created_at")
)  # fmt: skip
_ATTEMPT_FIXED = frozenset(
    ("client_order_id", "order_id", "number", "symbol", "side", "order_type", "time_in_force", "quantity", "price",
     "reduce_only", "signed_at_ms", "recv_window_ms", "begun_at")
)  # fmt: skip
_ORDER_FIELDS = tuple(field.name for field in fields(Order))
_ATTEMPT_FIELDS = tuple(field.name for field in fields(Attempt))


class MissingRowError(LookupError):
    """A row that was to be saved does not exist: a bug in the caller."""


def _save(table: sa.Table, key: str, names: Sequence[str], fixed: frozenset[str]) -> sa.Executable:
    changes = {name: sa.bindparam(f"new_{name}", type_=table.c[name].type) for name in names if name not in fixed}
    return sa.update(table).where(table.c[key] == sa.bindparam("key", type_=table.c[key].type)).values(changes)


_LIMIT = sa.bindparam("limit", type_=sa.Integer)
_MOMENT = sa.bindparam("moment", type_=orders.c.created_at.type)
_ORDER_ID = sa.bindparam("order_id", type_=orders.c.order_id.type)
_CLIENT_ORDER_ID = sa.bindparam("client_order_id", type_=sa.Text)

_ADD = sa.insert(orders).values({name: sa.bindparam(name, type_=orders.c[name].type) for name in _ORDER_FIELDS})
_ADD_ATTEMPT = sa.insert(attempts).values(
    {name: sa.bindparam(name, type_=attempts.c[name].type) for name in _ATTEMPT_FIELDS}
)
_SAVE = _save(orders, "order_id", _ORDER_FIELDS, _ORDER_FIXED)
_SAVE_ATTEMPT = _save(attempts, "client_order_id", _ATTEMPT_FIELDS, _ATTEMPT_FIXED)
_GET = sa.select(orders).where(orders.c.order_id == _ORDER_ID)
_LOCK = _GET.with_for_update()
_BY_SIGNAL = sa.select(orders).where(orders.c.signal_id == sa.bindparam("signal_id", type_=sa.Text))
_GET_ATTEMPT = sa.select(attempts).where(attempts.c.client_order_id == _CLIENT_ORDER_ID)
_ATTEMPT_BY_EXCHANGE_ID = (
    sa.select(attempts)
    .where(
        attempts.c.symbol == sa.bindparam("of_symbol", type_=sa.Text),
        attempts.c.exchange_order_id == sa.bindparam("exchange_order_id", type_=sa.BigInteger),
    )
    .order_by(attempts.c.begun_at.desc())
    .limit(1)
)
_ATTEMPTS = sa.select(attempts).where(attempts.c.order_id == _ORDER_ID).order_by(attempts.c.number)
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)
_OPEN_ATTEMPTS = (
    sa.select(attempts)
    .where(ATTEMPT_IS_OPEN, attempts.c.begun_at < _MOMENT)
    .order_by(attempts.c.begun_at, attempts.c.client_order_id)
    .limit(_LIMIT)
)
_DUE_CHASES = (
    sa.select(orders)
    .where(ORDER_IS_CHASING, orders.c.next_attempt_at <= _MOMENT)
    .order_by(orders.c.next_attempt_at, orders.c.sequence)
    .limit(_LIMIT)
)
_UNSETTLED_SYMBOLS = sa.union(
    sa.select(attempts.c.symbol).where(ATTEMPT_IS_OPEN, attempts.c.begun_at <= _MOMENT),
    sa.select(orders.c.symbol).where(
        ORDER_IS_UNBOOKED,
        sa.exists().where(attempts.c.order_id == orders.c.order_id, attempts.c.begun_at <= _MOMENT),
    ),
)
_UNBOOKED = sa.select(orders).where(ORDER_IS_UNBOOKED).order_by(orders.c.created_at, orders.c.sequence).limit(_LIMIT)
_LAST_ENTRY_AT = (
    sa.select(orders.c.created_at)
    .where(
        orders.c.symbol == sa.bindparam("symbol", type_=sa.Text),
        orders.c.side == sa.bindparam("side", type_=sa.Text),
        orders.c.purpose == sa.literal_column(f"'{OrderPurpose.ENTRY.value}'"),
    )
    .order_by(orders.c.created_at.desc())
    .limit(1)
)
# Both sides are named for the index, which begins with symbol and side.
_EXECUTIONS_OF = (
    sa.select(sa.func.count())
    .select_from(orders.join(signals, signals.c.signal_id == orders.c.signal_id))
    .where(
        orders.c.symbol == sa.bindparam("symbol", type_=sa.Text),
        orders.c.side.in_([sa.literal_column(f"'{side.value}'") for side in Side]),
        orders.c.created_at > _MOMENT,
        orders.c.purpose == sa.literal_column(f"'{OrderPurpose.ENTRY.value}'"),
        signals.c.strategy == sa.bindparam("strategy", type_=sa.Text),
    )
)
# Exits are reduce-only and entries never are.
_ATTEMPTS_SINCE = (
    sa.select(sa.func.count())
    .select_from(attempts)
    .where(attempts.c.begun_at >= _MOMENT, sa.not_(attempts.c.reduce_only))
)
_TROUBLED_SINCE = (
    sa.select(sa.func.count()).select_from(attempts).where(ATTEMPT_WAS_TROUBLED, attempts.c.begun_at >= _MOMENT)
)
_NEWEST_ENDED_ENTRIES = (
    sa.select(attempts)
    .where(attempts.c.begun_at >= _MOMENT, sa.not_(attempts.c.reduce_only), ATTEMPT_HAS_ENDED)
    .order_by(attempts.c.begun_at.desc(), attempts.c.client_order_id.desc())
    .limit(_LIMIT)
)
_PAGE = (
    sa.select(orders)
    .where(orders.c.sequence < sa.bindparam("sequence_before", type_=sa.BigInteger))
    .order_by(orders.c.sequence.desc())
    .limit(_LIMIT)
)
_IN_STATE = (
    sa.select(orders)
    .where(orders.c.state == sa.any_(sa.bindparam("states", type_=pg.ARRAY(sa.Text))))
    .order_by(orders.c.created_at, orders.c.sequence)
    .limit(_LIMIT)
)
_IN_OPEN_STATE = _IN_STATE.where(ORDER_IS_OPEN)
_OPEN_STATES = frozenset(state for state in OrderState if not state.is_terminal)


class PostgresOrders(OrderRepository):
    """`app.ports.OrderRepository` on one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def add(self, order: Order) -> None:
        self._transaction.run(_ADD, _values(order, _ORDER_FIELDS))

    def get(self, order_id: uuid.UUID) -> Order | None:
        row = self._transaction.row(_GET, {"order_id": order_id})
        return None if row is None else order_from_row(row)

    def lock(self, order_id: uuid.UUID) -> Order | None:
        """The row, FOR UPDATE."""
        row = self._transaction.row(_LOCK, {"order_id": order_id})
        return None if row is None else order_from_row(row)

    def by_signal(self, signal_id: str) -> Order | None:
        row = self._transaction.row(_BY_SIGNAL, {"signal_id": signal_id})
        return None if row is None else order_from_row(row)

    def save(self, order: Order) -> None:
        """Write every mutable column; `OverfilledError` when it would say more was filled than was approved."""
        changes = {f"new_{name}": value for name, value in _values(order, _ORDER_FIELDS, _ORDER_FIXED).items()}
        self._update(_SAVE, {"key": order.order_id, **changes})

    def add_attempt(self, attempt: Attempt) -> None:
        """Insert; `SecondOpenAttemptError` while another attempt of the order is SENDING or UNKNOWN."""
        self._transaction.run(_ADD_ATTEMPT, _values(attempt, _ATTEMPT_FIELDS))

    def get_attempt(self, client_order_id: str) -> Attempt | None:
        row = self._transaction.row(_GET_ATTEMPT, {"client_order_id": client_order_id})
        return None if row is None else attempt_from_row(row)

    def attempt_by_exchange_id(self, symbol: str, exchange_order_id: int) -> Attempt | None:
        """The attempt the exchange knows by this number (unique per symbol)."""
        parameters = {"of_symbol": symbol, "exchange_order_id": exchange_order_id}
        row = self._transaction.row(_ATTEMPT_BY_EXCHANGE_ID, parameters)
        return None if row is None else attempt_from_row(row)

    def save_attempt(self, attempt: Attempt) -> None:
        changes = {f"new_{name}": value for name, value in _values(attempt, _ATTEMPT_FIELDS, _ATTEMPT_FIXED).items()}
        self._update(_SAVE_ATTEMPT, {"key": attempt.client_order_id, **changes})

    def attempts(self, order_id: uuid.UUID) -> Sequence[Attempt]:
        """In order of their numbers."""
        return [attempt_from_row(row) for row in self._transaction.rows(_ATTEMPTS, {"order_id": order_id})]

    def open_attempts(self, *, begun_before: datetime | None = None, limit: int) -> Sequence[Attempt]:
        """SENDING or UNKNOWN attempts begun before (None: all), oldest first."""
        moment = _END_OF_TIME if begun_before is None else begun_before
        rows = self._transaction.rows(_OPEN_ATTEMPTS, {"moment": moment, "limit": limit})
        return [attempt_from_row(row) for row in rows]

    def due_chases(self, *, now: datetime, limit: int) -> Sequence[Order]:
        """CHASING orders whose `next_attempt_at` has come, the longest overdue first."""
        rows = self._transaction.rows(_DUE_CHASES, {"moment": now, "limit": limit})
        return [order_from_row(row) for row in rows]

    def unbooked(self, *, limit: int) -> Sequence[Order]:
        """Orders with `executed_quantity > booked_quantity`, oldest first."""
        return [order_from_row(row) for row in self._transaction.rows(_UNBOOKED, {"limit": limit})]

    def unsettled_symbols(self, *, begun_until: datetime) -> frozenset[str]:
        """Symbols with an attempt begun until then that is open, or of an order whose fills are not all booked."""
        return frozenset(row.symbol for row in self._transaction.rows(_UNSETTLED_SYMBOLS, {"moment": begun_until}))

    def last_entry_at(self, symbol: str, side: Side) -> datetime | None:
        found: datetime | None = self._transaction.value(_LAST_ENTRY_AT, {"symbol": symbol, "side": side.value})
        return found

    def executions_of(self, strategy: str, symbol: str, *, since: datetime) -> int:
        parameters = {"strategy": strategy, "symbol": symbol, "moment": since}
        return int(self._transaction.value(_EXECUTIONS_OF, parameters))

    def attempts_since(self, since: datetime) -> int:
        return int(self._transaction.value(_ATTEMPTS_SINCE, {"moment": since}))

    def troubled_since(self, since: datetime) -> int:
        return int(self._transaction.value(_TROUBLED_SINCE, {"moment": since}))

    def newest_ended_entries(self, *, since: datetime, limit: int) -> Sequence[Attempt]:
        """Attempts of entries begun since that have ended, newest first."""
        rows = self._transaction.rows(_NEWEST_ENDED_ENTRIES, {"moment": since, "limit": limit})
        return [attempt_from_row(row) for row in rows]

    def page(self, *, after: str | None, limit: int) -> Page:
        """Newest first."""
        rows = self._transaction.rows(_PAGE, {"sequence_before": sequence_before(after), "limit": limit_of(limit)})
        return page_of(
            rows, limit=limit, sequence=lambda row: int(row.sequence), item=lambda row: order_item(order_from_row(row))
        )

    def in_state(self, states: Sequence[OrderState], *, limit: int) -> Sequence[Order]:
        """Oldest first."""
        statement = _IN_OPEN_STATE if _OPEN_STATES.issuperset(states) else _IN_STATE
        rows = self._transaction.rows(statement, {"states": [state.value for state in states], "limit": limit})
        return [order_from_row(row) for row in rows]

    def _update(self, statement: sa.Executable, parameters: dict[str, Any]) -> None:
        if self._transaction.run(statement, parameters).rowcount != 1:
            raise MissingRowError(f"no row to save: {parameters['key']}")


def _values(value: Order | Attempt, names: Sequence[str], without: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The columns of a value; their names are its field names, checked by a test."""
    found = {name: getattr(value, name) for name in names if name not in without}
    return {name: each.value if isinstance(each, StrEnum) else each for name, each in found.items()}


def _item_of(row: Row) -> Mapping[str, Any]:
    return order_item(order_from_row(row))


def order_from_row(row: Row) -> Order:
    return Order(
        order_id=row.order_id,
        signal_id=row.signal_id,
        symbol=row.symbol,
        side=Side(row.side),
        purpose=OrderPurpose(row.purpose),
        quantity=row.quantity,
        reference_price=row.reference_price,
        limit_price=row.limit_price,
        state=OrderState(row.state),
        reason_code=row.reason_code,
        reason=row.reason,
        executed_quantity=row.executed_quantity,
        booked_quantity=row.booked_quantity,
        attempts_made=row.attempts_made,
        next_attempt_at=row.next_attempt_at,
        policy_version=row.policy_version,
        correlation_id=row.correlation_id,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )


def attempt_from_row(row: Row) -> Attempt:
    return Attempt(
        client_order_id=row.client_order_id,
        order_id=row.order_id,
        number=row.number,
        symbol=row.symbol,
        side=Side(row.side),
        order_type=OrderType(row.order_type),
        time_in_force=None if row.time_in_force is None else TimeInForce(row.time_in_force),
        quantity=row.quantity,
        price=row.price,
        reduce_only=row.reduce_only,
        signed_at_ms=row.signed_at_ms,
        recv_window_ms=row.recv_window_ms,
        state=AttemptState(row.state),
        begun_at=row.begun_at,
        exchange_order_id=row.exchange_order_id,
        executed_quantity=row.executed_quantity,
        average_price=row.average_price,
        error_code=row.error_code,
        error_message=row.error_message,
        unknown_since=row.unknown_since,
        not_found_count=row.not_found_count,
        not_found_at_ms=row.not_found_at_ms,
        last_asked_at=row.last_asked_at,
        ended_at=row.ended_at,
    )
