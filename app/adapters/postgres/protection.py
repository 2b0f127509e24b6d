"""Guards, protective orders and regimes in Postgres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from decimal import Decimal
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from app.adapters.postgres.protection_tables import PROTECTION_IS_LIVE, guards, market_regimes, protective_orders
from app.adapters.postgres.recordset import as_rows, recordset
from app.adapters.postgres.tables import orders, signals
from app.adapters.postgres.transaction import Row, Transaction
from app.domain.orders import OrderPurpose
from app.domain.protection.levels import Guard
from app.domain.protection.orders import Leg, ProtectionState, ProtectiveOrder
from app.domain.regimes import MarketRegime, Regime
from app.domain.signals import Side
from app.ports import ProtectionRepository

_ORDER_FIELDS = tuple(field.name for field in fields(ProtectiveOrder))
_ORDER_MUTABLE = (
    "state", "exchange_order_id", "cancel_requested_at", "error_code", "error_message", "unknown_since",
    "not_found_count", "last_asked_at", "ended_at",
)  # fmt: skip
_REGIME_FIELDS = tuple(field.name for field in fields(MarketRegime))


def _bound(table: sa.Table, names: Sequence[str]) -> dict[str, sa.BindParameter[Any]]:
    return {name: sa.bindparam(name, type_=table.c[name].type) for name in names}


_SYMBOL = sa.bindparam("of_symbol", type_=sa.Text)
_CLIENT_ALGO_ID = sa.bindparam("key", type_=sa.Text)
_LIMIT = sa.bindparam("limit", type_=sa.Integer)
_GUARD_VALUES = _bound(guards, [field.name for field in fields(Guard)])
_GUARD = sa.select(guards).where(guards.c.symbol == _SYMBOL)
_GUARDS = sa.select(guards).order_by(guards.c.symbol)
_SAVE_GUARD = (
    pg.insert(guards).values(_GUARD_VALUES).on_conflict_do_update(index_elements=["symbol"], set_=_GUARD_VALUES)
)
_DROP_GUARD = sa.delete(guards).where(guards.c.symbol == _SYMBOL)
_ADD = sa.insert(protective_orders).values(_bound(protective_orders, _ORDER_FIELDS))
_GET = sa.select(protective_orders).where(protective_orders.c.client_algo_id == _CLIENT_ALGO_ID)
_SAVE = (
    sa.update(protective_orders)
    .where(protective_orders.c.client_algo_id == _CLIENT_ALGO_ID)
    .values(_bound(protective_orders, _ORDER_MUTABLE))
)
_LIVE = (
    sa.select(protective_orders)
    .where(PROTECTION_IS_LIVE)
    .order_by(protective_orders.c.begun_at, protective_orders.c.client_algo_id)
    .limit(_LIMIT)
)
_LIVE_OF = _LIVE.where(protective_orders.c.symbol == _SYMBOL)
_OF_EXCHANGE_ORDER = sa.select(protective_orders).where(
    protective_orders.c.symbol == _SYMBOL,
    protective_orders.c.exchange_order_id == sa.bindparam("number", type_=sa.BigInteger),
)
_LAST_ENTRY_CONFIDENCE = (
    sa.select(signals.c.confidence)
    .join(orders, orders.c.signal_id == signals.c.signal_id)
    .where(
        orders.c.symbol == _SYMBOL,
        orders.c.side == sa.bindparam("of_side", type_=sa.Text),
        orders.c.purpose == sa.literal_column(f"'{OrderPurpose.ENTRY.value}'"),
    )
    .order_by(orders.c.created_at.desc())
    .limit(1)
)
_REGIME = sa.select(market_regimes).where(market_regimes.c.symbol == _SYMBOL)
_REGIMES = sa.select(market_regimes).order_by(market_regimes.c.symbol)


def _save_regimes() -> sa.Executable:
    given = recordset(market_regimes, _REGIME_FIELDS, name="given")
    insert = pg.insert(market_regimes).from_select(
        list(_REGIME_FIELDS), sa.select(*(given.c[name] for name in _REGIME_FIELDS))
    )
    return insert.on_conflict_do_update(
        index_elements=["symbol"], set_={name: insert.excluded[name] for name in _REGIME_FIELDS}
    )


_SAVE_REGIMES = _save_regimes()


class PostgresProtection(ProtectionRepository):
    """`app.ports.ProtectionRepository` on one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def guard(self, symbol: str) -> Guard | None:
        row = self._transaction.row(_GUARD, {"of_symbol": symbol})
        return None if row is None else guard_from_row(row)

    def guards(self) -> Sequence[Guard]:
        return [guard_from_row(row) for row in self._transaction.rows(_GUARDS)]

    def save_guard(self, guard: Guard) -> None:
        self._transaction.run(_SAVE_GUARD, _values(guard))

    def drop_guard(self, symbol: str) -> None:
        self._transaction.run(_DROP_GUARD, {"of_symbol": symbol})

    def add(self, order: ProtectiveOrder) -> None:
        self._transaction.run(_ADD, _values(order))

    def get(self, client_algo_id: str) -> ProtectiveOrder | None:
        row = self._transaction.row(_GET, {"key": client_algo_id})
        return None if row is None else protective_order_from_row(row)

    def save(self, order: ProtectiveOrder) -> None:
        changes = {name: value for name, value in _values(order).items() if name in _ORDER_MUTABLE}
        if self._transaction.run(_SAVE, {"key": order.client_algo_id, **changes}).rowcount != 1:
            raise LookupError(f"no protective order to save: {order.client_algo_id}")

    def live(self, symbol: str | None = None, *, limit: int) -> Sequence[ProtectiveOrder]:
        if symbol is None:
            rows = self._transaction.rows(_LIVE, {"limit": limit})
        else:
            rows = self._transaction.rows(_LIVE_OF, {"of_symbol": symbol, "limit": limit})
        return [protective_order_from_row(row) for row in rows]

    def of_exchange_order(self, symbol: str, exchange_order_id: int) -> ProtectiveOrder | None:
        row = self._transaction.row(_OF_EXCHANGE_ORDER, {"of_symbol": symbol, "number": exchange_order_id})
        return None if row is None else protective_order_from_row(row)

    def last_entry_confidence(self, symbol: str, side: Side) -> Decimal | None:
        parameters = {"of_symbol": symbol, "of_side": side.value}
        found: Decimal | None = self._transaction.value(_LAST_ENTRY_CONFIDENCE, parameters)
        return found

    def save_regimes(self, regimes: Sequence[MarketRegime]) -> None:
        if regimes:
            self._transaction.run(_SAVE_REGIMES, as_rows([_values(each) for each in regimes]))

    def regime(self, symbol: str) -> MarketRegime | None:
        row = self._transaction.row(_REGIME, {"of_symbol": symbol})
        return None if row is None else _regime_from_row(row)

    def regimes(self) -> Mapping[str, MarketRegime]:
        return {row.symbol: _regime_from_row(row) for row in self._transaction.rows(_REGIMES)}


def _values(value: Guard | ProtectiveOrder | MarketRegime) -> dict[str, Any]:
    """The columns of a value; their names are its field names."""
    found = {field.name: getattr(value, field.name) for field in fields(value)}
    return {name: each.value if isinstance(each, StrEnum) else each for name, each in found.items()}


def guard_from_row(row: Row) -> Guard:
    return Guard(
        **{
            **row._mapping,
            "side": Side(row.side),
            "regime": None if row.regime is None else Regime(row.regime),
        }
    )


def protective_order_from_row(row: Row) -> ProtectiveOrder:
    return ProtectiveOrder(
        **{**row._mapping, "leg": Leg(row.leg), "side": Side(row.side), "state": ProtectionState(row.state)}
    )


def _regime_from_row(row: Row) -> MarketRegime:
    return MarketRegime(**{**row._mapping, "regime": Regime(row.regime)})
