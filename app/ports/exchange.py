"""The exchange: what may be asked of it, and its answers as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from app.domain.attempt_outcomes import is_final_report
from app.domain.market import AccountSnapshot, ExchangePosition, SymbolRules
from app.domain.orders import Attempt
from app.domain.protection.orders import ProtectiveOrder
from app.domain.regimes import Candle
from app.domain.signals import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """An order as the exchange reports it. Judge it by `executed_quantity`, not by `status`."""

    exchange_order_id: int
    client_order_id: str
    symbol: str
    status: str  # NEW, PARTIALLY_FILLED, FILLED, CANCELED, EXPIRED, EXPIRED_IN_MATCH, REJECTED
    original_quantity: Decimal
    executed_quantity: Decimal
    average_price: Decimal | None
    reduce_only: bool = False

    @property
    def is_final(self) -> bool:
        """Whether nothing of it rests at the exchange any more, and nothing it says contradicts that."""
        return is_final_report(
            status=self.status,
            executed_quantity=self.executed_quantity,
            asked_quantity=self.original_quantity,
            reduce_only=self.reduce_only,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """Definitely not executed; sending the same again would be refused again."""

    code: str  # the exchange's code as text, e.g. "-2019"
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryAfter:
    """Definitely not executed; the exchange is busy or a limit was passed: the same may work after `seconds`."""

    code: str
    message: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Nothing is known of the outcome: a time-out, a dropped connection, a 5xx, an unlisted code."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFound:
    """The exchange knows no such order, as of its own clock `exchange_time_ms` (a lower bound, in ms)."""

    exchange_time_ms: int


SubmitReply = OrderReport | Rejected | RetryAfter | Unknown


QueryReply = OrderReport | NotFound | Rejected | RetryAfter | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionalReport:
    """A conditional order as the exchange reports it; once it fired, `exchange_order_id` names the order it became."""

    client_algo_id: str
    symbol: str
    status: str  # NEW, TRIGGERING, TRIGGERED, FINISHED, CANCELED, REJECTED, EXPIRED
    quantity: Decimal
    trigger_price: Decimal
    exchange_order_id: int | None = None
    reason: str | None = None  # why it was refused when it fired


ConditionalReply = ConditionalReport | Rejected | RetryAfter | Unknown


ConditionalQueryReply = ConditionalReport | NotFound | Rejected | RetryAfter | Unknown


class ExchangeError(Exception):
    """A question (not an order) could not be answered; carries its cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """`exchangeInfo.rateLimits`: weight a minute per IP, orders per minute and per 10 s per account."""

    weight_per_minute: int
    orders_per_minute: int
    orders_per_10_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeTrade:
    """A row of `userTrades`; amounts as the exchange gives them, fee positive when paid."""

    symbol: str
    trade_id: int
    exchange_order_id: int
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    realised_pnl: Decimal
    is_maker: bool
    traded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeIncome:
    """A row of the income history; `amount` is signed, positive when received. `symbol` is empty for transfers."""

    symbol: str
    income_type: str  # FUNDING_FEE, TRANSFER, REALIZED_PNL, COMMISSION, ...
    amount: Decimal
    asset: str
    at: datetime
    transaction_id: int  # unique within a type


class Exchange(Protocol):
    """Signed conversation with the exchange. Orders answer with values; questions raise `ExchangeError`.

    Every call has a connect and a read time-out; nothing is retried inside. Rate budget is the caller's business
    except that every answer's headers are reported to the budget by the adapter.
    """

    def now_ms(self) -> int:
        """The exchange's clock as well as we know it (local clock plus measured offset), in ms."""
        ...

    def submit(self, attempt: Attempt) -> SubmitReply:
        """POST the order with exactly the attempt's id, timestamp and recvWindow; response type RESULT."""
        ...

    def query_order(self, *, symbol: str, client_order_id: str, exchange_order_id: int | None = None) -> QueryReply:
        """GET the order by our id, or by the exchange's number where that is given; the report carries our id.

        `NotFound` only for -2013, with the exchange's time taken *before* the query.
        """
        ...

    def submit_conditional(self, order: ProtectiveOrder) -> ConditionalReply:
        """POST the conditional order with exactly its id, timestamp and recvWindow: reduce-only, at the mark price."""
        ...

    def query_conditional(self, client_algo_id: str) -> ConditionalQueryReply:
        """GET the conditional order by our id; `NotFound` as in `query_order`."""
        ...

    def cancel_conditional(self, client_algo_id: str) -> bool:
        """Cancel it; False when the exchange says that it is unknown or over. Anything else raises."""
        ...

    def open_conditional_orders(self) -> Sequence[ConditionalReport]:
        """All conditional orders of the account that have not fired."""
        ...

    def cancel_orders(self, symbol: str) -> None:
        """Cancel every open order of a symbol that is not conditional: what protects a position stays."""
        ...

    def cancel_all(self, symbol: str) -> None:
        """Cancel every open order of a symbol, conditional ones included."""
        ...

    def trades(
        self, symbol: str, *, from_id: int | None = None, order_id: int | None = None, limit: int = 500
    ) -> Sequence[ExchangeTrade]:
        """Our trades, ascending; from a trade id, of one order, or the latest."""
        ...

    def open_orders(self) -> Sequence[OrderReport]:
        """All open orders of the account."""
        ...

    def conditional_order_symbols(self) -> frozenset[str]:
        """Symbols with open conditional orders, which are not among `open_orders` until they trigger."""
        ...

    def positions(self) -> Sequence[ExchangePosition]:
        """All positions that are not zero."""
        ...

    def account(self) -> AccountSnapshot:
        """Wallet, unrealised PnL, available balance."""
        ...

    def income(self, *, since: datetime, kind: str | None = None, limit: int = 1_000) -> Sequence[ExchangeIncome]:
        """The first `limit` rows of income from `since` on, ascending; of one kind (the exchange's word) or of all."""
        ...

    def candles(self, symbol: str, *, interval: str, limit: int) -> Sequence[Candle]:
        """The newest candles of a symbol, ascending; the last one is still being made."""
        ...

    def symbol_rules(self) -> tuple[Sequence[SymbolRules], RateLimits]:
        """Trading rules of all symbols and the rate limits."""
        ...
