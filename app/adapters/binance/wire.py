"""From the exchange's JSON to the domain's values: Decimal from strings, every field checked, nothing assumed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from app.domain.market import AccountSnapshot, ExchangePosition, SymbolRules
from app.domain.money import ZERO, NotADecimalError, parse_decimal
from app.domain.regimes import Candle
from app.domain.signals import Side
from app.ports import ConditionalReport, ExchangeIncome, ExchangeTrade, OrderReport, RateLimits

# The statuses the exchange documents for orders. Whether any other still rests cannot be told, so it is not guessed.
OPEN_STATUSES = frozenset({"NEW", "PARTIALLY_FILLED"})
FINAL_STATUSES = frozenset({"FILLED", "CANCELED", "EXPIRED", "EXPIRED_IN_MATCH", "REJECTED"})
KNOWN_STATUSES = OPEN_STATUSES | FINAL_STATUSES

TEXT_LENGTH_MAX = 200
DIGITS_MAX = 40  # on either side of the point; the exchange itself allows 20
ID_MAX = 2**63 - 1
MS_MAX = 4_102_444_800_000  # the year 2100
MARGIN_ASSET = "USDT"

_STATUS_TEXT = re.compile(r"[A-Z_]{1,40}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]+")


class MalformedAnswerError(ValueError):
    """The bytes are not what the exchange documents; the message names the field, not the whole answer."""


class UnknownStatusError(MalformedAnswerError):
    """An order status that is not documented: it cannot be told whether the order still rests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The body of an error: `{"code": -1121, "msg": "Invalid symbol."}`."""

    code: int
    message: str


def safe_text(text: str) -> str:
    """Foreign text fit for a log line and a database column: printable, one line, at most 200 characters."""
    return _UNPRINTABLE.sub(" ", text[: TEXT_LENGTH_MAX * 2])[:TEXT_LENGTH_MAX]


def parse_json(body: bytes | str) -> Any:
    """JSON with Decimal for every number that has a point; `MalformedAnswerError` for anything else."""
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_refuse_constant)
    # RecursionError: brackets nested a thousand deep. ValueError: bad JSON, bad UTF-8, integers of 5000 digits.
    except (ValueError, RecursionError) as error:
        raise MalformedAnswerError(f"not JSON: {type(error).__name__}") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


class Fields:
    """One JSON object, read field by field; every reader raises `MalformedAnswerError` naming the field."""

    __slots__ = ("_values", "_what")

    def __init__(self, value: Any, *, what: str) -> None:
        if not isinstance(value, dict):
            raise MalformedAnswerError(f"{what} is no object")
        self._values: Mapping[str, Any] = value
        self._what = what

    def _get(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise MalformedAnswerError(f"{self._what} has no {name}") from None

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self._values.get(name) is not None

    def text(self, name: str) -> str:
        """A string, made printable."""
        value = self._get(name)
        if not isinstance(value, str):
            raise MalformedAnswerError(f"{self._what}.{name} is no string")
        return safe_text(value)

    def decimal(self, name: str) -> Decimal:
        """A finite number, given as a string (the exchange's way) or as a JSON number."""
        value = self._get(name)
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise MalformedAnswerError(f"{self._what}.{name} is no number")
        try:
            number = parse_decimal(value if isinstance(value, str) else str(value))
        except (NotADecimalError, ValueError):
            raise MalformedAnswerError(f"{self._what}.{name} is no number") from None
        exponent = number.as_tuple().exponent
        if abs(number.adjusted()) > DIGITS_MAX or not isinstance(exponent, int) or abs(exponent) > DIGITS_MAX:
            raise MalformedAnswerError(f"{self._what}.{name} is out of range")
        return number

    def amount(self, name: str) -> Decimal:
        """A number that is not negative."""
        number = self.decimal(name)
        if number < ZERO:
            raise MalformedAnswerError(f"{self._what}.{name} is negative")
        return number

    def integer(self, name: str, *, minimum: int = 0, maximum: int = ID_MAX) -> int:
        """A JSON integer within bounds."""
        value = self._get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
            raise MalformedAnswerError(f"{self._what}.{name} is no integer in {minimum}..{maximum}")
        return value

    def flag(self, name: str) -> bool:
        """A JSON boolean."""
        value = self._get(name)
        if not isinstance(value, bool):
            raise MalformedAnswerError(f"{self._what}.{name} is no boolean")
        return value

    def is_set(self, name: str) -> bool:
        """Whether the field is a JSON true; for facts that must not cost us the rest when they are odd or missing."""
        return self._values.get(name) is True

    def loose_text(self, name: str) -> str:
        """A string or an integer as text, empty for anything else; for facts that only people read."""
        value = self._values.get(name)
        return safe_text(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else ""

    def moment(self, name: str) -> datetime:
        """Milliseconds since 1970 as an aware UTC datetime."""
        return moment_of(self.integer(name, maximum=MS_MAX))

    def side(self, name: str) -> Side:
        """BUY or SELL."""
        try:
            return Side(self.text(name))
        except ValueError:
            raise MalformedAnswerError(f"{self._what}.{name} is neither BUY nor SELL") from None

    def sub(self, name: str) -> Fields:
        """A nested object."""
        return Fields(self._get(name), what=f"{self._what}.{name}")

    def items(self, name: str) -> list[Fields]:
        """A nested list of objects."""
        return fields_of(self._get(name), what=f"{self._what}.{name}")


def fields_of(value: Any, *, what: str) -> list[Fields]:
    """A JSON list of objects."""
    if not isinstance(value, list):
        raise MalformedAnswerError(f"{what} is no list")
    return [Fields(item, what=what) for item in value]


def moment_of(milliseconds: int) -> datetime:
    """Milliseconds since 1970 as an aware UTC datetime, without a detour through binary floats."""
    seconds, rest = divmod(milliseconds, 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000)


def parse_refusal(body: bytes) -> Refusal:
    """`{"code": int, "msg": str}`."""
    fields = Fields(parse_json(body), what="error")
    return Refusal(code=fields.integer("code", minimum=-1_000_000, maximum=1_000_000), message=fields.text("msg"))


def parse_server_time(body: bytes) -> int:
    """`GET /fapi/v1/time`: the exchange's clock in ms."""
    return Fields(parse_json(body), what="time").integer("serverTime", minimum=1, maximum=MS_MAX)


def read_order(fields: Fields) -> OrderReport:
    """An order as REST gives it. `UnknownStatusError` for a status that is not documented."""
    status = fields.text("status")
    if status not in KNOWN_STATUSES:
        shown = status if _STATUS_TEXT.fullmatch(status) else "of an unexpected form"
        raise UnknownStatusError(f"order status {shown} is not documented")
    original = fields.amount("origQty")
    executed = fields.amount("executedQty")
    if executed > original:
        raise MalformedAnswerError(f"order executed {executed} of {original}")
    average = fields.amount("avgPrice")
    return OrderReport(
        exchange_order_id=fields.integer("orderId", minimum=1),
        client_order_id=fields.text("clientOrderId"),
        symbol=fields.text("symbol"),
        status=status,
        original_quantity=original,
        executed_quantity=executed,
        # "0.00" stands for "none yet", also beside an execution in an answer of type ACK.
        average_price=average if average > ZERO and executed > ZERO else None,
        reduce_only=fields.is_set("reduceOnly"),
    )


def parse_order(body: bytes) -> OrderReport:
    """One order."""
    return read_order(Fields(parse_json(body), what="order"))


def parse_orders(body: bytes) -> Sequence[OrderReport]:
    """A list of orders."""
    return [read_order(fields) for fields in fields_of(parse_json(body), what="order")]


def parse_conditional(body: bytes) -> ConditionalReport:
    """One conditional order."""
    return read_conditional(Fields(parse_json(body), what="algoOrder"))


def parse_conditionals(body: bytes) -> Sequence[ConditionalReport]:
    """A list of conditional orders."""
    return [read_conditional(fields) for fields in fields_of(parse_json(body), what="algoOrder")]


def read_conditional(fields: Fields) -> ConditionalReport:
    """A conditional order as REST gives it; a status that is not documented is passed on: it moves nothing here."""
    return ConditionalReport(
        client_algo_id=fields.text("clientAlgoId"),
        symbol=fields.text("symbol"),
        status=fields.text("algoStatus"),
        quantity=fields.amount("quantity"),
        trigger_price=fields.amount("triggerPrice"),
        exchange_order_id=number_or_none(fields.loose_text("actualOrderId")),
    )


def number_or_none(text: str) -> int | None:
    """An exchange's order number that may be missing: empty, zero or no number at all."""
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text) <= ID_MAX else None


def parse_candles(body: bytes) -> Sequence[Candle]:
    """`klines`: rows of twelve, of which the first five and the seventh are read."""
    rows = parse_json(body)
    if not isinstance(rows, list):
        raise MalformedAnswerError("klines is no list")
    return [_candle(row) for row in rows]


def _candle(row: Any) -> Candle:
    if not isinstance(row, list) or len(row) < 7:
        raise MalformedAnswerError("kline is no list of twelve")
    names = ("opened", "open", "high", "low", "close", "volume", "closes")
    fields = Fields(dict(zip(names, row, strict=False)), what="kline")
    return Candle(
        opened_at=fields.moment("opened"),
        closes_at=fields.moment("closes"),
        open=fields.amount("open"),
        high=fields.amount("high"),
        low=fields.amount("low"),
        close=fields.amount("close"),
    )


def parse_order_symbols(body: bytes) -> frozenset[str]:
    """The symbols of a list of orders of any kind."""
    return frozenset(fields.text("symbol") for fields in fields_of(parse_json(body), what="order"))


def parse_trades(body: bytes) -> Sequence[ExchangeTrade]:
    """`userTrades`, ascending by trade id."""
    trades = [
        ExchangeTrade(
            symbol=fields.text("symbol"),
            trade_id=fields.integer("id"),
            exchange_order_id=fields.integer("orderId", minimum=1),
            side=fields.side("side"),
            price=fields.amount("price"),
            quantity=fields.amount("qty"),
            fee=fields.decimal("commission"),
            fee_asset=fields.text("commissionAsset"),
            realised_pnl=fields.decimal("realizedPnl"),
            is_maker=fields.flag("maker"),
            traded_at=fields.moment("time"),
        )
        for fields in fields_of(parse_json(body), what="trade")
    ]
    return sorted(trades, key=lambda trade: trade.trade_id)


def parse_income(body: bytes) -> Sequence[ExchangeIncome]:
    """`income`, ascending by time. `tranId` has been seen as a number and as a string."""
    rows = []
    for fields in fields_of(parse_json(body), what="income"):
        number = fields.loose_text("tranId")
        if not number.isdecimal():
            raise MalformedAnswerError("income.tranId is no number")
        rows.append(
            ExchangeIncome(
                symbol=fields.loose_text("symbol"),
                income_type=fields.text("incomeType"),
                amount=fields.decimal("income"),
                asset=fields.text("asset"),
                at=fields.moment("time"),
                transaction_id=int(number),
            )
        )
    return sorted(rows, key=lambda row: (row.at, row.transaction_id))


def parse_positions(body: bytes) -> Sequence[ExchangePosition]:
    """`positionRisk`: those that are not zero; `MalformedAnswerError` for an account in hedge mode."""
    positions = []
    for fields in fields_of(parse_json(body), what="position"):
        quantity = fields.decimal("positionAmt")
        if quantity == ZERO:
            continue
        # Two positions of one symbol have no place in a one-way ledger; adding them up would hide exposure.
        if fields.has("positionSide") and fields.text("positionSide") != "BOTH":
            raise MalformedAnswerError("the account is in hedge mode; this product needs one-way mode")
        positions.append(
            ExchangePosition(
                symbol=fields.text("symbol"),
                quantity=quantity,
                entry_price=fields.amount("entryPrice"),
                mark_price=fields.amount("markPrice"),
                unrealised_pnl=fields.decimal("unRealizedProfit"),
            )
        )
    return positions


def parse_account(body: bytes, *, observed_at: datetime) -> AccountSnapshot:
    """`v3/account`: the USDT row of its assets, which is USDT itself and not a valuation in dollars."""
    account = Fields(parse_json(body), what="account")
    for asset in account.items("assets"):
        if asset.text("asset") == MARGIN_ASSET:
            return AccountSnapshot(
                wallet_balance=asset.decimal("walletBalance"),
                unrealised_pnl=asset.decimal("unrealizedProfit"),
                available_balance=asset.decimal("availableBalance"),
                observed_at=observed_at,
            )
    raise MalformedAnswerError(f"account has no {MARGIN_ASSET}")


def parse_funding_intervals(body: bytes) -> Mapping[str, int]:
    """`fundingInfo`: hours between fundings, only for symbols that differ from the usual eight."""
    return {
        fields.text("symbol"): fields.integer("fundingIntervalHours", minimum=1, maximum=24)
        for fields in fields_of(parse_json(body), what="fundingInfo")
    }


def parse_listen_key(body: bytes) -> str:
    """`{"listenKey": ...}`."""
    key = Fields(parse_json(body), what="listenKey").text("listenKey")
    if not re.fullmatch(r"[A-Za-z0-9_-]{8,200}", key):
        raise MalformedAnswerError("listenKey is of an unexpected form")
    return key


def parse_cancel_confirmation(body: bytes) -> None:
    """`{"code": 200, "msg": ...}`; the algo endpoint gives the code as a string. Anything else confirms nothing."""
    value = parse_json(body)
    if not isinstance(value, dict) or value.get("code") not in (200, "200"):
        raise MalformedAnswerError("the cancellation was not confirmed")


def parse_key_restrictions(body: bytes) -> Mapping[str, bool]:
    """`apiRestrictions`: the flags that say what the key may do; `enableWithdrawals` must be among them."""
    value = parse_json(body)
    fields = Fields(value, what="apiRestrictions")
    fields.flag("enableWithdrawals")
    return {name: flag for name, flag in value.items() if isinstance(flag, bool)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeInfo:
    """`exchangeInfo`, as far as we use it; `unreadable` are symbols whose filters could not be understood."""

    rules: Sequence[SymbolRules]
    limits: RateLimits
    unreadable: Sequence[str]


def parse_exchange_info(body: bytes) -> ExchangeInfo:
    """Rules of all symbols and the rate limits. One odd symbol of 900 does not take the others with it."""
    info = Fields(parse_json(body), what="exchangeInfo")
    rules: list[SymbolRules] = []
    unreadable: list[str] = []
    for symbol in info.items("symbols"):
        name = symbol.text("symbol")
        try:
            rules.append(_read_symbol(name, symbol))
        except MalformedAnswerError as error:
            unreadable.append(f"{name}: {error}")
    if not rules:
        raise MalformedAnswerError("exchangeInfo has no readable symbol")
    return ExchangeInfo(rules=rules, limits=_read_limits(info), unreadable=unreadable)


def _read_symbol(name: str, symbol: Fields) -> SymbolRules:
    filters = {fields.text("filterType"): fields for fields in symbol.items("filters")}

    def needed(kind: str) -> Fields:
        try:
            return filters[kind]
        except KeyError:
            raise MalformedAnswerError(f"symbol has no {kind}") from None

    price, lot, market_lot = needed("PRICE_FILTER"), needed("LOT_SIZE"), needed("MARKET_LOT_SIZE")
    band = needed("PERCENT_PRICE")
    tick_size, step_size = price.amount("tickSize"), lot.amount("stepSize")
    if tick_size == ZERO or step_size == ZERO:
        raise MalformedAnswerError("symbol has a tick or a step of zero")
    return SymbolRules(
        symbol=name,
        status=symbol.text("status"),
        base_asset=symbol.text("baseAsset"),
        quote_asset=symbol.text("quoteAsset"),
        tick_size=tick_size,
        price_minimum=price.amount("minPrice"),
        price_maximum=price.amount("maxPrice"),
        step_size=step_size,
        quantity_minimum=lot.amount("minQty"),
        quantity_maximum=lot.amount("maxQty"),
        market_quantity_maximum=market_lot.amount("maxQty"),
        notional_minimum=needed("MIN_NOTIONAL").amount("notional"),
        price_multiplier_up=band.amount("multiplierUp"),
        price_multiplier_down=band.amount("multiplierDown"),
    )


# The 10 s limit is missing from the documented samples, though the live exchange has it: without it, assume it.
ORDERS_PER_10_SECONDS_USUAL = 300


def _read_limits(info: Fields) -> RateLimits:
    found: dict[tuple[str, str, int], int] = {}
    for limit in info.items("rateLimits"):
        key = (limit.text("rateLimitType"), limit.text("interval"), limit.integer("intervalNum", minimum=1))
        found[key] = limit.integer("limit", minimum=1)
    try:
        orders_per_minute = found[("ORDERS", "MINUTE", 1)]
        return RateLimits(
            weight_per_minute=found[("REQUEST_WEIGHT", "MINUTE", 1)],
            orders_per_minute=orders_per_minute,
            orders_per_10_seconds=found.get(
                ("ORDERS", "SECOND", 10), min(ORDERS_PER_10_SECONDS_USUAL, orders_per_minute)
            ),
        )
    except KeyError as error:
        raise MalformedAnswerError(f"exchangeInfo has no limit {error}") from None
