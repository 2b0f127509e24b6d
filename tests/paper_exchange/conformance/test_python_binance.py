"""python-binance: form bodies everywhere, its own client order ids, conditional orders rerouted by the library."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from binance import AsyncClient, BinanceSocketManager, Client
from binance.exceptions import BinanceAPIException

from tests.paper_exchange.conformance.raw_client import RawClient, now_ms
from tests.support.paper_exchange import PaperExchange

CLEANED = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


@pytest.fixture(scope="module")
def connected(endpoint: PaperExchange) -> Any:
    client = Client(endpoint.key, endpoint.secret, ping=False)
    client.FUTURES_URL = f"{endpoint.url}/fapi"
    yield client
    client.close_connection()


@pytest.fixture
def client(connected: Any, raw: RawClient) -> Any:
    raw.clean(CLEANED)
    return connected


def far_below(raw: RawClient, symbol: str, tick: str) -> str:
    return str((raw.best(symbol)[0] * Decimal("0.97")).quantize(Decimal(tick)))


def code_of(error: pytest.ExceptionInfo[BinanceAPIException]) -> int:
    return int(error.value.code)


def test_ping_time_and_exchange_information(client: Any):
    assert client.futures_ping() == {}
    assert abs(client.futures_time()["serverTime"] - now_ms()) < 1_000
    information = client.futures_exchange_info()
    bitcoin = next(s for s in information["symbols"] if s["symbol"] == "BTCUSDT")
    filters = {entry["filterType"]: entry for entry in bitcoin["filters"]}
    assert filters["PRICE_FILTER"]["tickSize"] == "0.10"
    assert filters["LOT_SIZE"]["stepSize"] == "0.001"
    assert filters["MIN_NOTIONAL"]["notional"] == "50"
    assert {(r["rateLimitType"], r["interval"], r["intervalNum"], r["limit"]) for r in information["rateLimits"]} == {
        ("REQUEST_WEIGHT", "MINUTE", 1, 2400),
        ("ORDERS", "MINUTE", 1, 1200),
        ("ORDERS", "SECOND", 10, 300),
    }


def test_market_data(client: Any):
    assert Decimal(client.futures_symbol_ticker(symbol="BTCUSDT")["price"]) > 0
    assert len(client.futures_symbol_ticker()) >= 16
    best = client.futures_orderbook_ticker(symbol="BTCUSDT")
    assert Decimal(best["bidPrice"]) < Decimal(best["askPrice"])
    book = client.futures_order_book(symbol="BTCUSDT", limit=50)
    assert len(book["bids"]) == len(book["asks"]) == 50
    candles = client.futures_klines(symbol="BTCUSDT", interval="1m", limit=10)
    assert len(candles) == 10
    assert all(len(candle) == 12 for candle in candles)
    mark = client.futures_mark_price(symbol="BTCUSDT")
    assert Decimal(mark["markPrice"]) > 0
    assert mark["nextFundingTime"] > now_ms()
    assert Decimal(client.futures_ticker(symbol="BTCUSDT")["lastPrice"]) > 0
    assert len(client.futures_funding_rate(symbol="BTCUSDT", limit=3)) <= 3


def test_account_and_balance(client: Any):
    usdt = next(row for row in client.futures_account_balance() if row["asset"] == "USDT")
    assert Decimal(usdt["balance"]) > 0
    account = client.futures_account()
    assert Decimal(account["totalWalletBalance"]) == Decimal(usdt["balance"])
    assert Decimal(account["availableBalance"]) <= Decimal(account["totalMarginBalance"])
    assert client.futures_get_position_mode() == {"dualSidePosition": False}
    assert client.futures_get_multi_assets_mode() == {"multiAssetsMargin": False}


def test_leverage_and_margin_type(client: Any):
    answer = client.futures_change_leverage(symbol="SOLUSDT", leverage=9)
    assert (answer["leverage"], answer["symbol"]) == (9, "SOLUSDT")
    assert client.futures_change_margin_type(symbol="SOLUSDT", marginType="ISOLATED")["code"] == 200
    with pytest.raises(BinanceAPIException) as repeated:
        client.futures_change_margin_type(symbol="SOLUSDT", marginType="ISOLATED")
    assert code_of(repeated) == -4046
    configured = next(s for s in client.futures_symbol_config() if s["symbol"] == "SOLUSDT")
    assert (configured["leverage"], configured["marginType"]) == (9, "ISOLATED")
    client.futures_change_margin_type(symbol="SOLUSDT", marginType="CROSSED")


def test_an_acknowledged_market_order_says_new_although_it_filled(client: Any):
    order = client.futures_create_order(symbol="ETHUSDT", side="BUY", type="MARKET", quantity="0.1")
    assert (order["status"], order["executedQty"], order["avgPrice"]) == ("NEW", "0.000", "0.00")
    assert order["clientOrderId"].startswith("x-Cb7ytekJ")
    found = client.futures_get_order(symbol="ETHUSDT", orderId=order["orderId"])
    assert (found["status"], found["executedQty"]) == ("FILLED", "0.100")
    held = next(p for p in client.futures_position_information() if p["symbol"] == "ETHUSDT")
    assert Decimal(held["positionAmt"]) == Decimal("0.1")
    trades = client.futures_account_trades(symbol="ETHUSDT", orderId=order["orderId"])
    assert sum(Decimal(trade["qty"]) for trade in trades) == Decimal("0.1")
    assert all(Decimal(trade["commission"]) > 0 and not trade["maker"] and trade["buyer"] for trade in trades)
    income = client.futures_income_history(incomeType="COMMISSION", startTime=now_ms() - 60_000)
    assert sum(Decimal(row["income"]) for row in income if row["tradeId"] in {str(t["id"]) for t in trades}) == -sum(
        Decimal(trade["commission"]) for trade in trades
    )


def test_limit_orders_in_each_time_in_force(client: Any, raw: RawClient):
    _, ask = raw.best("ETHUSDT")
    resting, crossing = far_below(raw, "ETHUSDT", "0.01"), str((ask * Decimal("1.01")).quantize(Decimal("0.01")))

    def limit(force: str, price: str, **more: object) -> Any:
        return client.futures_create_order(
            symbol="ETHUSDT", side="BUY", type="LIMIT", timeInForce=force, quantity="0.1", price=price,
            newOrderRespType="RESULT", **more,
        )  # fmt: skip

    assert limit("GTC", resting)["status"] == "NEW"
    assert limit("GTC", crossing)["status"] == "FILLED"
    assert limit("IOC", crossing)["status"] == "FILLED"
    assert limit("IOC", resting)["status"] == "EXPIRED"
    assert limit("FOK", crossing)["status"] == "FILLED"
    with pytest.raises(BinanceAPIException) as unfilled:
        limit("FOK", resting)
    assert code_of(unfilled) == -5021
    assert limit("GTX", resting)["status"] == "NEW"
    with pytest.raises(BinanceAPIException) as taker:
        limit("GTX", crossing)
    assert code_of(taker) == -5022
    good_till = (now_ms() + 700_000) // 1_000 * 1_000
    dated = limit("GTD", resting, goodTillDate=good_till)
    assert (dated["status"], dated["goodTillDate"]) == ("NEW", good_till)
    with pytest.raises(BinanceAPIException) as too_soon:
        limit("GTD", resting, goodTillDate=now_ms() + 60_000)
    assert code_of(too_soon) == -5040


def test_query_and_cancel_by_id_and_by_client_id(client: Any, raw: RawClient):
    price = far_below(raw, "BTCUSDT", "0.1")
    order = client.futures_create_order(
        symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.01", price=price,
        newClientOrderId="python.binance:1/a",
    )  # fmt: skip
    assert order["clientOrderId"] == "python.binance:1/a"
    found = client.futures_get_order(symbol="BTCUSDT", origClientOrderId="python.binance:1/a")
    assert found["orderId"] == order["orderId"]
    assert [o["orderId"] for o in client.futures_get_open_orders(symbol="BTCUSDT")] == [order["orderId"]]
    canceled = client.futures_cancel_order(symbol="BTCUSDT", origClientOrderId="python.binance:1/a")
    assert canceled["status"] == "CANCELED"
    with pytest.raises(BinanceAPIException) as again:
        client.futures_cancel_order(symbol="BTCUSDT", orderId=order["orderId"])
    assert code_of(again) == -2011
    assert order["orderId"] in [o["orderId"] for o in client.futures_get_all_orders(symbol="BTCUSDT")]


def test_a_client_order_id_is_refused_twice_only_while_it_is_open(client: Any, raw: RawClient):
    def place() -> Any:
        return client.futures_create_order(
            symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.01",
            price=far_below(raw, "BTCUSDT", "0.1"), newClientOrderId="once-1",
        )  # fmt: skip

    first = place()
    with pytest.raises(BinanceAPIException) as duplicate:
        place()
    assert code_of(duplicate) == -4116
    client.futures_cancel_order(symbol="BTCUSDT", orderId=first["orderId"])
    assert place()["orderId"] != first["orderId"]


def test_batch_and_cancel_all(client: Any, raw: RawClient):
    price = far_below(raw, "BTCUSDT", "0.1")
    good = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
    answers = client.futures_place_batch_order(
        batchOrders=[{**good, "price": price}, {**good, "price": "1.05"}, {**good, "price": price}]
    )
    assert [answer.get("status") for answer in answers] == ["NEW", None, "NEW"]
    assert answers[1]["code"] == -4013
    assert client.futures_cancel_all_open_orders(symbol="BTCUSDT")["code"] == 200
    assert client.futures_get_open_orders(symbol="BTCUSDT") == []


def test_a_batch_is_canceled_by_lists_spelled_in_lower_case(client: Any, raw: RawClient):
    price = far_below(raw, "BTCUSDT", "0.1")
    order = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01",
        "price": price,
    }
    placed = [client.futures_create_order(**order, newClientOrderId=f"lower-{number}") for number in range(4)]
    by_id = client.futures_cancel_orders(symbol="BTCUSDT", orderidlist=[placed[0]["orderId"], placed[1]["orderId"]])
    by_name = client.futures_cancel_orders(symbol="BTCUSDT", origclientorderidlist=["lower-2", "lower-3"])
    assert [answer["status"] for answer in by_id + by_name] == ["CANCELED"] * 4


def test_amend(client: Any, raw: RawClient):
    price = far_below(raw, "BTCUSDT", "0.1")
    order = client.futures_create_order(
        symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.01", price=price
    )
    lower = str(Decimal(price) - 5)
    amended = client.futures_modify_order(
        symbol="BTCUSDT", side="BUY", orderId=order["orderId"], quantity="0.02", price=lower
    )
    assert (amended["orderId"], amended["origQty"], Decimal(amended["price"])) == (
        order["orderId"], "0.020", Decimal(lower),
    )  # fmt: skip


def test_a_stop_sent_as_order_is_rerouted_created_queried_and_canceled(client: Any, raw: RawClient):
    trigger = str((raw.best("ETHUSDT")[0] * Decimal("0.95")).quantize(Decimal("0.01")))
    stop = client.futures_create_order(
        symbol="ETHUSDT", side="SELL", type="STOP_MARKET", stopPrice=trigger, quantity="0.1"
    )
    assert stop["algoStatus"] == "NEW"
    assert Decimal(stop["triggerPrice"]) == Decimal(trigger)
    found = client.futures_get_order(algoId=stop["algoId"])
    assert found["clientAlgoId"] == stop["clientAlgoId"]
    listed = client.futures_get_open_orders(symbol="ETHUSDT", conditional=True)
    assert [o["algoId"] for o in listed] == [stop["algoId"]]
    canceled = client.futures_cancel_order(symbol="ETHUSDT", clientAlgoId=stop["clientAlgoId"])
    assert (canceled["code"], canceled["algoId"]) == ("200", stop["algoId"])
    assert client.futures_get_order(algoId=stop["algoId"])["algoStatus"] == "CANCELED"
    assert client.futures_get_open_orders(symbol="ETHUSDT", conditional=True) == []
    assert client.futures_cancel_all_algo_open_orders(symbol="ETHUSDT")["code"] == 200


def test_a_close_position_stop_closes_what_is_there(client: Any, raw: RawClient):
    client.futures_create_order(symbol="SOLUSDT", side="SELL", type="MARKET", quantity="5")
    _, ask = raw.best("SOLUSDT")
    trigger = ask + Decimal("0.05")
    stop = client.futures_create_order(
        symbol="SOLUSDT", side="BUY", type="STOP_MARKET", stopPrice=str(trigger), closePosition="true"
    )
    assert stop["closePosition"] is True
    raw.push_last_price_to("SOLUSDT", trigger)
    found = client.futures_get_algo_order(algoId=stop["algoId"])
    assert found["algoStatus"] in ("TRIGGERED", "FINISHED", "EXPIRED")


def test_user_stream_delivers_order_and_account_events(endpoint: PaperExchange, client: Any):
    async def run() -> list[dict[str, Any]]:
        stream_client = AsyncClient(endpoint.key, endpoint.secret)
        stream_client.FUTURES_URL = f"{endpoint.url}/fapi"
        manager = BinanceSocketManager(stream_client)
        manager.FSTREAM_URL = f"{endpoint.ws}/"
        events: list[dict[str, Any]] = []
        try:
            async with asyncio.timeout(15), manager.futures_user_socket() as socket:
                order = await stream_client.futures_create_order(
                    symbol="ETHUSDT", side="BUY", type="MARKET", quantity="0.1"
                )
                while not (seen(events, "ACCOUNT_UPDATE") and filled(events, order["orderId"])):
                    events.append(await socket.recv())
                # The library leaves only after one more message, or ten seconds.
                farewell = asyncio.create_task(
                    stream_client.futures_create_order(symbol="ETHUSDT", side="SELL", type="MARKET", quantity="0.1")
                )
            await farewell
        finally:
            await stream_client.close_connection()
        return events

    events = asyncio.run(run())
    update = next(event for event in events if event["e"] == "ACCOUNT_UPDATE")["a"]
    assert update["m"] == "ORDER"
    assert update["B"][0]["a"] == "USDT"
    assert update["P"][0]["s"] == "ETHUSDT"
    order = next(e["o"] for e in events if e["e"] == "ORDER_TRADE_UPDATE" and e["o"]["x"] == "TRADE")
    assert (order["N"], order["m"], order["S"]) == ("USDT", False, "BUY")


def seen(events: list[dict[str, Any]], kind: str) -> bool:
    return any(event.get("e") == kind for event in events)


def filled(events: list[dict[str, Any]], order_id: int) -> bool:
    return any(
        event.get("e") == "ORDER_TRADE_UPDATE" and event["o"]["i"] == order_id and event["o"]["X"] == "FILLED"
        for event in events
    )


def test_listen_key_is_renewed_with_the_key_in_the_body_and_closed(client: Any):
    key = client.futures_stream_get_listen_key()
    assert client.futures_stream_get_listen_key() == key
    client.futures_stream_keepalive(key)
    client.futures_stream_close(key)
    with pytest.raises(BinanceAPIException) as gone:
        client.futures_stream_keepalive(key)
    assert code_of(gone) == -1125
