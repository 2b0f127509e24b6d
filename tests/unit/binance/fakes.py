"""What the exchange client's tests stand on: a scripted transport, a budget that remembers, an attempt, a client."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import httpx

from app.adapters.binance.credentials import Credentials
from app.adapters.binance.rest import RestExchange
from app.domain.orders import Attempt, AttemptState, OrderType, TimeInForce
from app.domain.signals import Side
from app.ports import Lane, RateLimits, Wait

KEY = "canaryKEY0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRS"
SECRET = "canarySECRET0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP"
SERVER_MS = 1_763_800_000_000
BASE_URL = "http://exchange.test"


@dataclass
class RecordingBudget:
    """A rate budget that grants everything (or nothing) and remembers what it was told."""

    refuse: Wait | None = None
    acquired: list[tuple[int, int, Lane]] = field(default_factory=list)
    observed: list[tuple[int | None, int | None, int | None]] = field(default_factory=list)
    closed: list[tuple[float, str]] = field(default_factory=list)
    closed_for_orders_only: list[bool] = field(default_factory=list)

    def acquire(self, *, weight: int, orders: int, lane: Lane) -> Wait | None:
        if self.refuse is None:
            self.acquired.append((weight, orders, lane))
        return self.refuse

    def observe(self, *, used_weight: int | None, orders_10s: int | None, orders_1m: int | None) -> None:
        self.observed.append((used_weight, orders_10s, orders_1m))

    def close(self, *, seconds: float, reason: str, orders_only: bool = False) -> None:
        self.closed_for_orders_only.append(orders_only)
        self.closed.append((seconds, reason))

    def set_limits(self, limits: RateLimits) -> None:
        raise AssertionError("the client tells the budget what was used, never what its limits are")


Script = Callable[[httpx.Request], httpx.Response]


class ScriptedTransport(httpx.BaseTransport):
    """Answers `/time` by itself and everything else from the script; keeps every request."""

    def __init__(self, script: Script, *, server_ms: int = SERVER_MS) -> None:
        self._script = script
        self.server_ms = server_ms
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.url.path == "/fapi/v1/time":
            return answer(200, {"serverTime": self.server_ms})
        return self._script(request)

    @property
    def paths(self) -> list[str]:
        return [f"{request.method} {request.url.path}" for request in self.requests]


def answer(status: int, body: Any, headers: Mapping[str, str] | None = None) -> httpx.Response:
    """A response; bytes and text are sent as they are, anything else as JSON."""
    content = body if isinstance(body, bytes | str) else json.dumps(body)
    return httpx.Response(status, headers=dict(headers or {}), content=content)


def always(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Script:
    return lambda request: answer(status, body, headers)


def make_exchange(
    script: Script | httpx.BaseTransport, *, budget: RecordingBudget | None = None, base_url: str = BASE_URL
) -> RestExchange:
    transport = script if isinstance(script, httpx.BaseTransport) else ScriptedTransport(script)
    return RestExchange(
        base_url=base_url,
        credentials=Credentials(key=KEY, secret=SECRET),
        budget=budget or RecordingBudget(),
        transport=transport,
        wall_seconds=lambda: SERVER_MS / 1000,
    )


def make_attempt(**changes: Any) -> Attempt:
    values: dict[str, Any] = {
        "client_order_id": "qabc-1",
        "order_id": uuid.UUID(int=1),
        "number": 1,
        "symbol": "BTCUSDT",
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.IOC,
        "quantity": Decimal("0.010"),
        "price": Decimal("84000.10"),
        "reduce_only": False,
        "signed_at_ms": SERVER_MS,
        "recv_window_ms": 2500,
        "state": AttemptState.SENDING,
        "begun_at": datetime(2025, 11, 22, tzinfo=UTC),
    }
    return Attempt(**{**values, **changes})


def order_json(**changes: Any) -> dict[str, Any]:
    """An order as `POST /fapi/v1/order` with RESULT answers it."""
    values: dict[str, Any] = {
        "orderId": 22542179,
        "symbol": "BTCUSDT",
        "status": "FILLED",
        "clientOrderId": "qabc-1",
        "price": "84000.10",
        "avgPrice": "83999.50000",
        "origQty": "0.010",
        "executedQty": "0.010",
        "cumQty": "0.010",
        "cumQuote": "839.99500",
        "timeInForce": "IOC",
        "type": "LIMIT",
        "reduceOnly": False,
        "closePosition": False,
        "side": "BUY",
        "positionSide": "BOTH",
        "stopPrice": "0",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": "LIMIT",
        "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "goodTillDate": 0,
        "updateTime": SERVER_MS + 5,
    }
    return {**values, **changes}


def form_of(request: httpx.Request) -> dict[str, str]:
    """The parameters of a request, wherever they stand."""
    text = request.content.decode() or request.url.query.decode()
    return dict(parse_qsl(text, keep_blank_values=True))
