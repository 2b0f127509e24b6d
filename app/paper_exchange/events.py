"""What the engine tells the streams: facts with their moment, free of any wire format."""

from dataclasses import dataclass
from decimal import Decimal

from app.paper_exchange.account import Position
from app.paper_exchange.conditional import AlgoOrder
from app.paper_exchange.orders import Fill, Order


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """Something happened to an order; `order` is a copy as of then."""

    at_us: int
    order: Order
    execution_type: str
    fill: Fill | None = None
    bid_notional: Decimal = Decimal(0)
    ask_notional: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class AccountEvent:
    """Balances and positions that changed, and why."""

    at_us: int
    reason: str
    wallet: Decimal | None
    cross_wallet: Decimal
    balance_change: Decimal
    # (copy of the position, its unrealised PnL)
    positions: tuple[tuple[Position, Decimal], ...]


@dataclass(frozen=True, slots=True)
class AlgoEvent:
    """A conditional order changed; `algo` is a copy as of then."""

    at_us: int
    algo: AlgoOrder
    average_price: Decimal
    executed_quantity: Decimal


@dataclass(frozen=True, slots=True)
class LeverageEvent:
    at_us: int
    symbol: str
    leverage: int


@dataclass(frozen=True, slots=True)
class MarginCallEvent:
    at_us: int
    cross_wallet: Decimal
    # (copy of the position, mark price, unrealised PnL, maintenance margin)
    positions: tuple[tuple[Position, Decimal, Decimal, Decimal], ...]


Event = OrderEvent | AccountEvent | AlgoEvent | LeverageEvent | MarginCallEvent
