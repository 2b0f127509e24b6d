"""ccxt's unified interface, as most trading programs use the exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import ccxt
import ccxt.pro
import pytest

from tests.paper_exchange.conformance.raw_client import RawClient, now_ms
from tests.support.paper_exchange import PaperExchange

BTC, ETH, SOL = "BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT"
CLEANED = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


def pointed_at(client: Any, endpoint: PaperExchange) -> Any:
    """Set addresses, nothing else; what is not the USD-M exchange gets one that cannot be reached."""
    api = client.urls["api"]
    for name, address in list(api.items()):
        if isinstance(address, str):
            version = address.rsplit("/", 1)[-1]
            api[name] = f"{endpoint.url}/fapi/{version}" if name.startswith("fapi") else "http://127.0.0.1:9"
    if "ws" in api:
        api["ws"]["linear"] = f"{endpoint.ws}/ws"
    client.options["fetchCurrencies"] = False
    return client


@pytest.fixture(scope="module")
def markets(endpoint: PaperExchange) -> Any:
    client = pointed_at(ccxt.binanceusdm({"apiKey": endpoint.key, "secret": endpoint.secret}), endpoint)
    client.load_markets()
    return client


@pytest.fixture
def client(markets: Any, raw: RawClient) -> Any:
    raw.clean(CLEANED)
    return markets


def far_below(client: Any, symbol: str) -> float:
    """A price that rests: three percent under the bid."""
    return float(client.price_to_precision(symbol, client.fetch_order_book(symbol, 5)["bids"][0][0] * 0.97))


def test_markets_carry_the_filters(markets: Any):
    market = markets.market(BTC)
    assert market["precision"] == {"amount": 0.001, "price": 0.1, "base": 1e-8, "quote": 1e-8}
    assert market["limits"]["cost"]["min"] == 50.0
    assert market["limits"]["amount"] == {"min": 0.001, "max": 1000.0}
    assert market["limits"]["market"]["max"] == 120.0
    assert market["active"]
    assert market["linear"]
    assert len(markets.markets) >= 16


def test_time_and_status(client: Any):
    assert abs(client.fetch_time() - now_ms()) < 1_000


def test_ticker_book_and_trades_agree(client: Any):
    ticker = client.fetch_ticker(BTC)
    book = client.fetch_order_book(BTC, 20)
    bids_asks = client.fetch_bids_asks([BTC])[BTC]
    assert len(book["bids"]) == len(book["asks"]) == 20
    assert book["bids"][0][0] < book["asks"][0][0]
    assert abs(ticker["last"] / book["bids"][0][0] - 1) < 0.01
    assert abs(bids_asks["bid"] / book["bids"][0][0] - 1) < 0.01
    assert ticker["high"] >= ticker["last"] >= ticker["low"]
    assert ticker["quoteVolume"] > 0
    trades = client.fetch_trades(BTC, limit=10)
    assert all(trade["price"] > 0 and trade["amount"] > 0 for trade in trades)


def test_tickers_and_last_prices_of_all_symbols(client: Any):
    assert set(client.fetch_tickers()) == set(client.markets)
    assert set(client.fetch_last_prices()) == set(client.markets)


@pytest.mark.parametrize("interval", ["1m", "5m", "15m", "1h", "4h", "1d"])
def test_candles_are_consecutive_and_consistent(client: Any, interval: str):
    candles = client.fetch_ohlcv(BTC, interval, limit=100)
    assert len(candles) == 100
    step = client.parse_timeframe(interval) * 1_000
    assert all(later[0] - earlier[0] == step for earlier, later in pairwise(candles))
    assert all(low <= min(opened, close) and high >= max(opened, close) for _, opened, high, low, close, _ in candles)


def test_mark_price_and_funding(client: Any):
    funding = client.fetch_funding_rate(BTC)
    assert abs(funding["fundingRate"]) < 0.01
    assert funding["fundingTimestamp"] > now_ms()
    assert abs(funding["markPrice"] / funding["indexPrice"] - 1) < 0.01
    assert set(client.fetch_funding_rates()) == set(client.markets)
    history = client.fetch_funding_rate_history(BTC, limit=5)
    assert len(history) == 5
    assert all(later["timestamp"] - earlier["timestamp"] == 8 * 3_600_000 for earlier, later in pairwise(history))
    assert all(abs(row["fundingRate"]) < 0.01 for row in history)


def test_balance_is_the_wallet(client: Any):
    balance = client.fetch_balance()
    assert balance["USDT"]["total"] > 0
    assert 0 < balance["USDT"]["free"] <= balance["USDT"]["total"]


def test_leverage_is_set_and_read_back(client: Any):
    for leverage in (7, 5):
        assert client.set_leverage(leverage, ETH)["leverage"] == str(leverage) or leverage
        assert client.fetch_leverage(ETH)["longLeverage"] == leverage
    with pytest.raises(ccxt.BadRequest, match="-4028"):
        client.set_leverage(125, SOL)


def test_margin_mode_is_set_and_repeating_it_is_told_apart(client: Any):
    client.set_margin_mode("isolated", SOL)
    with pytest.raises(ccxt.MarginModeAlreadySet):
        client.set_margin_mode("isolated", SOL)
    assert client.fetch_margin_mode(SOL)["marginMode"] == "isolated"
    client.set_margin_mode("cross", SOL)
    assert client.fetch_margin_mode(SOL)["marginMode"] == "cross"


def test_leverage_tiers(client: Any):
    tiers = client.fetch_market_leverage_tiers(BTC)
    assert tiers[0]["maxLeverage"] == 125
    assert tiers[0]["maintenanceMarginRate"] == 0.004


def test_a_market_order_fills_and_becomes_a_position_with_trades_and_income(client: Any):
    since = now_ms() - 1_000
    order = client.create_order(ETH, "market", "buy", 0.1)
    assert order["status"] == "closed"
    assert order["filled"] == 0.1
    assert order["average"] > 0
    position = next(p for p in client.fetch_positions([ETH]) if p["contracts"])
    assert position["side"] == "long"
    assert position["contracts"] == 0.1
    assert abs(position["entryPrice"] / order["average"] - 1) < 1e-6
    trades = [t for t in client.fetch_my_trades(ETH, since=since) if t["order"] == order["id"]]
    assert sum(Decimal(str(trade["amount"])) for trade in trades) == Decimal("0.1")
    assert all(trade["fee"]["currency"] == "USDT" and trade["fee"]["cost"] > 0 for trade in trades)
    closing = client.create_order(ETH, "market", "sell", 0.1, params={"reduceOnly": True})
    assert closing["filled"] == 0.1
    assert closing["reduceOnly"]
    assert not [p for p in client.fetch_positions([ETH]) if p["contracts"]]
    kinds = {entry["info"]["incomeType"] for entry in client.fetch_ledger(None, since=since)}
    assert {"COMMISSION", "REALIZED_PNL"} <= kinds


def test_a_resting_limit_order_is_queried_by_id_and_by_client_id_and_canceled(client: Any):
    price = far_below(client, BTC)
    order = client.create_order(BTC, "limit", "buy", 0.01, price, {"clientOrderId": "ccxt-resting-1"})
    assert order["status"] == "open"
    assert order["timeInForce"] == "GTC"
    assert client.fetch_order(order["id"], BTC)["clientOrderId"] == "ccxt-resting-1"
    assert client.fetch_order("0", BTC, {"clientOrderId": "ccxt-resting-1"})["id"] == order["id"]
    assert [o["id"] for o in client.fetch_open_orders(BTC)] == [order["id"]]
    assert client.cancel_order(order["id"], BTC)["status"] == "canceled"
    assert client.fetch_order(order["id"], BTC)["status"] == "canceled"
    assert client.fetch_open_orders(BTC) == []
    assert order["id"] in [o["id"] for o in client.fetch_orders(BTC)]


def test_an_order_is_canceled_by_client_id(client: Any):
    client.create_order(BTC, "limit", "buy", 0.01, far_below(client, BTC), {"clientOrderId": "ccxt.c:1/x"})
    assert client.cancel_order("0", BTC, {"clientOrderId": "ccxt.c:1/x"})["status"] == "canceled"


def test_each_time_in_force(client: Any):
    resting, crossing = (
        far_below(client, ETH),
        float(client.price_to_precision(ETH, client.fetch_order_book(ETH, 5)["asks"][0][0] * 1.01)),
    )
    immediate = client.create_order(ETH, "limit", "buy", 0.1, crossing, {"timeInForce": "IOC"})
    assert (immediate["status"], immediate["filled"]) == ("closed", 0.1)
    missed = client.create_order(ETH, "limit", "buy", 0.1, resting, {"timeInForce": "IOC"})
    assert (missed["status"], missed["filled"]) == ("expired", 0.0)
    assert client.create_order(ETH, "limit", "buy", 0.1, crossing, {"timeInForce": "FOK"})["filled"] == 0.1
    with pytest.raises(ccxt.InvalidOrder, match="-5021"):
        client.create_order(ETH, "limit", "buy", 0.1, resting, {"timeInForce": "FOK"})
    with pytest.raises(ccxt.InvalidOrder, match="-5022"):
        client.create_order(ETH, "limit", "buy", 0.1, crossing, {"postOnly": True})
    maker = client.create_order(ETH, "limit", "buy", 0.1, resting, {"postOnly": True})
    assert (maker["status"], maker["postOnly"], maker["timeInForce"]) == ("open", True, "PO")
    dated = client.create_order(
        ETH, "limit", "buy", 0.1, resting, {"timeInForce": "GTD", "goodTillDate": now_ms() + 700_000}
    )
    assert (dated["status"], dated["timeInForce"]) == ("open", "GTD")


def test_cancel_all_leaves_nothing_open(client: Any):
    price = far_below(client, BTC)
    for _ in range(3):
        client.create_order(BTC, "limit", "buy", 0.01, price)
    assert len(client.fetch_open_orders(BTC)) == 3
    client.cancel_all_orders(BTC)
    assert client.fetch_open_orders(BTC) == []


def test_batches_are_placed_in_order_and_canceled_by_ids_and_by_client_ids(client: Any):
    price = far_below(client, BTC)
    orders = client.create_orders(
        [
            {"symbol": BTC, "type": "limit", "side": "buy", "amount": 0.01, "price": price},
            {"symbol": BTC, "type": "limit", "side": "buy", "amount": 0.02, "price": price},
        ]
    )
    assert [order["amount"] for order in orders] == [0.01, 0.02]
    canceled = client.cancel_orders([order["id"] for order in orders], BTC)
    assert {order["status"] for order in canceled} == {"canceled"}
    for name in ("ccxt-batch-1", "ccxt-batch-2"):
        client.create_order(BTC, "limit", "buy", 0.01, price, {"clientOrderId": name})
    by_name = client.cancel_orders([], BTC, {"origClientOrderIdList": ["ccxt-batch-1", "ccxt-batch-2"]})
    assert {order["status"] for order in by_name} == {"canceled"}


def test_an_order_is_amended(client: Any):
    price = far_below(client, BTC)
    order = client.create_order(BTC, "limit", "buy", 0.01, price)
    edited = client.edit_order(order["id"], BTC, "limit", "buy", 0.02, price - 10)
    assert (edited["id"], edited["amount"], edited["price"]) == (order["id"], 0.02, price - 10)


def test_a_stop_order_is_created_queried_listed_and_canceled(client: Any):
    trigger = float(client.price_to_precision(ETH, client.fetch_order_book(ETH, 5)["asks"][0][0] * 1.05))
    order = client.create_order(
        ETH, "market", "buy", 0.1, None, {"stopLossPrice": trigger, "clientOrderId": "ccxt-stop-1"}
    )
    assert order["id"]
    found = client.fetch_order(order["id"], ETH, {"trigger": True})
    assert found["status"] == "open"
    assert found["triggerPrice"] == trigger
    assert order["id"] in [o["id"] for o in client.fetch_open_orders(ETH, params={"trigger": True})]
    client.cancel_order(order["id"], ETH, {"trigger": True})
    assert client.fetch_order(order["id"], ETH, {"trigger": True})["status"] == "canceled"
    assert client.fetch_open_orders(ETH, params={"trigger": True}) == []


def test_a_stop_order_that_triggers_becomes_a_filled_order(client: Any, raw: RawClient):
    _, ask = raw.best("SOLUSDT")
    order = client.create_order(SOL, "market", "buy", 1, None, {"triggerPrice": float(ask + Decimal("0.05"))})
    raw.push_last_price_to("SOLUSDT", ask + Decimal("0.05"))
    found = raw.answer("GET", "/fapi/v1/algoOrder", {"algoId": order["id"]})
    assert found["algoStatus"] in ("TRIGGERED", "FINISHED")
    assert client.fetch_order(str(found["actualOrderId"]), SOL)["status"] == "closed"


def test_errors_are_the_ones_ccxt_knows(client: Any):
    with pytest.raises(ccxt.OrderNotFound):
        client.fetch_order("123456789", BTC)
    with pytest.raises(ccxt.OrderNotFound):
        client.cancel_order("123456789", BTC)
    # Its table of futures codes hangs on the production host name; elsewhere these two arrive with their code only.
    with pytest.raises(ccxt.ExchangeError, match="-2019"):
        client.create_order(BTC, "market", "buy", 100)
    with pytest.raises(ccxt.ExchangeError, match="-2022"):
        client.create_order(BTC, "market", "sell", 0.01, params={"reduceOnly": True})
    with pytest.raises(ccxt.BadSymbol):
        client.fapiPublicGetDepth({"symbol": "NOPEUSDT"})


def test_what_freqtrade_asks_at_start_and_before_each_order(client: Any):
    assert client.fapiPrivateGetPositionSideDual()["dualSidePosition"] is False
    assert client.fapiPrivateGetMultiAssetsMargin()["multiAssetsMargin"] is False
    assert len(client.fapiPrivateGetLeverageBracket()) == len(client.markets)
    client.fetch_leverage_tiers()
    for _ in range(2):
        # freqtrade goes on after exactly this one.
        with pytest.raises(ccxt.MarginModeAlreadySet):
            client.set_margin_mode("cross", BTC)
        client.set_leverage(3, BTC)


async def _with_stream(endpoint: PaperExchange, action: Callable[[Any], Awaitable[None]]) -> None:
    client = pointed_at(ccxt.pro.binanceusdm({"apiKey": endpoint.key, "secret": endpoint.secret}), endpoint)
    client.newUpdates = True
    try:
        async with asyncio.timeout(15):
            await client.load_markets()
            await action(client)
    finally:
        await client.close()


def test_ccxt_pro_sees_its_own_order_trade_and_balance(endpoint: PaperExchange, client: Any):
    async def action(stream: Any) -> None:
        # The first watch opens the stream; it answers when the first event comes.
        watching = [
            asyncio.ensure_future(stream.watch_orders(ETH)),
            asyncio.ensure_future(stream.watch_my_trades(ETH)),
            asyncio.ensure_future(stream.watch_balance()),
        ]
        await wait_until_subscribed(stream)
        order = await stream.create_order(ETH, "market", "buy", 0.1)
        orders, trades, balance = await asyncio.gather(*watching)
        assert {seen["id"] for seen in orders} == {order["id"]}
        assert trades[0]["order"] == order["id"]
        assert trades[0]["fee"]["currency"] == "USDT"
        assert balance["USDT"]["total"] > 0

    asyncio.run(_with_stream(endpoint, action))


async def wait_until_subscribed(stream: Any) -> None:
    """Until the private connection is open; the exchange sends events from then on."""
    while not any("listenKey" in url and c.connection is not None for url, c in stream.clients.items()):
        await asyncio.sleep(0.01)


def test_ccxt_pro_watches_market_data(endpoint: PaperExchange):
    async def action(stream: Any) -> None:
        ticker, book, candles = await asyncio.gather(
            stream.watch_ticker(BTC), stream.watch_order_book(BTC, 10), stream.watch_ohlcv(BTC, "1m")
        )
        assert ticker["last"] > 0
        assert book["bids"][0][0] < book["asks"][0][0]
        assert len(candles[-1]) == 6

    asyncio.run(_with_stream(endpoint, action))
