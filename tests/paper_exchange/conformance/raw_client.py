"""Hand-made signed requests: for error codes a library hides, and for the exact forms other clients send."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import urlencode

import httpx

Place = Literal["query", "body"]
FORM = "application/x-www-form-urlencoded"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class RawClient:
    """One key on one exchange. Answers come back as they are: status, headers, body."""

    def __init__(self, *, url: str, key: str, secret: str) -> None:
        self.key = key
        self._secret = secret.encode()
        self.http = httpx.Client(base_url=url, timeout=5.0)

    def close(self) -> None:
        self.http.close()

    def signature(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()

    def public(self, path: str, **parameters: object) -> httpx.Response:
        return self.http.get(path, params={name: str(value) for name, value in parameters.items()})

    def signed(
        self, method: str, path: str, parameters: Mapping[str, object] | None = None, *, place: Place = "query"
    ) -> httpx.Response:
        """Send with a timestamp (unless given) and a signature over the encoded text, in the query or a form body."""
        text = urlencode({"timestamp": now_ms(), **(parameters or {})} if "timestamp" not in (parameters or {})
                         else dict(parameters or {}))  # fmt: skip
        return self.send(method, path, f"{text}&signature={self.signature(text)}", place=place)

    def send(self, method: str, path: str, text: str, *, place: Place = "query") -> httpx.Response:
        """Send ready-made parameter text with the key."""
        headers = {"X-MBX-APIKEY": self.key}
        if place == "body":
            return self.http.request(method, path, content=text, headers={**headers, "Content-Type": FORM})
        return self.http.request(method, f"{path}?{text}", headers=headers)

    def keyed(self, method: str, path: str, *, query: str = "", body: str | None = None) -> httpx.Response:
        """Send with the key alone, as listen keys need it."""
        target = f"{path}?{query}" if query else path
        headers = {"X-MBX-APIKEY": self.key}
        if body is not None:
            headers["Content-Type"] = FORM
        return self.http.request(method, target, headers=headers, content=body)

    def answer(self, method: str, path: str, parameters: Mapping[str, object] | None = None) -> Any:
        """Send signed and insist on success."""
        response = self.signed(method, path, parameters)
        assert response.status_code == 200, response.text
        return response.json()

    def best(self, symbol: str) -> tuple[Decimal, Decimal]:
        """Best bid and ask."""
        ticker = self.public("/fapi/v1/ticker/bookTicker", symbol=symbol).json()
        return Decimal(ticker["bidPrice"]), Decimal(ticker["askPrice"])

    def market_order(self, symbol: str, side: str, quantity: str, **more: object) -> Any:
        return self.answer(
            "POST",
            "/fapi/v1/order",
            {
                "symbol": symbol,
                "side": side,
                "type": "MARKET",
                "quantity": quantity,
                "newOrderRespType": "RESULT",
                **more,
            },
        )

    def resting_buy(self, symbol: str, quantity: str, price: Decimal, **more: object) -> Any:
        return self.answer(
            "POST",
            "/fapi/v1/order",
            {"symbol": symbol, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": quantity,
             "price": str(price), **more},
        )  # fmt: skip

    def push_last_price_to(self, symbol: str, price: Decimal) -> None:
        """Trade through the asks until the last price is at or above `price`, then give the position back."""
        for _ in range(20):
            depth = self.public("/fapi/v1/depth", symbol=symbol, limit=100).json()
            above = Decimal(depth["asks"][0][0])
            wanted = max(price, above)
            quantity = sum((Decimal(size) for level, size in depth["asks"] if Decimal(level) <= wanted), Decimal(0))
            self.answer(
                "POST",
                "/fapi/v1/order",
                {"symbol": symbol, "side": "BUY", "type": "LIMIT", "timeInForce": "IOC", "quantity": str(quantity),
                 "price": str(wanted), "newOrderRespType": "RESULT"},
            )  # fmt: skip
            trades = self.answer("GET", "/fapi/v1/userTrades", {"symbol": symbol, "limit": 1})
            if trades and Decimal(trades[-1]["price"]) >= price:
                return
        raise AssertionError(f"last price of {symbol} did not reach {price}")

    def clean(self, symbols: tuple[str, ...]) -> None:
        """Leave no open order and no position behind."""
        for symbol in symbols:
            self.answer("DELETE", "/fapi/v1/allOpenOrders", {"symbol": symbol})
            self.answer("DELETE", "/fapi/v1/algoOpenOrders", {"symbol": symbol})
        for _ in range(10):
            held = [p for p in self.answer("GET", "/fapi/v3/positionRisk") if Decimal(p["positionAmt"])]
            if not held:
                return
            for position in held:
                amount = Decimal(position["positionAmt"])
                self.market_order(
                    position["symbol"], "SELL" if amount > 0 else "BUY", str(abs(amount)), reduceOnly="true"
                )
        raise AssertionError("positions could not be closed")
