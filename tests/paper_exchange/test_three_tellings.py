"""A thousand random orders over the wire: what REST, the stream and the ledger say of them is one and the same."""

from __future__ import annotations

import json
import random
import threading
from collections import defaultdict
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from websockets.sync.client import connect

from tests.support.paper_exchange import PaperExchange, start_paper_exchange
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

D = Decimal
ORDERS = 1_000
STEPS = {"BTCUSDT": D("0.001"), "ETHUSDT": D("0.02"), "SOLUSDT": D("0.5"), "XRPUSDT": D("30")}
TICKS = {"BTCUSDT": D("0.1"), "ETHUSDT": D("0.01"), "SOLUSDT": D("0.01"), "XRPUSDT": D("0.0001")}


class Listener:
    """Everything the user stream says, kept in order."""

    def __init__(self, exchange: PaperExchange) -> None:
        key = exchange.signed("POST", "/fapi/v1/listenKey").json()["listenKey"]
        self.events: list[dict[str, Any]] = []
        self._url = f"{exchange.ws}/private/ws?listenKey={key}"
        self._connected, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._connected.wait(5)

    def _run(self) -> None:
        with connect(self._url) as socket:
            self._connected.set()
            while not self._stop.is_set():
                with suppress(TimeoutError):
                    self.events.append(json.loads(socket.recv(timeout=0.1)))

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)


def place(exchange: PaperExchange, generator: random.Random) -> int:
    """One random order; its HTTP status."""
    symbol, side = generator.choice(list(STEPS)), generator.choice(("BUY", "SELL"))
    quantity = STEPS[symbol] * generator.randint(1, 30)
    extra: dict[str, Any] = {"newOrderRespType": generator.choice(("ACK", "RESULT"))}
    if generator.random() < 0.2:
        extra["reduceOnly"] = "true"
    if generator.random() < 0.5:
        return exchange.order(symbol, side, str(quantity), type="MARKET", **extra).status_code
    best = exchange.book_ticker(symbol)
    price = D(best["bidPrice"] if side == "SELL" else best["askPrice"]) + TICKS[symbol] * generator.randint(-20, 20)
    force = generator.choice(("GTC", "IOC", "FOK", "GTX"))
    return exchange.order(
        symbol, side, str(quantity), type="LIMIT", price=str(price), timeInForce=force, **extra
    ).status_code


def trades_of(exchange: PaperExchange, symbol: str) -> list[dict[str, Any]]:
    """Every trade of a symbol by REST, page by page."""
    found: list[dict[str, Any]] = []
    while True:
        start = found[-1]["id"] + 1 if found else 0
        page = exchange.signed("GET", "/fapi/v1/userTrades", symbol=symbol, fromId=start, limit=1000).json()
        found += page
        if len(page) < 1000:
            return found


def test_rest_stream_and_ledger_tell_the_same_of_a_thousand_orders(tmp_path):
    exchange = start_paper_exchange(
        tmp_path, "--market", "seed:5", "--limit-weight", "1000000", "--limit-orders-10s", "100000",
        "--limit-orders-1m", "1000000",
    )  # fmt: skip
    try:
        listener = Listener(exchange)
        generator = random.Random("three tellings")
        statuses = [place(exchange, generator) for _ in range(ORDERS)]
        assert statuses.count(200) > ORDERS / 3
        for symbol in STEPS:
            exchange.signed("DELETE", "/fapi/v1/allOpenOrders", symbol=symbol)
        # Nothing rests any more, so nothing moves but the marks.
        ledger = exchange.ledger()
        fills = {
            (order["symbol"], fill["trade_id"]): (D(fill["price"]), D(fill["quantity"]), D(fill["fee"]))
            for order in ledger["orders"]
            for fill in order["fills"]
        }
        assert len(ledger["orders"]) >= ORDERS
        assert len(fills) > 200

        by_rest = {
            (symbol, trade["id"]): (D(trade["price"]), D(trade["qty"]), D(trade["commission"]))
            for symbol in STEPS
            for trade in trades_of(exchange, symbol)
        }
        assert by_rest == fills

        def told() -> dict[tuple[str, int], tuple[Decimal, Decimal, Decimal]]:
            return {
                (event["o"]["s"], event["o"]["t"]): (D(event["o"]["L"]), D(event["o"]["l"]), D(event["o"]["n"]))
                for event in list(listener.events)
                if event["e"] == "ORDER_TRADE_UPDATE" and event["o"]["x"] == "TRADE"
            }

        wait_until(lambda: len(told()) == len(fills), seconds=10, what="the stream to tell every fill")
        assert told() == fills

        held: dict[str, Decimal] = defaultdict(lambda: D(0))
        for order in ledger["orders"]:
            sign = 1 if order["side"] == "BUY" else -1
            held[order["symbol"]] += sign * sum((D(fill["quantity"]) for fill in order["fills"]), D(0))
        positions = exchange.signed("GET", "/fapi/v3/positionRisk").json()
        of_rest = {each["symbol"]: D(each["positionAmt"]) for each in positions if D(each["positionAmt"])}
        of_ledger = {each["symbol"]: D(each["quantity"]) for each in ledger["positions"] if D(each["quantity"])}
        assert of_rest == of_ledger == {symbol: quantity for symbol, quantity in held.items() if quantity}

        (balance,) = [each for each in exchange.signed("GET", "/fapi/v3/balance").json() if each["asset"] == "USDT"]
        realised = sum((D(fill["realised_pnl"]) for order in ledger["orders"] for fill in order["fills"]), D(0))
        fees = sum((fee for _, _, fee in fills.values()), D(0))
        assert D(balance["balance"]) == D(ledger["wallet"]["USDT"]) == D(10_000) + realised - fees
        listener.close()
    finally:
        exchange.stop()
