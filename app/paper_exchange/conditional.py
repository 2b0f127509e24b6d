"""Conditional orders as the exchange keeps them since they left the order endpoint: algo orders with a trigger."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from app.paper_exchange.decimals import ZERO
from app.paper_exchange.market import Side
from app.paper_exchange.orders import SelfTradePrevention, TimeInForce


class AlgoType(StrEnum):
    STOP = "STOP"
    STOP_MARKET = "STOP_MARKET"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_MARKET = "TAKE_PROFIT_MARKET"
    TRAILING_STOP_MARKET = "TRAILING_STOP_MARKET"

    @property
    def is_market(self) -> bool:
        return self.endswith("_MARKET")

    @property
    def is_take_profit(self) -> bool:
        return self.startswith("TAKE_PROFIT")


class AlgoStatus(StrEnum):
    NEW = "NEW"
    TRIGGERING = "TRIGGERING"
    TRIGGERED = "TRIGGERED"
    FINISHED = "FINISHED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


# FINISHED: the order it made is filled or cancelled. A finished one never moves again.
ALGO_TRANSITIONS: Final[Mapping[AlgoStatus, frozenset[AlgoStatus]]] = MappingProxyType(
    {
        AlgoStatus.NEW: frozenset({AlgoStatus.TRIGGERING, AlgoStatus.CANCELED, AlgoStatus.EXPIRED}),
        AlgoStatus.TRIGGERING: frozenset({AlgoStatus.TRIGGERED, AlgoStatus.REJECTED}),
        AlgoStatus.TRIGGERED: frozenset({AlgoStatus.FINISHED}),
    }
)


class ImpossibleAlgoTransitionError(Exception):
    """A conditional order was asked for a status it cannot reach: a defect of the engine."""


@dataclass(frozen=True, slots=True)
class AlgoRequest:
    """A conditional order as asked for."""

    symbol: str
    side: Side
    type: AlgoType
    quantity: Decimal
    trigger_price: Decimal
    price: Decimal = ZERO
    time_in_force: TimeInForce = TimeInForce.GTC
    # GTE_GTC keeps the plain GTC of the order it makes but is shown as asked.
    shown_time_in_force: str = "GTC"
    working_type: str = "CONTRACT_PRICE"
    reduce_only: bool = False
    close_position: bool = False
    price_protect: bool = False
    activate_price: Decimal = ZERO
    callback_rate: Decimal = ZERO
    client_algo_id: str | None = None
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.EXPIRE_MAKER
    good_till_ms: int = 0
    valid_until_us: int | None = None


@dataclass(slots=True)
class AlgoOrder:
    """One conditional order and what became of it."""

    algo_id: int
    client_algo_id: str
    request: AlgoRequest
    created_us: int
    updated_us: int
    status: AlgoStatus = AlgoStatus.NEW
    triggered_us: int = 0
    actual_order_id: int = 0
    failure: str = ""
    # Trailing stop: whether the activation price was reached, and the best price since.
    activated: bool = False
    best_price: Decimal = ZERO

    @property
    def is_open(self) -> bool:
        return self.status is AlgoStatus.NEW

    def become(self, status: AlgoStatus, *, now_us: int) -> None:
        """Change status along the table."""
        if status not in ALGO_TRANSITIONS.get(self.status, frozenset()):
            raise ImpossibleAlgoTransitionError(f"algo {self.algo_id}: {self.status} -> {status}")
        self.status = status
        self.updated_us = now_us


def is_triggered(algo: AlgoOrder, price: Decimal) -> bool:
    """Whether a price reaches the trigger: stops fire on the way against, take-profits on the way for the position."""
    request = algo.request
    if request.type is AlgoType.TRAILING_STOP_MARKET:
        return _trailing_is_triggered(algo, price)
    return reaches(request.side, request.type, request.trigger_price, price)


def reaches(side: Side, kind: AlgoType, trigger: Decimal, price: Decimal) -> bool:
    """STOP: BUY at or above the trigger, SELL at or below; TAKE_PROFIT the other way round (sheet, section 5)."""
    fires_above = (side == "BUY") != kind.is_take_profit
    return price >= trigger if fires_above else price <= trigger


def _trailing_is_triggered(algo: AlgoOrder, price: Decimal) -> bool:
    if not algo.activated:
        return False
    if not algo.best_price:
        return False
    rate = algo.request.callback_rate / 100
    if algo.request.side == "SELL":
        return price <= algo.best_price * (1 - rate)
    return price >= algo.best_price * (1 + rate)


def follow_price(algo: AlgoOrder, price: Decimal) -> bool:
    """Let a trailing stop see a price: activate it and move its best price. True when something changed."""
    request = algo.request
    if request.type is not AlgoType.TRAILING_STOP_MARKET:
        return False
    changed = False
    if not algo.activated:
        if request.activate_price:
            reached = price >= request.activate_price if request.side == "SELL" else price <= request.activate_price
            if not reached:
                return False
        algo.activated = changed = True
    better = not algo.best_price or (price > algo.best_price if request.side == "SELL" else price < algo.best_price)
    if better:
        algo.best_price = price
        changed = True
    return changed
