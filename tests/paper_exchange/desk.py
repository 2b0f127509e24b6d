"""A venue without sockets: requests go straight into the gateway, on a fixed market and a clock that stands still."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson

from app.paper_exchange.clock import ExchangeClock
from app.paper_exchange.engine import Engine
from app.paper_exchange.rate_limits import Limits, RateLimits
from app.paper_exchange.rest.execution import Answer, Arrival
from app.paper_exchange.rest.gateway import handle
from app.paper_exchange.signing import sign
from app.paper_exchange.state import ExchangeState
from app.paper_exchange.venue import Venue
from tests.paper_exchange.fixed_market import START_MS, D, FixedMarket

KEY, SECRET = "k" * 64, "s" * 64


@dataclass(frozen=True)
class Reply:
    """An answer taken apart. `dropped`: the connection was closed without one."""

    status: int
    json: Any
    headers: dict[str, str]
    dropped: bool = False

    @property
    def code(self) -> int | None:
        return self.json.get("code") if isinstance(self.json, dict) else None


def read(answer: Answer | None) -> Reply:
    if answer is None:
        return Reply(0, None, {}, dropped=True)
    body = orjson.loads(answer.body) if answer.content_type == "application/json" else answer.body
    return Reply(answer.status, body, answer.headers)


class Desk:
    """Shorthand for requests at frozen moments."""

    def __init__(self, *, start_ms: int = START_MS, limits: Limits | None = None) -> None:
        self.market = FixedMarket()
        self.clock = ExchangeClock.standing_at(start_ms * 1000)
        state = ExchangeState(self.market)
        engine = Engine(state, market_ms=start_ms)
        self.venue = Venue(engine, self.clock, RateLimits(limits or Limits()), KEY, SECRET)
        engine.resting_conditions = self.venue.resting_conditions
        engine.deposit(D(1_000_000), self.venue.moment())
        self.venue.settle()
        self.told: list[Any] = []
        self.venue.publish = self.told.extend

    def advance(self, milliseconds: int) -> None:
        self.clock.advance(milliseconds)
        self.venue.tick()

    def signed_query(self, params: dict[str, Any]) -> str:
        query = urlencode({"timestamp": self.clock.now_ms(), **params})
        return f"{query}&signature={sign(SECRET, query)}"

    async def send(
        self, method: str, path: str, *, key: str | None = KEY, ip: str = "10.0.0.1", **params: Any
    ) -> Reply:
        """A signed request, its parameters in the query."""
        return read(await handle(self.venue, Arrival(method, path, self.signed_query(params), "", ip, key)))

    async def public(self, path: str, *, ip: str = "10.0.0.1", **params: Any) -> Reply:
        return read(await handle(self.venue, Arrival("GET", path, urlencode(params), "", ip, None)))

    def ask(self, method: str, path: str, **params: Any) -> Reply:
        return asyncio.run(self.send(method, path, **params))

    def get(self, path: str, **params: Any) -> Reply:
        return asyncio.run(self.public(path, **params))

    def order(self, side: str = "BUY", quantity: str = "0.010", **params: Any) -> Reply:
        """A MARKET order for RESULT unless told otherwise."""
        return self.ask("POST", "/fapi/v1/order", **self.order_params(side, quantity, **params))

    @staticmethod
    def order_params(side: str = "BUY", quantity: str = "0.010", **params: Any) -> dict[str, Any]:
        limit = {"type": "LIMIT", "timeInForce": "GTC"} if "price" in params else {"type": "MARKET"}
        base = {"symbol": "BTCUSDT", "side": side, "quantity": quantity, "newOrderRespType": "RESULT"}
        return base | limit | params
