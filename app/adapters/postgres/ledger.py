"""Fills, positions, the account and the double-entry lines in Postgres; every amount exact."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from app.adapters.postgres.decision_time import limit_idling
from app.adapters.postgres.recordset import as_rows, recordset
from app.adapters.postgres.tables import (
    ORDER_IS_OPEN,
    ORDER_IS_UNBOOKED,
    account,
    equity_points,
    fills,
    ledger_lines,
    orders,
    positions,
)
from app.adapters.postgres.transaction import Row, Transaction
from app.domain.exposure import Exposure
from app.domain.fills import Fill, FillSource
from app.domain.ledger import WALLET, Entry
from app.domain.market import AccountSnapshot
from app.domain.money import ZERO, exactly
from app.domain.orders import OrderPurpose
from app.domain.positions import Position
from app.domain.reconciliation import Course, PositionMark, position_course, wallet_course
from app.domain.results import Closing
from app.domain.signals import Side
from app.ports import LedgerRepository

SETTLEMENT_ASSET = "USDT"
ACCOUNT_ID = 1

_FILL_COLUMNS = (
    "symbol", "trade_id", "exchange_order_id", "client_order_id", "order_id", "side", "price", "quantity", "fee",
    "fee_asset", "realised_pnl", "is_maker", "traded_at", "source", "adopted",
)  # fmt: skip
_POSITION_COLUMNS = tuple(column.name for column in positions.c)
_LINE_COLUMNS = ("entry", "account", "asset", "amount", "at")

_SYMBOL = sa.bindparam("of_symbol", type_=sa.Text)
_MOMENT = sa.bindparam("moment", type_=fills.c.traded_at.type)

_ADD_FILL = (
    pg.insert(fills)
    .values({name: sa.bindparam(name, type_=fills.c[name].type) for name in _FILL_COLUMNS})
    .on_conflict_do_nothing(index_elements=["symbol", "trade_id"])
    .returning(fills.c.trade_id)
)
_GIVE_FILL_TO_ORDER = (
    sa.update(fills)
    .where(fills.c.symbol == _SYMBOL, fills.c.trade_id == sa.bindparam("of_trade_id", type_=fills.c.trade_id.type))
    .where(fills.c.order_id.is_(None))
    .values(
        order_id=sa.bindparam("new_order_id", type_=fills.c.order_id.type),
        client_order_id=sa.bindparam("new_client_order_id", type_=fills.c.client_order_id.type),
        adopted=sa.false(),
    )
)
_FILLS_OF = (
    sa.select(fills)
    .where(fills.c.order_id == sa.bindparam("order_id", type_=fills.c.order_id.type))
    .order_by(fills.c.traded_at, fills.c.trade_id)
)
_LOCK_POSITION = sa.select(positions).where(positions.c.symbol == _SYMBOL).with_for_update()
_ADD_FLAT_POSITION = (
    pg.insert(positions)
    .values(symbol=_SYMBOL, quantity=ZERO, entry_price=ZERO, entry_cost=ZERO, realised_pnl=ZERO, fees=ZERO)
    .on_conflict_do_nothing(index_elements=["symbol"])
    .returning(*positions.c)
)
_POSITION_VALUES = {name: sa.bindparam(name, type_=positions.c[name].type) for name in _POSITION_COLUMNS}
_SAVE_POSITION = (
    pg.insert(positions)
    .values(_POSITION_VALUES)
    .on_conflict_do_update(index_elements=["symbol"], set_=_POSITION_VALUES)
)
_POSITIONS = sa.select(positions).order_by(positions.c.symbol)
# Of the newest fills alone, found by the primary key: a symbol that traded a million times costs no more.
CLOSING_FILLS_MAX = 500
_NEWEST_FILLS = (
    sa.select(fills)
    .where(fills.c.symbol == _SYMBOL)
    .order_by(fills.c.trade_id.desc())
    .limit(CLOSING_FILLS_MAX)
    .subquery("newest")
)
_NEWEST_CLOSINGS = (
    sa.select(
        sa.func.max(_NEWEST_FILLS.c.traded_at).label("at"),
        sa.func.sum(
            _NEWEST_FILLS.c.realised_pnl
            - sa.case(
                (_NEWEST_FILLS.c.fee_asset == sa.literal_column(f"'{SETTLEMENT_ASSET}'"), _NEWEST_FILLS.c.fee),
                else_=ZERO,
            )
        ).label("net"),
    )
    .group_by(_NEWEST_FILLS.c.exchange_order_id)
    .having(sa.func.bool_or(_NEWEST_FILLS.c.realised_pnl != ZERO))
    .order_by(sa.desc("at"), _NEWEST_FILLS.c.exchange_order_id.desc())
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_TRADE_ID = sa.bindparam("from_trade_id", type_=fills.c.trade_id.type)
_FILLS_SINCE = (
    sa.select(fills)
    .where(fills.c.symbol == _SYMBOL, fills.c.trade_id >= _TRADE_ID)
    .order_by(fills.c.trade_id.desc())
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_newest_of_all = fills.alias("newest_of_all")
_RECENTLY_TRADED = (
    sa.select(fills.c.symbol)
    .distinct()
    .where(
        fills.c.traded_at
        >= sa.select(sa.func.max(_newest_of_all.c.traded_at)).scalar_subquery()
        - sa.bindparam("within", type_=sa.Interval)
    )
    .order_by(fills.c.symbol)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_LAST_TRADE_ID = sa.select(sa.func.max(fills.c.trade_id)).where(fills.c.symbol == _SYMBOL)
_BALANCE = sa.select(sa.func.coalesce(sa.func.sum(ledger_lines.c.amount), ZERO)).where(
    ledger_lines.c.account == sa.bindparam("of_account", type_=sa.Text),
    ledger_lines.c.asset == sa.bindparam("of_asset", type_=sa.Text),
)
_LINE_ID = sa.bindparam("after_line_id", type_=ledger_lines.c.line_id.type)
_of_account = (
    ledger_lines.c.account == sa.bindparam("of_account", type_=sa.Text),
    ledger_lines.c.asset == sa.bindparam("of_asset", type_=sa.Text),
)
# From the newest backwards: what was booked in the last seconds is passed, and the first older line is it.
_LINE_BEFORE = (
    sa.select(ledger_lines.c.line_id)
    .where(*_of_account, ledger_lines.c.at < _MOMENT)
    .order_by(ledger_lines.c.line_id.desc())
    .limit(1)
)
_OPENING_LINE = sa.select(sa.func.min(ledger_lines.c.line_id)).where(*_of_account)
# The whole balance from its index, the newest lines from the primary key; one statement sees one state of both.
_NEWEST_LINES = sa.select(ledger_lines.c.amount).where(*_of_account, ledger_lines.c.line_id > _LINE_ID).cte("newest")
_GAINED_AND_LOST = sa.select(
    sa.select(sa.func.coalesce(sa.func.sum(ledger_lines.c.amount), ZERO))
    .where(*_of_account)
    .scalar_subquery()
    .label("balance"),
    sa.func.coalesce(sa.func.sum(_NEWEST_LINES.c.amount).filter(_NEWEST_LINES.c.amount > ZERO), ZERO).label("gained"),
    sa.func.coalesce(sa.func.sum(_NEWEST_LINES.c.amount).filter(_NEWEST_LINES.c.amount < ZERO), ZERO).label("lost"),
).select_from(_NEWEST_LINES)
_ACCOUNT = sa.select(account).where(account.c.id == sa.literal_column(str(ACCOUNT_ID)))
# Every decision queues here: one that stands still must not keep the others out.
_LOCK_ACCOUNT = _ACCOUNT.add_columns(limit_idling().label("idle_limit")).with_for_update()
_ACCOUNT_VALUES = {
    name: sa.bindparam(name, type_=account.c[name].type)
    for name in ("wallet_balance", "unrealised_pnl", "available_balance", "observed_at")
}
_SAVE_ACCOUNT = (
    pg.insert(account)
    .values(id=ACCOUNT_ID, **_ACCOUNT_VALUES)
    .on_conflict_do_update(index_elements=["id"], set_=_ACCOUNT_VALUES)
)
_REALISED_SINCE = sa.select(
    sa.func.coalesce(
        sa.func.sum(
            fills.c.realised_pnl
            - sa.case((fills.c.fee_asset == sa.literal_column(f"'{SETTLEMENT_ASSET}'"), fills.c.fee), else_=ZERO)
        ),
        ZERO,
    )
).where(fills.c.traded_at >= _MOMENT)
_RECORD_EQUITY = (
    pg.insert(equity_points)
    .values({column.name: sa.bindparam(column.name, type_=column.type) for column in equity_points.c})
    .on_conflict_do_nothing(index_elements=["at"])
)
_EQUITY_SINCE = (
    sa.select(equity_points.c.equity).where(equity_points.c.at >= _MOMENT).order_by(equity_points.c.at).limit(1)
)


def _insert_lines() -> sa.Executable:
    given = recordset(ledger_lines, _LINE_COLUMNS, name="given")
    return sa.insert(ledger_lines).from_select(
        list(_LINE_COLUMNS), sa.select(*(given.c[name] for name in _LINE_COLUMNS))
    )


def _held_and_reserved() -> sa.Executable:
    """Open positions, and what live or not yet booked entry orders may still add, as signed quantities."""
    held = sa.select(
        positions.c.symbol,
        positions.c.quantity.label("quantity"),
        positions.c.entry_price.label("price"),
        sa.literal_column("0::numeric").label("pending"),
    ).where(positions.c.quantity != ZERO)
    live = sa.case((ORDER_IS_OPEN, orders.c.quantity), else_=orders.c.executed_quantity)
    # What was executed will be booked; only the rest of a live order may come to nothing.
    pending = sa.case((ORDER_IS_OPEN, orders.c.quantity - orders.c.executed_quantity), else_=ZERO)
    sign = sa.case((orders.c.side == sa.literal_column(f"'{Side.BUY.value}'"), 1), else_=-1)
    reserved = sa.select(
        orders.c.symbol,
        (sign * (live - orders.c.booked_quantity)).label("quantity"),
        orders.c.limit_price.label("price"),
        (sign * pending).label("pending"),
    ).where(
        sa.or_(ORDER_IS_OPEN, ORDER_IS_UNBOOKED),
        orders.c.purpose == sa.literal_column(f"'{OrderPurpose.ENTRY.value}'"),
    )
    return sa.union_all(held, reserved)


def _position_marks() -> sa.Executable:
    newest, older = fills.alias("newest"), fills.alias("older")
    newest_at = (
        sa.select(newest.c.traded_at)
        .where(newest.c.symbol == positions.c.symbol)
        .order_by(newest.c.trade_id.desc())
        .limit(1)
        .correlate(positions)
        .scalar_subquery()
    )
    since = (
        sa.select(older.c.trade_id)
        .where(
            older.c.symbol == positions.c.symbol,
            older.c.traded_at <= newest_at - sa.bindparam("lag", type_=sa.Interval),
        )
        .order_by(older.c.trade_id.desc())
        .limit(1)
        .correlate(positions)
        .scalar_subquery()
    )
    return sa.select(positions.c.symbol, positions.c.quantity, sa.func.coalesce(since, 0).label("since"))


def _position_course() -> sa.Executable:
    """The position beside each of its newest trades, of one moment: one statement sees one state of both tables."""
    newest = (
        sa.select(fills.c.trade_id, fills.c.side, fills.c.quantity)
        .where(fills.c.symbol == _SYMBOL, fills.c.trade_id >= _TRADE_ID)
        .order_by(fills.c.trade_id.desc())
        .limit(sa.bindparam("limit", type_=sa.Integer))
        .subquery("newest")
    )
    sign = sa.case((newest.c.side == sa.literal_column(f"'{Side.BUY.value}'"), 1), else_=-1)
    return (
        sa.select(positions.c.quantity.label("held"), newest.c.trade_id, (sign * newest.c.quantity).label("change"))
        .select_from(positions.outerjoin(newest, sa.true()))
        .where(positions.c.symbol == _SYMBOL)
        .order_by(newest.c.trade_id.desc())
    )


_INSERT_LINES = _insert_lines()
_POSITION_MARKS = _position_marks()
_POSITION_COURSE = _position_course()
_HAS_ENTRY = sa.select(sa.exists().where(ledger_lines.c.entry == sa.bindparam("of_entry", type_=sa.Text)))
_IS_UNTOUCHED = sa.select(
    sa.not_(sa.exists().where(ledger_lines.c.line_id.is_not(None)))
    & sa.not_(sa.exists().where(orders.c.order_id.is_not(None)))
)
_OPENED_AT = sa.select(ledger_lines.c.at).order_by(ledger_lines.c.line_id).limit(1)
_TAKE_TURN = sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(sa.literal("ledger entry"), 0)))
_HELD_AND_RESERVED = _held_and_reserved()


class PostgresLedger(LedgerRepository):
    """`app.ports.LedgerRepository` on one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def add_fill(self, fill: Fill) -> bool:
        """Insert the fill; False when `(symbol, trade_id)` was booked before."""
        values = {name: getattr(fill, name) for name in _FILL_COLUMNS}
        values["side"], values["source"] = fill.side.value, fill.source.value
        return self._transaction.row(_ADD_FILL, values) is not None

    def give_fill_to_order(self, fill: Fill) -> bool:
        """Write the order and client order id of `fill` into a booked fill without one; False when it has an order."""
        given = {
            "of_symbol": fill.symbol,
            "of_trade_id": fill.trade_id,
            "new_order_id": fill.order_id,
            "new_client_order_id": fill.client_order_id,
        }
        return self._transaction.run(_GIVE_FILL_TO_ORDER, given).rowcount == 1

    def fills_of(self, order_id: uuid.UUID) -> Sequence[Fill]:
        """In order of their trading."""
        return [fill_from_row(row) for row in self._transaction.rows(_FILLS_OF, {"order_id": order_id})]

    def lock_position(self, symbol: str) -> Position:
        """The row, FOR UPDATE, created flat when missing."""
        row = (
            self._transaction.row(_LOCK_POSITION, {"of_symbol": symbol})
            or self._transaction.row(_ADD_FLAT_POSITION, {"of_symbol": symbol})
            # Somebody else created it between the two.
            or self._transaction.row(_LOCK_POSITION, {"of_symbol": symbol})
        )
        if row is None:
            raise LookupError(f"the position of {symbol} was deleted while it was being locked")
        return position_from_row(row)

    def save_position(self, position: Position) -> None:
        self._transaction.run(_SAVE_POSITION, {name: getattr(position, name) for name in _POSITION_COLUMNS})

    def positions(self) -> Sequence[Position]:
        """All that were ever held, flat ones included, by symbol."""
        return [position_from_row(row) for row in self._transaction.rows(_POSITIONS)]

    def newest_closings(self, symbol: str, *, limit: int) -> Sequence[Closing]:
        """Orders whose fills realised something, newest first."""
        rows = self._transaction.rows(_NEWEST_CLOSINGS, {"of_symbol": symbol, "limit": limit})
        return [Closing(at=row.at, net=row.net) for row in rows]

    def last_trade_id(self, symbol: str) -> int | None:
        found: int | None = self._transaction.value(_LAST_TRADE_ID, {"of_symbol": symbol})
        return found

    def recently_traded(self, within: timedelta, *, limit: int) -> Sequence[str]:
        """Symbols of the fills that are no older than this before the newest of all, in the order of their names."""
        rows = self._transaction.rows(_RECENTLY_TRADED, {"within": within, "limit": limit})
        return [row.symbol for row in rows]

    def position_marks(self, *, lag: timedelta) -> Mapping[str, PositionMark]:
        """Every position that was ever held, by symbol, and its newest trade that is older by `lag` than the newest."""
        rows = self._transaction.rows(_POSITION_MARKS, {"lag": lag})
        return {row.symbol: PositionMark(quantity=row.quantity, since=row.since) for row in rows}

    def fills_since(self, symbol: str, trade_id: int, *, limit: int) -> Sequence[Fill]:
        """The newest booked fills from this trade on, newest first."""
        rows = self._transaction.rows(_FILLS_SINCE, {"of_symbol": symbol, "from_trade_id": trade_id, "limit": limit})
        return [fill_from_row(row) for row in rows]

    def position_course(self, symbol: str, *, since: int, fills_max: int) -> Course | None:
        """What the position was after the trade `since` and after each later one, seen in one moment; None when more
        than `fills_max` have been booked since."""
        given = {"of_symbol": symbol, "from_trade_id": since + 1, "limit": fills_max + 1}
        rows = self._transaction.rows(_POSITION_COURSE, given)
        changes = [row.change for row in rows if row.trade_id is not None]
        if len(changes) > fills_max:
            return None
        return position_course(rows[0].held if rows else ZERO, newest_first=changes)

    def wallet_mark(self, asset: str, *, before: datetime) -> int:
        """The wallet's newest line that was booked before, or the opening balance; 0 when there is neither."""
        given = {"of_account": WALLET, "of_asset": asset}
        line = self._transaction.value(_LINE_BEFORE, given | {"moment": before})
        return int(line or self._transaction.value(_OPENING_LINE, given) or 0)

    def wallet_course(self, asset: str, *, since: int) -> Course:
        """What the balance may have been since the line `since`, seen in one moment."""
        given = {"of_account": WALLET, "of_asset": asset, "after_line_id": since}
        row = self._transaction.rows(_GAINED_AND_LOST, given)[0]
        return wallet_course(row.balance, gained=row.gained, lost=row.lost)

    def post(self, *, fill: Fill, lines: Sequence[Any], now: datetime) -> None:
        """Book the lines of a fill under `fill:SYMBOL:TRADE_ID`; a second booking of the same is refused."""
        entry = f"fill:{fill.symbol}:{fill.trade_id}"
        rows = [
            {"entry": entry, "account": line.account, "asset": line.asset, "amount": line.amount, "at": now}
            for line in lines
        ]
        if rows:
            self._transaction.run(_INSERT_LINES, as_rows(rows))

    def post_entry(self, entry: Entry, *, now: datetime) -> bool:
        """Book any other entry; False when one of that name was booked before. Writers of such entries take turns."""
        self._transaction.run(_TAKE_TURN)
        if self._transaction.value(_HAS_ENTRY, {"of_entry": entry.name}):
            return False
        rows = [
            {"entry": entry.name, "account": line.account, "asset": line.asset, "amount": line.amount, "at": now}
            for line in entry.lines
        ]
        if rows:
            self._transaction.run(_INSERT_LINES, as_rows(rows))
        return bool(rows)

    def opened_at(self) -> datetime | None:
        """When the first line was booked: the opening balance is always the first."""
        found: datetime | None = self._transaction.value(_OPENED_AT)
        return found

    def is_untouched(self) -> bool:
        return bool(self._transaction.value(_IS_UNTOUCHED))

    def balance(self, account: str, asset: str) -> Decimal:
        return Decimal(self._transaction.value(_BALANCE, {"of_account": account, "of_asset": asset}))

    def lock_account(self) -> AccountSnapshot | None:
        """The one account row, FOR UPDATE: decisions take turns here. None until the exchange has told."""
        return _account_from_row(self._transaction.row(_LOCK_ACCOUNT))

    def account(self) -> AccountSnapshot | None:
        return _account_from_row(self._transaction.row(_ACCOUNT))

    def save_account(self, snapshot: AccountSnapshot) -> None:
        self._transaction.run(
            _SAVE_ACCOUNT,
            {
                "wallet_balance": snapshot.wallet_balance,
                "unrealised_pnl": snapshot.unrealised_pnl,
                "available_balance": snapshot.available_balance,
                "observed_at": snapshot.observed_at,
            },
        )

    def exposure(self, symbol: str, marks: Mapping[str, Decimal]) -> Exposure:
        """Positions plus reservations of entries, in one statement, valued at `marks` where known."""
        open_symbols: set[str] = set()
        of_symbol = net = gross = ZERO
        pending = {Side.BUY: ZERO, Side.SELL: ZERO}
        pending_of_symbol = dict(pending)
        for row in self._transaction.rows(_HELD_AND_RESERVED):
            price = marks.get(row.symbol, row.price)
            notional = exactly(row.quantity, "*", price)
            may_come = exactly(row.pending, "*", price)
            side = Side.BUY if may_come >= ZERO else Side.SELL
            pending[side] = exactly(pending[side], "+", may_come)
            open_symbols.add(row.symbol)
            net = exactly(net, "+", notional)
            gross = exactly(gross, "+", abs(notional))
            if row.symbol == symbol:
                of_symbol = exactly(of_symbol, "+", notional)
                pending_of_symbol[side] = exactly(pending_of_symbol[side], "+", may_come)
        return Exposure(
            open_symbols=frozenset(open_symbols),
            symbol_notional=of_symbol,
            net_notional=net,
            gross_notional=gross,
            symbol_pending_buys=pending_of_symbol[Side.BUY],
            symbol_pending_sells=pending_of_symbol[Side.SELL],
            net_pending_buys=pending[Side.BUY],
            net_pending_sells=pending[Side.SELL],
        )

    def realised_since(self, since: datetime) -> Decimal:
        """Realised PnL minus fees of all fills since, in USDT; fees paid in another asset are not in it."""
        return Decimal(self._transaction.value(_REALISED_SINCE, {"moment": since}))

    def record_equity(self, *, at: datetime, equity: Decimal, wallet: Decimal, unrealised: Decimal) -> None:
        """One point per moment; a second one of the same moment changes nothing."""
        self._transaction.run(_RECORD_EQUITY, {"at": at, "equity": equity, "wallet": wallet, "unrealised": unrealised})

    def equity_at_or_after(self, since: datetime) -> Decimal | None:
        found: Decimal | None = self._transaction.value(_EQUITY_SINCE, {"moment": since})
        return found


def fill_from_row(row: Row) -> Fill:
    return Fill(
        symbol=row.symbol,
        trade_id=row.trade_id,
        exchange_order_id=row.exchange_order_id,
        client_order_id=row.client_order_id,
        order_id=row.order_id,
        side=Side(row.side),
        price=row.price,
        quantity=row.quantity,
        fee=row.fee,
        fee_asset=row.fee_asset,
        realised_pnl=row.realised_pnl,
        is_maker=row.is_maker,
        traded_at=row.traded_at,
        source=FillSource(row.source),
        adopted=row.adopted,
    )


def position_from_row(row: Row) -> Position:
    return Position(
        symbol=row.symbol,
        quantity=row.quantity,
        entry_price=row.entry_price,
        entry_cost=row.entry_cost,
        realised_pnl=row.realised_pnl,
        fees=row.fees,
        stop_price=row.stop_price,
        target_price=row.target_price,
        updated_at=row.updated_at,
    )


def _account_from_row(row: Row | None) -> AccountSnapshot | None:
    if row is None or row.observed_at is None:
        return None
    return AccountSnapshot(
        wallet_balance=row.wallet_balance,
        unrealised_pnl=row.unrealised_pnl,
        available_balance=row.available_balance,
        observed_at=row.observed_at,
    )
