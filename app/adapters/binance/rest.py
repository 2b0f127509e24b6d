"""The `Exchange` of the core over REST: orders answer with values, questions raise `QuestionError`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

import httpx
import structlog

from app.adapters.binance import weights, wire
from app.adapters.binance.conversation import Conversation, Silence, TransportFault
from app.adapters.binance.credentials import Credentials
from app.adapters.binance.error_table import Answer, classify, refusal_in
from app.adapters.binance.server_clock import ServerClock, boot_nanoseconds, utc_now
from app.adapters.binance.signing import Parameter, UnsendableNumberError, wire_number
from app.adapters.binance.weights import Endpoint, Security
from app.adapters.binance.wire import MalformedAnswerError
from app.adapters.metrics.instruments import ATTEMPTS
from app.domain.market import AccountSnapshot, ExchangePosition, SymbolRules
from app.domain.orders import Attempt, OrderType
from app.domain.protection.orders import Leg, ProtectiveOrder
from app.domain.regimes import Candle
from app.ports import (
    ConditionalQueryReply,
    ConditionalReply,
    ConditionalReport,
    ExchangeError,
    ExchangeIncome,
    ExchangeTrade,
    Lane,
    NotFound,
    OrderReport,
    QueryReply,
    RateBudget,
    RateLimits,
    Rejected,
    RetryAfter,
    SubmitReply,
    Unknown,
)

log = structlog.get_logger(__name__)

QUESTION_RECV_WINDOW_MS = 5_000  # questions change nothing; the exchange's own default
NOT_SENT_CODE = "NOT_SENT"  # our word for a request that never left
NOT_SENT_RETRY_SECONDS = 1.0
UNSENDABLE_CODE = "UNSENDABLE"  # our word for an order that has no form on the wire
NO_SUCH_ORDER = -2013
NOTHING_TO_CANCEL = frozenset({-2011})
TIMESTAMP_REFUSED = frozenset({"-1021", "-5028"})
TRADES_LIMIT_MAX = 1_000
INCOME_LIMIT_MAX = 1_000
CANDLES_LIMIT_MAX = 99

CONDITIONAL_TYPES: Mapping[Leg, str] = {Leg.STOP: "STOP_MARKET", Leg.TARGET: "TAKE_PROFIT_MARKET"}

T = TypeVar("T")


class QuestionError(ExchangeError):
    """A question was refused, not answered, or answered with something else; `code` is the exchange's, if it gave one.

    `retry_after_seconds` is set when the exchange says that a limit was passed.
    """

    def __init__(self, text: str, *, code: str | None = None, retry_after_seconds: float | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.retry_after_seconds = retry_after_seconds


class NoBudgetError(QuestionError):
    """The question was not asked: our own rate budget has nothing left for it now."""


class RestExchange:
    """`app.ports.Exchange` on one host. Thread-safe; make it after forking; nothing is ever sent twice.

    The caller takes rate budget before each call of the Protocol (`weights.acquire`); headers are reported to `budget`
    from here.
    """

    def __init__(
        self,
        *,
        base_url: str,
        credentials: Credentials,
        budget: RateBudget,
        transport: httpx.BaseTransport | None = None,
        ticks_ns: Callable[[], int] = boot_nanoseconds,
        wall_now: Callable[[], datetime] = utc_now,
        wall_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._budget = budget
        self._wall_now = wall_now
        self._conversation = Conversation(
            base_url=base_url, credentials=credentials, budget=budget, transport=transport, wall_seconds=wall_seconds
        )
        self.clock = ServerClock(self._budgeted_server_ms, ticks_ns=ticks_ns, wall_now=wall_now)

    def close(self) -> None:
        """Close every connection."""
        self._conversation.close()

    # ------------------------------------------------------------------------------------------------ the clock

    def now_ms(self) -> int:
        """The exchange's clock as well as we know it, in ms; `ExchangeError` when it is not known."""
        return self.clock.now_ms()

    def ask_time_ms(self) -> int:
        """One round trip to the exchange for its clock; raises `QuestionError`."""
        return self._budgeted_server_ms()

    def _server_ms(self) -> int:
        return self._question(weights.TIME, (), wire.parse_server_time)

    def _budgeted_server_ms(self) -> int:
        self._take_own_budget(weights.TIME)
        return self._server_ms()

    def _take_own_budget(self, endpoint: Endpoint) -> None:
        """For what this client asks of its own accord, without a caller's budget; a closed gate holds for it too."""
        wait = self._budget.acquire(weight=endpoint.weight, orders=endpoint.orders, lane=Lane.SAFETY)
        if wait is not None:
            raise NoBudgetError(
                f"{endpoint.method} {endpoint.path}: no rate budget: {wait.reason}", retry_after_seconds=wait.seconds
            )

    # ------------------------------------------------------------------------------------------------ orders

    def submit(self, attempt: Attempt) -> SubmitReply:
        """POST the attempt once, with exactly its id, timestamp and recvWindow."""
        try:
            parameters = _order_parameters(attempt)
        except UnsendableNumberError as error:
            return Rejected(code=UNSENDABLE_CODE, message=str(error))
        outcome = self._conversation.ask(weights.NEW_ORDER, parameters)
        reply = self._order_reply(outcome, symbol=attempt.symbol, client_order_id=attempt.client_order_id)
        if isinstance(reply, RetryAfter) and reply.code in TIMESTAMP_REFUSED:
            self.clock.mark_stale()
        ATTEMPTS.labels(outcome=_outcome_of(reply)).inc()
        return reply

    def query_order(self, *, symbol: str, client_order_id: str, exchange_order_id: int | None = None) -> QueryReply:
        """GET the order by our id, or by its number. `NotFound` only for -2013, with a `/time` answer that came before
        the query left.
        """
        try:
            # Two requests of ours, one after the other: the exchange's clock cannot have been earlier at the query.
            exchange_time_ms = self._server_ms()
        except QuestionError as error:
            if error.retry_after_seconds is not None:
                return RetryAfter(
                    code=error.code or NOT_SENT_CODE, message=str(error), seconds=error.retry_after_seconds
                )
            return Unknown(reason=f"the exchange's time is not known: {error}")
        named = ("orderId", str(exchange_order_id)) if exchange_order_id else ("origClientOrderId", client_order_id)
        parameters = _signed_at(exchange_time_ms, (("symbol", symbol), named), QUESTION_RECV_WINDOW_MS)
        outcome = self._conversation.ask(weights.ORDER, parameters)
        if isinstance(outcome, Answer) and _refusal_code(outcome) == NO_SUCH_ORDER:
            return NotFound(exchange_time_ms=exchange_time_ms)
        return self._order_reply(
            outcome, symbol=symbol, client_order_id=client_order_id, exchange_order_id=exchange_order_id
        )

    def _order_reply(
        self, outcome: Answer | Silence, *, symbol: str, client_order_id: str, exchange_order_id: int | None = None
    ) -> OrderReport | Rejected | RetryAfter | Unknown:
        if isinstance(outcome, Silence):
            return _silent(outcome)
        if outcome.is_success:
            try:
                report = wire.parse_order(outcome.body)
            except MalformedAnswerError as error:
                return Unknown(reason=f"status={outcome.status}, {error}")
            if (report.symbol, report.client_order_id) == (symbol, client_order_id):
                return report
            # What a conditional order became carries the id that the exchange chose; its number is as good.
            if exchange_order_id is not None and (report.symbol, report.exchange_order_id) == (
                symbol,
                exchange_order_id,
            ):
                return replace(report, client_order_id=client_order_id)
            # An answer to somebody else's question, whatever mixed them up, says nothing about ours.
            return Unknown(reason=f"status={outcome.status}, the answer is about another order")
        return classify(self._conversation.without_secrets(outcome), now_ms=self._conversation.wall_ms())

    def submit_conditional(self, order: ProtectiveOrder) -> ConditionalReply:
        """POST the conditional order once, with exactly its id, timestamp and recvWindow."""
        try:
            parameters = _conditional_parameters(order)
        except UnsendableNumberError as error:
            return Rejected(code=UNSENDABLE_CODE, message=str(error))
        reply = self._conditional_reply(self._conversation.ask(weights.NEW_ALGO, parameters), order.client_algo_id)
        if isinstance(reply, RetryAfter) and reply.code in TIMESTAMP_REFUSED:
            self.clock.mark_stale()
        return reply

    def query_conditional(self, client_algo_id: str) -> ConditionalQueryReply:
        """GET the conditional order by our id; `NotFound` as in `query_order`."""
        try:
            exchange_time_ms = self._server_ms()
        except QuestionError as error:
            return Unknown(reason=f"the exchange's time is not known: {error}")
        named = (("clientAlgoId", client_algo_id),)
        outcome = self._conversation.ask(weights.ALGO, _signed_at(exchange_time_ms, named, QUESTION_RECV_WINDOW_MS))
        if isinstance(outcome, Answer) and _refusal_code(outcome) == NO_SUCH_ORDER:
            return NotFound(exchange_time_ms=exchange_time_ms)
        return self._conditional_reply(outcome, client_algo_id)

    def _conditional_reply(self, outcome: Answer | Silence, client_algo_id: str) -> ConditionalReply:
        if isinstance(outcome, Silence):
            return _silent(outcome)
        if not outcome.is_success:
            return classify(self._conversation.without_secrets(outcome), now_ms=self._conversation.wall_ms())
        try:
            report = wire.parse_conditional(outcome.body)
        except MalformedAnswerError as error:
            return Unknown(reason=f"status={outcome.status}, {error}")
        if report.client_algo_id != client_algo_id:
            return Unknown(reason=f"status={outcome.status}, the answer is about another order")
        return report

    def cancel_conditional(self, client_algo_id: str) -> bool:
        """Cancel it; False when it is unknown or over. `QuestionError` when neither was confirmed."""
        outcome = self._conversation.ask(weights.CANCEL_ALGO, self._signed_now((("clientAlgoId", client_algo_id),)))
        if isinstance(outcome, Answer) and _refusal_code(outcome) in NOTHING_TO_CANCEL:
            return False
        self._understand(weights.CANCEL_ALGO, outcome, wire.parse_cancel_confirmation)
        return True

    def cancel_orders(self, symbol: str) -> None:
        """Cancel the open orders of a symbol; conditional ones stay."""
        self._cancel(weights.CANCEL_ALL_ORDERS, symbol)

    def cancel_all(self, symbol: str) -> None:
        """Cancel the open orders of a symbol, conditional ones included; `QuestionError` unless both were confirmed."""
        failures: list[QuestionError] = []
        # The second is sent whatever becomes of the first: half a cancel is better than none.
        for endpoint in (weights.CANCEL_ALL_ORDERS, weights.CANCEL_ALL_ALGO):
            try:
                self._cancel(endpoint, symbol)
            except QuestionError as error:
                failures.append(error)
        if failures:
            waits = [error.retry_after_seconds for error in failures if error.retry_after_seconds is not None]
            raise QuestionError(
                "; ".join(str(error) for error in failures),
                code=failures[0].code,
                retry_after_seconds=max(waits) if waits else None,
            ) from failures[0]

    def _cancel(self, endpoint: Endpoint, symbol: str) -> None:
        outcome = self._conversation.ask(endpoint, self._signed_now((("symbol", symbol),)))
        if isinstance(outcome, Answer) and _refusal_code(outcome) in NOTHING_TO_CANCEL:
            return
        self._understand(endpoint, outcome, wire.parse_cancel_confirmation)

    # ------------------------------------------------------------------------------------------------ questions

    def trades(
        self, symbol: str, *, from_id: int | None = None, order_id: int | None = None, limit: int = 500
    ) -> Sequence[ExchangeTrade]:
        """Our trades of a symbol, ascending; from a trade id, of one order, or the latest. At most 1000."""
        if from_id is not None and order_id is not None:
            raise ValueError("either from_id or order_id, not both")
        parameters: list[Parameter] = [("symbol", symbol)]
        if from_id is not None:
            parameters.append(("fromId", str(from_id)))
        if order_id is not None:
            parameters.append(("orderId", str(order_id)))
        parameters.append(("limit", str(min(max(limit, 1), TRADES_LIMIT_MAX))))
        return self._signed_question(weights.USER_TRADES, parameters, wire.parse_trades)

    def income(
        self, *, since: datetime, kind: str | None = None, limit: int = INCOME_LIMIT_MAX
    ) -> Sequence[ExchangeIncome]:
        """The first rows of income from `since` on, ascending, of one kind or of all. At most 1000."""
        parameters = (
            *((("incomeType", kind),) if kind is not None else ()),
            ("startTime", str(int(since.timestamp() * 1000))),
            ("limit", str(min(max(limit, 1), INCOME_LIMIT_MAX))),
        )
        return self._signed_question(weights.INCOME, parameters, wire.parse_income)

    def open_orders(self) -> Sequence[OrderReport]:
        """All open orders of the account (conditional ones are not orders until they trigger)."""
        return self._signed_question(weights.OPEN_ORDERS, (), wire.parse_orders)

    def conditional_order_symbols(self) -> frozenset[str]:
        """Symbols with conditional orders that have not triggered; of the orders themselves nothing is read."""
        return self._signed_question(weights.OPEN_ALGO_ORDERS, (), wire.parse_order_symbols)

    def open_conditional_orders(self) -> Sequence[ConditionalReport]:
        """All conditional orders of the account that have not fired."""
        return self._signed_question(weights.OPEN_ALGO_ORDERS, (), wire.parse_conditionals)

    def candles(self, symbol: str, *, interval: str, limit: int) -> Sequence[Candle]:
        """The newest candles, ascending; at most `CANDLES_LIMIT_MAX`, for which one unit of weight is paid."""
        number = min(max(limit, 1), CANDLES_LIMIT_MAX)
        parameters = (("symbol", symbol), ("interval", interval), ("limit", str(number)))
        return self._question(weights.KLINES, parameters, wire.parse_candles)

    def positions(self) -> Sequence[ExchangePosition]:
        """All positions that are not zero; `QuestionError` for an account in hedge mode."""
        return self._signed_question(weights.POSITION_RISK, (), wire.parse_positions)

    def account(self) -> AccountSnapshot:
        """Wallet, unrealised PnL and available balance in USDT; `observed_at` is when we asked."""
        asked_at = self._wall_now()
        return self._signed_question(weights.ACCOUNT, (), lambda body: wire.parse_account(body, observed_at=asked_at))

    def symbol_rules(self) -> tuple[Sequence[SymbolRules], RateLimits]:
        """Rules of all symbols and the rate limits; symbols that cannot be understood are left out and logged."""
        info = self._question(weights.EXCHANGE_INFO, (), wire.parse_exchange_info)
        if info.unreadable:
            log.warning("exchange_symbols_unreadable", count=len(info.unreadable), first=info.unreadable[0])
        return info.rules, info.limits

    def funding_intervals(self) -> Mapping[str, int]:
        """Hours between fundings of the symbols that differ from the usual eight. Takes its own budget."""
        self._take_own_budget(weights.FUNDING_INFO)
        return self._question(weights.FUNDING_INFO, (), wire.parse_funding_intervals)

    # ------------------------------------------------------------------------------------------------ listen key

    def open_listen_key(self) -> str:
        """A key for the user stream, valid 60 minutes; asked again, the exchange gives the same one and extends it.

        This and the two below take their own budget.
        """
        self._take_own_budget(weights.OPEN_LISTEN_KEY)
        return self._question(weights.OPEN_LISTEN_KEY, (), wire.parse_listen_key)

    def extend_listen_key(self) -> None:
        """Another 60 minutes; `QuestionError` with code -1125 when the key is gone."""
        self._take_own_budget(weights.EXTEND_LISTEN_KEY)
        self._question(weights.EXTEND_LISTEN_KEY, (), wire.parse_json)

    def close_listen_key(self) -> None:
        """Give the key back."""
        self._take_own_budget(weights.CLOSE_LISTEN_KEY)
        self._question(weights.CLOSE_LISTEN_KEY, (), wire.parse_json)

    # ------------------------------------------------------------------------------------------------ one question

    def _signed_now(self, parameters: Sequence[Parameter]) -> Sequence[Parameter]:
        return _signed_at(self.now_ms(), parameters, QUESTION_RECV_WINDOW_MS)

    def _signed_question(self, endpoint: Endpoint, parameters: Sequence[Parameter], parse: Callable[[bytes], T]) -> T:
        return self._question(endpoint, self._signed_now(parameters), parse)

    def _question(self, endpoint: Endpoint, parameters: Sequence[Parameter], parse: Callable[[bytes], T]) -> T:
        return self._understand(endpoint, self._conversation.ask(endpoint, parameters), parse)

    def _understand(self, endpoint: Endpoint, outcome: Answer | Silence, parse: Callable[[bytes], T]) -> T:
        what = f"{endpoint.method} {endpoint.path}"
        if isinstance(outcome, Silence):
            raise QuestionError(f"{what}: {outcome.fault}", code=None) from outcome.fault
        if outcome.is_success:
            try:
                return parse(outcome.body)
            except MalformedAnswerError as error:
                # Without the frames of the parser, whose local variables hold what the server sent.
                raise QuestionError(f"{what}: {error}") from error.with_traceback(None)
        reply = classify(self._conversation.without_secrets(outcome), now_ms=self._conversation.wall_ms())
        if isinstance(reply, Unknown):
            raise QuestionError(f"{what}: {reply.reason}")
        if reply.code in TIMESTAMP_REFUSED and endpoint.security is Security.SIGNED:
            self.clock.mark_stale()
        raise QuestionError(
            f"{what}: {reply.code} {reply.message}",
            code=reply.code,
            retry_after_seconds=reply.seconds if isinstance(reply, RetryAfter) else None,
        )


def _refusal_code(answer: Answer) -> int | None:
    """The code of a refusal that may be believed."""
    refusal = refusal_in(answer) if answer.is_refusal else None
    return refusal.code if refusal is not None else None


def _signed_at(timestamp_ms: int, parameters: Sequence[Parameter], recv_window_ms: int) -> Sequence[Parameter]:
    return [*parameters, ("recvWindow", str(recv_window_ms)), ("timestamp", str(timestamp_ms))]


def _order_parameters(attempt: Attempt) -> Sequence[Parameter]:
    """`POST /fapi/v1/order` in one-way mode. `UnsendableNumberError` for numbers the exchange would not take."""
    parameters: list[Parameter] = [
        ("symbol", attempt.symbol),
        ("side", attempt.side.value),
        ("type", attempt.order_type.value),
    ]
    if attempt.order_type is OrderType.LIMIT:
        if attempt.price is None or attempt.time_in_force is None:
            raise UnsendableNumberError("a LIMIT order needs a price and a time in force")
        parameters.append(("timeInForce", attempt.time_in_force.value))
        parameters.append(("price", wire_number(attempt.price)))
    parameters.append(("quantity", wire_number(attempt.quantity)))
    if attempt.reduce_only:
        parameters.append(("reduceOnly", "true"))
    parameters.append(("newClientOrderId", attempt.client_order_id))
    parameters.append(("newOrderRespType", "RESULT"))
    return _signed_at(attempt.signed_at_ms, parameters, attempt.recv_window_ms)


def _conditional_parameters(order: ProtectiveOrder) -> Sequence[Parameter]:
    """`POST /fapi/v1/algoOrder` in one-way mode. `UnsendableNumberError` for numbers the exchange would not take."""
    parameters: list[Parameter] = [
        ("algoType", "CONDITIONAL"),
        ("symbol", order.symbol),
        ("side", order.side.value),
        ("type", CONDITIONAL_TYPES[order.leg]),
        ("quantity", wire_number(order.quantity)),
        ("triggerPrice", wire_number(order.trigger_price)),
        # The mark price: one odd trade must not take a position away.
        ("workingType", "MARK_PRICE"),
        ("reduceOnly", "true"),
        ("clientAlgoId", order.client_algo_id),
    ]
    return _signed_at(order.signed_at_ms, parameters, order.recv_window_ms)


def _silent(outcome: Silence) -> RetryAfter | Unknown:
    """What no answer at all says about execution."""
    if outcome.nothing_sent:
        return RetryAfter(code=NOT_SENT_CODE, message=str(outcome.fault), seconds=NOT_SENT_RETRY_SECONDS)
    return Unknown(reason=str(outcome.fault))


__all__ = ["QuestionError", "RestExchange", "TransportFault"]


def _outcome_of(reply: SubmitReply) -> str:
    """For counting: the order's state at the exchange, or what came instead of one."""
    if isinstance(reply, OrderReport):
        return reply.status
    return {Rejected: "REJECTED", RetryAfter: "RETRY_AFTER", Unknown: "UNKNOWN"}[type(reply)]
