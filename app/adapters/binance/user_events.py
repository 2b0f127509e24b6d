"""What the user stream says, as typed events: orders with their trades, account, conditional orders, gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from app.adapters.binance.wire import (
    KNOWN_STATUSES,
    MARGIN_ASSET,
    Fields,
    MalformedAnswerError,
    UnknownStatusError,
    number_or_none,
    parse_json,
)
from app.domain.money import ZERO
from app.domain.signals import Side
from app.ports import ExchangeTrade, OrderReport


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderUpdate:
    """`ORDER_TRADE_UPDATE`: the order as it is now, and the trade that changed it, if it was one.

    `execution_type` is NEW, TRADE, CANCELED, EXPIRED, CALCULATED or AMENDMENT. Client ids that begin with `autoclose-`,
    `adl_autoclose` or `settlement_autoclose-` are the exchange's own orders: liquidation, deleveraging, delisting.
    """

    report: OrderReport
    execution_type: str
    trade: ExchangeTrade | None
    expiry_reason: str  # a number as text, "0" or empty for none: 2 IOC remainder, 4 reduce-only, 5 liquidation, ...
    event_at: datetime  # the exchange's clock
    traded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceChange:
    """A balance after the event; `change` excludes PnL and fees (transfers, funding)."""

    asset: str
    wallet_balance: Decimal
    cross_wallet_balance: Decimal
    change: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionChange:
    """A position after the event; `quantity` is signed."""

    symbol: str
    quantity: Decimal
    entry_price: Decimal
    unrealised_pnl: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountUpdate:
    """`ACCOUNT_UPDATE`: only what changed. `reason` is ORDER, FUNDING_FEE, DEPOSIT, ..."""

    reason: str
    balances: Sequence[BalanceChange]
    positions: Sequence[PositionChange]
    event_at: datetime
    transaction_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AlgoUpdate:
    """`ALGO_UPDATE`: a conditional order. After the trigger `exchange_order_id` names the order it became."""

    algo_id: int
    client_algo_id: str
    symbol: str
    side: Side
    order_type: str
    status: str  # NEW, CANCELED, TRIGGERING, TRIGGERED, FINISHED, REJECTED, EXPIRED
    trigger_price: Decimal
    quantity: Decimal
    exchange_order_id: int | None
    reject_reason: str
    event_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginCall:
    """`MARGIN_CALL`: the exchange warns that these positions are close to liquidation."""

    symbols: Sequence[str]
    event_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamGap:
    """Something may have been said that we did not hear or understand: reconcile by REST."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenKeyExpired:
    """`listenKeyExpired`: nothing more will be said on this connection."""


UserEvent = OrderUpdate | AccountUpdate | AlgoUpdate | MarginCall | StreamGap
Parsed = OrderUpdate | AccountUpdate | AlgoUpdate | MarginCall | ListenKeyExpired


def parse_user_event(message: str | bytes) -> Parsed | None:
    """One message; None for events that say nothing we need (`TRADE_LITE` repeats, leverage changes, new kinds).

    `MalformedAnswerError` when an event we need cannot be understood.
    """
    fields = Fields(parse_json(message), what="event")
    if not fields.has("e") and fields.has("data"):
        fields = fields.sub("data")
    if not fields.has("e"):
        return None  # an answer to a command
    kind = fields.text("e")
    if kind == "ORDER_TRADE_UPDATE":
        return _order_update(fields)
    if kind == "ACCOUNT_UPDATE":
        return _account_update(fields)
    if kind == "ALGO_UPDATE":
        return _algo_update(fields)
    if kind == "MARGIN_CALL":
        symbols = [position.text("s") for position in fields.items("p")]
        return MarginCall(symbols=symbols, event_at=fields.moment("E"))
    if kind == "listenKeyExpired":
        return ListenKeyExpired()
    return None


def _order_update(fields: Fields) -> OrderUpdate:
    order = fields.sub("o")
    status = order.text("X")
    if status not in KNOWN_STATUSES:
        raise UnknownStatusError("an order event has a status that is not documented")
    original, executed = order.amount("q"), order.amount("z")
    if executed > original:
        raise MalformedAnswerError(f"order executed {executed} of {original}")
    average = order.amount("ap")
    return OrderUpdate(
        report=OrderReport(
            exchange_order_id=order.integer("i", minimum=1),
            client_order_id=order.text("c"),
            symbol=order.text("s"),
            status=status,
            original_quantity=original,
            executed_quantity=executed,
            average_price=average if average > ZERO and executed > ZERO else None,
            reduce_only=order.is_set("R"),
        ),
        execution_type=order.text("x"),
        trade=_trade(order),
        expiry_reason=order.loose_text("er"),
        event_at=fields.moment("E"),
        traded_at=order.moment("T"),
    )


def _trade(order: Fields) -> ExchangeTrade | None:
    """The trade in an order event, whatever the execution type is called: liquidations trade as CALCULATED."""
    quantity = order.amount("l")
    if quantity == ZERO:
        return None
    has_fee = order.has("n") and order.has("N")
    return ExchangeTrade(
        symbol=order.text("s"),
        trade_id=order.integer("t", minimum=1),
        exchange_order_id=order.integer("i", minimum=1),
        side=order.side("S"),
        price=order.amount("L"),
        quantity=quantity,
        # Both fields are left out when there is no commission; a zero is a zero in any asset.
        fee=order.decimal("n") if has_fee else ZERO,
        fee_asset=order.text("N") if has_fee else MARGIN_ASSET,
        realised_pnl=order.decimal("rp"),
        is_maker=order.flag("m"),
        traded_at=order.moment("T"),
    )


def _account_update(fields: Fields) -> AccountUpdate:
    account = fields.sub("a")
    return AccountUpdate(
        reason=account.text("m"),
        balances=[
            BalanceChange(
                asset=balance.text("a"),
                wallet_balance=balance.decimal("wb"),
                cross_wallet_balance=balance.decimal("cw"),
                change=balance.decimal("bc"),
            )
            for balance in (account.items("B") if account.has("B") else [])
        ],
        positions=[
            PositionChange(
                symbol=position.text("s"),
                quantity=position.decimal("pa"),
                entry_price=position.amount("ep"),
                unrealised_pnl=position.decimal("up"),
            )
            for position in (account.items("P") if account.has("P") else [])
        ],
        event_at=fields.moment("E"),
        transaction_at=fields.moment("T"),
    )


def _algo_update(fields: Fields) -> AlgoUpdate:
    algo = fields.sub("o")
    return AlgoUpdate(
        algo_id=algo.integer("aid", minimum=1),
        client_algo_id=algo.text("caid"),
        symbol=algo.text("s"),
        side=algo.side("S"),
        order_type=algo.text("o"),
        status=algo.text("X"),
        trigger_price=algo.amount("tp"),
        quantity=algo.amount("q"),
        exchange_order_id=number_or_none(algo.loose_text("ai")),
        reject_reason=algo.loose_text("rm"),
        event_at=fields.moment("E"),
    )
