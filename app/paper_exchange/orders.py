"""Orders as the exchange keeps them: what was asked, what happened, and which changes of status are possible."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from app.paper_exchange.decimals import ZERO
from app.paper_exchange.market import Side

OPPOSITE: Final[Mapping[Side, Side]] = MappingProxyType({"BUY": "SELL", "SELL": "BUY"})


class OrderType(StrEnum):
    LIMIT = "LIMIT"
    MARKET = "MARKET"
    LIQUIDATION = "LIQUIDATION"


class TimeInForce(StrEnum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTX = "GTX"
    GTD = "GTD"


IMMEDIATE_FORCES: Final = frozenset({TimeInForce.IOC, TimeInForce.FOK})


class SelfTradePrevention(StrEnum):
    NONE = "NONE"
    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"


class OrderStatus(StrEnum):
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"


class ExpiryReason(StrEnum):
    """The stream's `er`: why an order expired."""

    NONE = "0"
    SELF_TRADE = "1"
    IOC_REMAINDER = "2"
    REDUCE_ONLY_KNOCKED_OUT = "4"
    LIQUIDATION = "5"
    MARKET_REMAINDER = "9"


OPEN_STATUSES: Final = frozenset({OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED})
# (from, to); whatever is not listed cannot happen. An open order may also be amended, which keeps its status.
TRANSITIONS: Final = frozenset(
    {(start, end) for start in OPEN_STATUSES for end in OrderStatus if end is not OrderStatus.NEW}
)


class ImpossibleTransitionError(Exception):
    """An order was asked to change to a status its present one cannot reach: a defect of the engine."""


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """A new order as asked for, its parameters parsed but not yet judged by the symbol's filters."""

    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal
    price: Decimal = ZERO
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    client_order_id: str | None = None
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.EXPIRE_MAKER
    good_till_ms: int = 0
    # The last moment (protocol time, microseconds) at which matching may still take it; None: any.
    valid_until_us: int | None = None
    close_position: bool = False
    origin_type: str | None = None
    stop_price: Decimal = ZERO
    working_type: str = "CONTRACT_PRICE"
    algo_id: int = 0

    @property
    def is_immediate(self) -> bool:
        """Whether what does not trade at once expires."""
        return self.type is not OrderType.LIMIT or self.time_in_force in IMMEDIATE_FORCES


@dataclass(slots=True)
class Order:
    """One order. Prices in quote, quantities in base, `cumulative_quote` = sum of price * quantity of its fills."""

    order_id: int
    client_order_id: str
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    price: Decimal
    reduce_only: bool
    self_trade_prevention: SelfTradePrevention
    created_us: int
    updated_us: int
    good_till_ms: int = 0
    status: OrderStatus = OrderStatus.NEW
    executed_quantity: Decimal = ZERO
    cumulative_quote: Decimal = ZERO
    close_position: bool = False
    origin_type: str = ""
    stop_price: Decimal = ZERO
    working_type: str = "CONTRACT_PRICE"
    algo_id: int = 0
    expiry_reason: ExpiryReason = ExpiryReason.NONE
    # Place in the queue at its price; an amendment goes to the back.
    queue_place: int = 0
    amendments: int = 0
    realised_pnl: Decimal = ZERO

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_STATUSES

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.executed_quantity

    @property
    def is_immediate(self) -> bool:
        """Whether what does not trade at once expires."""
        return self.type is not OrderType.LIMIT or self.time_in_force in IMMEDIATE_FORCES

    @property
    def average_price(self) -> Decimal:
        return self.cumulative_quote / self.executed_quantity if self.executed_quantity else ZERO

    def become(self, status: OrderStatus, *, now_us: int) -> None:
        """Change status along the table."""
        if (self.status, status) not in TRANSITIONS:
            raise ImpossibleTransitionError(f"order {self.order_id}: {self.status} -> {status}")
        self.status = status
        self.updated_us = now_us


@dataclass(frozen=True, slots=True)
class Fill:
    """One trade of ours. `fee` and `realised_pnl` in the margin asset; a positive fee was paid."""

    trade_id: int
    order_id: int
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    realised_pnl: Decimal
    maker: bool
    at_us: int

    @property
    def quote_quantity(self) -> Decimal:
        return self.price * self.quantity


class IncomeType(StrEnum):
    TRANSFER = "TRANSFER"
    REALIZED_PNL = "REALIZED_PNL"
    COMMISSION = "COMMISSION"
    FUNDING_FEE = "FUNDING_FEE"
    INSURANCE_CLEAR = "INSURANCE_CLEAR"


@dataclass(frozen=True, slots=True)
class Income:
    """One booking on the wallet, signed; the wallet is the sum of them all."""

    tran_id: int
    income_type: IncomeType
    symbol: str
    income: Decimal
    asset: str
    info: str
    at_us: int
    trade_id: str = ""
