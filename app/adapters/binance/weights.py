"""Every endpoint we call, with its IP weight and its share of the account's order limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from app.ports import Lane, RateBudget, Wait


class Security(StrEnum):
    """What a request must carry: nothing, the key, or the key and a signature."""

    NONE = "NONE"
    KEY = "KEY"
    SIGNED = "SIGNED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One REST call: where it is, what it must carry, what it costs."""

    method: str
    path: str
    security: Security
    weight: int
    orders: int = 0


TIME = Endpoint(method="GET", path="/fapi/v1/time", security=Security.NONE, weight=1)
EXCHANGE_INFO = Endpoint(method="GET", path="/fapi/v1/exchangeInfo", security=Security.NONE, weight=1)
# Its limit is a bucket of its own (500 in 5 minutes per IP, shared with fundingRate), not the IP weight.
FUNDING_INFO = Endpoint(method="GET", path="/fapi/v1/fundingInfo", security=Security.NONE, weight=0)
# No IP weight: an order counts on the account's two order limits instead.
NEW_ORDER = Endpoint(method="POST", path="/fapi/v1/order", security=Security.SIGNED, weight=0, orders=1)
ORDER = Endpoint(method="GET", path="/fapi/v1/order", security=Security.SIGNED, weight=1)
NEW_ALGO = Endpoint(method="POST", path="/fapi/v1/algoOrder", security=Security.SIGNED, weight=0, orders=1)
ALGO = Endpoint(method="GET", path="/fapi/v1/algoOrder", security=Security.SIGNED, weight=1)
CANCEL_ALGO = Endpoint(method="DELETE", path="/fapi/v1/algoOrder", security=Security.SIGNED, weight=1)
# 1 below 100 candles, 2 below 500: we never ask for more than 99.
KLINES = Endpoint(method="GET", path="/fapi/v1/klines", security=Security.NONE, weight=1)
CANCEL_ALL_ORDERS = Endpoint(method="DELETE", path="/fapi/v1/allOpenOrders", security=Security.SIGNED, weight=1)
CANCEL_ALL_ALGO = Endpoint(method="DELETE", path="/fapi/v1/algoOpenOrders", security=Security.SIGNED, weight=1)
OPEN_ORDERS = Endpoint(method="GET", path="/fapi/v1/openOrders", security=Security.SIGNED, weight=40)  # all symbols
OPEN_ALGO_ORDERS = Endpoint(method="GET", path="/fapi/v1/openAlgoOrders", security=Security.SIGNED, weight=40)
USER_TRADES = Endpoint(method="GET", path="/fapi/v1/userTrades", security=Security.SIGNED, weight=5)
POSITION_RISK = Endpoint(method="GET", path="/fapi/v3/positionRisk", security=Security.SIGNED, weight=5)
ACCOUNT = Endpoint(method="GET", path="/fapi/v3/account", security=Security.SIGNED, weight=5)
INCOME = Endpoint(method="GET", path="/fapi/v1/income", security=Security.SIGNED, weight=30)
OPEN_LISTEN_KEY = Endpoint(method="POST", path="/fapi/v1/listenKey", security=Security.KEY, weight=1)
EXTEND_LISTEN_KEY = Endpoint(method="PUT", path="/fapi/v1/listenKey", security=Security.KEY, weight=1)
CLOSE_LISTEN_KEY = Endpoint(method="DELETE", path="/fapi/v1/listenKey", security=Security.KEY, weight=1)
# Spot host; its weight counts on the spot limits, which nothing else of ours uses.
API_RESTRICTIONS = Endpoint(method="GET", path="/sapi/v1/account/apiRestrictions", security=Security.SIGNED, weight=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one call of an `Exchange` method takes from the rate budget."""

    weight: int
    orders: int


def _cost_of(*endpoints: Endpoint) -> Cost:
    return Cost(
        weight=sum(endpoint.weight for endpoint in endpoints), orders=sum(endpoint.orders for endpoint in endpoints)
    )


# By method name of the `Exchange` Protocol; a method that sends several requests costs their sum.
COSTS: Mapping[str, Cost] = MappingProxyType(
    {
        "submit": _cost_of(NEW_ORDER),
        "query_order": _cost_of(TIME, ORDER),  # the exchange's time is asked before the order
        "submit_conditional": _cost_of(NEW_ALGO),
        "query_conditional": _cost_of(TIME, ALGO),
        "cancel_conditional": _cost_of(CANCEL_ALGO),
        "open_conditional_orders": _cost_of(OPEN_ALGO_ORDERS),
        "cancel_orders": _cost_of(CANCEL_ALL_ORDERS),
        "candles": _cost_of(KLINES),
        "cancel_all": _cost_of(CANCEL_ALL_ORDERS, CANCEL_ALL_ALGO),
        "trades": _cost_of(USER_TRADES),
        "open_orders": _cost_of(OPEN_ORDERS),
        "conditional_order_symbols": _cost_of(OPEN_ALGO_ORDERS),
        "positions": _cost_of(POSITION_RISK),
        "account": _cost_of(ACCOUNT),
        "symbol_rules": _cost_of(EXCHANGE_INFO),
        "income": _cost_of(INCOME),
    }
)


def acquire(budget: RateBudget, method: str, *, lane: Lane) -> Wait | None:
    """Take the budget that one call of `method` needs; None when it was taken. `KeyError` for an unknown method."""
    cost = COSTS[method]
    return budget.acquire(weight=cost.weight, orders=cost.orders, lane=lane)
