"""An exchange that does as it is told: scripted replies, and a record of everything it was sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from app.domain.market import AccountSnapshot, ExchangePosition, SymbolRules
from app.domain.money import ZERO
from app.domain.orders import Attempt, AttemptState, OrderType
from app.domain.protection.orders import ProtectiveOrder
from app.domain.regimes import Candle
from app.ports import (
    ConditionalQueryReply,
    ConditionalReply,
    ConditionalReport,
    ExchangeError,
    ExchangeIncome,
    ExchangeTrade,
    NotFound,
    OrderReport,
    QueryReply,
    RateLimits,
    Rejected,
    RetryAfter,
    SubmitReply,
    Unknown,
)

LIMITS = RateLimits(weight_per_minute=2_400, orders_per_minute=1_200, orders_per_10_seconds=300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fills:
    """Scripted: accept the order and fill `share` of it at `price` (its limit when None); IOC, nothing rests."""

    share: Decimal = Decimal(1)
    price: Decimal | None = None
    fee_share: Decimal = Decimal("0.0004")


@dataclass(frozen=True, slots=True, kw_only=True)
class LosesReply:
    """Scripted: do what `but` says at the exchange, and let the answer be lost on the way."""

    but: Fills


@dataclass(frozen=True, slots=True, kw_only=True)
class LosesConditional:
    """Scripted: the answer to a conditional order is lost, and whether it arrived at all is up to the test."""

    accepted: bool


Script = Fills | LosesReply | Rejected | RetryAfter | Unknown | OrderReport | Exception


@dataclass
class _Account:
    orders: dict[tuple[str, str], OrderReport] = field(default_factory=dict)
    trades: list[ExchangeTrade] = field(default_factory=list)


class FakeExchange:
    """`app.ports.Exchange`. What is not scripted fills whole.

    `script(...)` says how the next submissions go, in order; `script_queries(...)` the same for order queries, which
    otherwise tell the truth. Time is the given clock's. An attempt whose window has passed is refused with -1021.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._submissions: list[Script] = []
        self._queries: list[QueryReply] = []
        self._account = _Account()
        self._next_id = 1
        self.clock_offset_ms = 0
        self.submitted: list[Attempt] = []
        self.queried: list[tuple[str, str]] = []
        self.cancelled: list[str] = []
        self.rules: list[SymbolRules] = []
        self.limits = LIMITS
        self.is_away = False
        self.account_snapshot: AccountSnapshot | None = None
        self.held_positions: list[ExchangePosition] = []
        self.conditional: set[str] = set()  # symbols with conditional orders
        self.income_rows: list[ExchangeIncome] = []
        self._conditional_script: list[ConditionalReply | Exception | LosesConditional] = []
        self._protective: dict[str, ProtectiveOrder] = {}
        self.conditional_sent: list[ProtectiveOrder] = []
        self.conditionals: dict[str, ConditionalReport] = {}
        self.candles_of: dict[str, list[Candle]] = {}

    def script(self, *replies: Script) -> None:
        self._submissions.extend(replies)

    def script_queries(self, *replies: QueryReply) -> None:
        self._queries.extend(replies)

    def now_ms(self) -> int:
        return int(self._now().timestamp() * 1000) + self.clock_offset_ms

    def submit(self, attempt: Attempt) -> SubmitReply:
        self.submitted.append(attempt)
        if self.is_away:
            return Unknown(reason="the fake exchange is away")
        if self.now_ms() > attempt.signed_at_ms + attempt.recv_window_ms:
            return Rejected(code="-1021", message="Timestamp for this request is outside of the recvWindow.")
        reply = self._submissions.pop(0) if self._submissions else Fills()
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, Fills):
            return self._execute(attempt, reply)
        if isinstance(reply, LosesReply):
            self._execute(attempt, reply.but)
            return Unknown(reason="the answer was lost")
        return reply

    def query_order(self, *, symbol: str, client_order_id: str, exchange_order_id: int | None = None) -> QueryReply:
        self.queried.append((symbol, client_order_id))
        if self.is_away:
            return Unknown(reason="the fake exchange is away")
        if self._queries:
            return self._queries.pop(0)
        found = self._account.orders.get((symbol, client_order_id))
        if exchange_order_id is not None:
            numbered = [each for each in self._account.orders.values() if each.exchange_order_id == exchange_order_id]
            found = replace(numbered[0], client_order_id=client_order_id) if numbered else None
        return found if found is not None else NotFound(exchange_time_ms=self.now_ms())

    def cancel_all(self, symbol: str) -> None:
        self.cancel_orders(symbol)
        self.conditional.discard(symbol)
        for each in self.open_conditional_orders():
            if each.symbol == symbol:
                self.cancel_conditional(each.client_algo_id)

    def cancel_orders(self, symbol: str) -> None:
        self._answer()
        self.cancelled.append(symbol)
        for key, report in self._account.orders.items():
            if report.symbol == symbol and not report.is_final:
                self._account.orders[key] = replace(report, status="CANCELED")

    def trades(
        self, symbol: str, *, from_id: int | None = None, order_id: int | None = None, limit: int = 500
    ) -> Sequence[ExchangeTrade]:
        self._answer()
        found = [
            trade
            for trade in self._account.trades
            if trade.symbol == symbol
            and (order_id is None or trade.exchange_order_id == order_id)
            and (from_id is None or trade.trade_id >= from_id)
        ]
        # Without a place to start from, the exchange gives the newest.
        return found[:limit] if from_id is not None else found[-limit:]

    def open_orders(self) -> Sequence[OrderReport]:
        self._answer()
        return [report for report in self._account.orders.values() if not report.is_final]

    def conditional_order_symbols(self) -> frozenset[str]:
        self._answer()
        return frozenset(self.conditional) | {each.symbol for each in self.open_conditional_orders()}

    def script_conditional(self, *replies: ConditionalReply | Exception | LosesConditional) -> None:
        """How the next conditional orders are answered; without a script they are taken on."""
        self._conditional_script.extend(replies)

    def submit_conditional(self, order: ProtectiveOrder) -> ConditionalReply:
        self.conditional_sent.append(order)
        if self.is_away:
            return Unknown(reason="the fake exchange is away")
        reply = self._conditional_script.pop(0) if self._conditional_script else None
        if isinstance(reply, Exception):
            raise reply
        if reply is not None and not isinstance(reply, LosesConditional):
            return reply
        if isinstance(reply, LosesConditional) and not reply.accepted:
            return Unknown(reason="the answer was lost")
        report = ConditionalReport(
            client_algo_id=order.client_algo_id,
            symbol=order.symbol,
            status="NEW",
            quantity=order.quantity,
            trigger_price=order.trigger_price,
        )
        self.conditionals[order.client_algo_id] = report
        self._protective[order.client_algo_id] = order
        if isinstance(reply, LosesConditional):
            return Unknown(reason="the answer was lost")
        return report

    def fire(self, client_algo_id: str, *, price: Decimal) -> ConditionalReport:
        """The price came: it becomes a market order that fills at `price`, as far as a position is held."""
        order = self._protective[client_algo_id]
        report = self._reduce(as_attempt(order), Fills(price=price))
        fired = replace(
            self.conditionals[client_algo_id], status="FINISHED", exchange_order_id=report.exchange_order_id
        )
        self.conditionals[client_algo_id] = fired
        return fired

    def query_conditional(self, client_algo_id: str) -> ConditionalQueryReply:
        if self.is_away:
            return Unknown(reason="the fake exchange is away")
        found = self.conditionals.get(client_algo_id)
        return found if found is not None else NotFound(exchange_time_ms=self.now_ms())

    def cancel_conditional(self, client_algo_id: str) -> bool:
        self._answer()
        found = self.conditionals.get(client_algo_id)
        if found is None or found.status != "NEW":
            return False
        self.conditionals[client_algo_id] = replace(found, status="CANCELED")
        return True

    def open_conditional_orders(self) -> Sequence[ConditionalReport]:
        self._answer()
        return [each for each in self.conditionals.values() if each.status == "NEW"]

    def candles(self, symbol: str, *, interval: str, limit: int) -> Sequence[Candle]:
        self._answer()
        return self.candles_of.get(symbol, [])[-limit:]

    def positions(self) -> Sequence[ExchangePosition]:
        self._answer()
        return list(self.held_positions)

    def account(self) -> AccountSnapshot:
        self._answer()
        if self.account_snapshot is None:
            raise ExchangeError("the fake exchange was given no account")
        return self.account_snapshot

    def income(self, *, since: datetime, kind: str | None = None, limit: int = 1_000) -> Sequence[ExchangeIncome]:
        self._answer()
        return [row for row in self.income_rows if row.at >= since and kind in (None, row.income_type)][:limit]

    def symbol_rules(self) -> tuple[Sequence[SymbolRules], RateLimits]:
        self._answer()
        return list(self.rules), self.limits

    def _answer(self) -> None:
        if self.is_away:
            raise ExchangeError("the fake exchange is away")

    def _execute(self, attempt: Attempt, fills: Fills) -> OrderReport:
        if attempt.reduce_only:
            return self._reduce(attempt, fills)
        return self._fill(attempt, fills)

    def _reduce(self, attempt: Attempt, fills: Fills) -> OrderReport:
        """What is filled is gone from the position held; where the test holds none, nothing is cut."""
        report = self._fill(attempt, fills)
        executed = report.executed_quantity * attempt.side.sign
        left = [
            replace(each, quantity=each.quantity + executed) if each.symbol == attempt.symbol else each
            for each in self.held_positions
        ]
        self.held_positions = [each for each in left if each.quantity]
        return report

    def _fill(self, attempt: Attempt, fills: Fills) -> OrderReport:
        price = fills.price or attempt.price
        if price is None:
            raise AssertionError("a MARKET order needs a scripted price")
        quantity = attempt.quantity * fills.share
        number = self._next_id
        self._next_id += 1
        report = OrderReport(
            exchange_order_id=number,
            client_order_id=attempt.client_order_id,
            symbol=attempt.symbol,
            status="FILLED" if quantity == attempt.quantity else "EXPIRED",
            original_quantity=attempt.quantity,
            executed_quantity=quantity,
            average_price=price if quantity else None,
        )
        self._account.orders[attempt.symbol, attempt.client_order_id] = report
        if quantity > ZERO:
            self._account.trades.append(
                ExchangeTrade(
                    symbol=attempt.symbol,
                    trade_id=len(self._account.trades) + 1,
                    exchange_order_id=number,
                    side=attempt.side,
                    price=price,
                    quantity=quantity,
                    fee=price * quantity * fills.fee_share,
                    fee_asset="USDT",
                    realised_pnl=ZERO,
                    is_maker=False,
                    traded_at=self._now(),
                )
            )
        return report


def as_attempt(order: ProtectiveOrder) -> Attempt:
    """The market order that a protective order becomes when it fires."""
    return Attempt(
        client_order_id=order.client_algo_id,
        order_id=order.order_id,
        number=1,
        symbol=order.symbol,
        side=order.side,
        order_type=OrderType.MARKET,
        time_in_force=None,
        quantity=order.quantity,
        price=None,
        reduce_only=True,
        signed_at_ms=order.signed_at_ms,
        recv_window_ms=order.recv_window_ms,
        state=AttemptState.SENDING,
        begun_at=order.begun_at,
    )
