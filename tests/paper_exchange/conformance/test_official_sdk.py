"""The exchange's own SDK. Its models are generated from the published description and strict about types, which
makes it the best judge of the answers: a wrong type is logged as a warning (and fails the test here), a field that is
documented but missing stays None (and fails the test here, unless it is listed as not modelled)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketStreams
from binance_common.errors import BadRequestError, UnauthorizedError
from binance_sdk_derivatives_trading_usds_futures import DerivativesTradingUsdsFutures
from binance_sdk_derivatives_trading_usds_futures.rest_api import models
from pydantic import BaseModel

from tests.paper_exchange.conformance.raw_client import RawClient, now_ms
from tests.support.paper_exchange import PaperExchange
from tests.support.waiting import wait_until

CLEANED = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
BUY, SELL = models.NewOrderSideEnum.BUY, models.NewOrderSideEnum.SELL
LIMIT, MARKET = models.NewOrderTypeEnum.LIMIT, models.NewOrderTypeEnum.MARKET
RESULT = models.NewOrderNewOrderRespTypeEnum.RESULT
FORCE = models.NewOrderTimeInForceEnum
# Documented for both kinds of futures, sent for COIN-margined contracts only.
COIN_MARGINED = ("pair", "base_qty", "margin_asset")


@pytest.fixture(scope="module")
def connected(endpoint: PaperExchange) -> Any:
    # Its own limit of a second is short for a machine that runs other tests beside this one.
    configuration = ConfigurationRestAPI(
        api_key=endpoint.key, api_secret=endpoint.secret, base_path=endpoint.url, timeout=10_000
    )
    return DerivativesTradingUsdsFutures(config_rest_api=configuration).rest_api


@pytest.fixture
def client(connected: Any, raw: RawClient, caplog: pytest.LogCaptureFixture) -> Iterator[Any]:
    raw.clean(CLEANED)
    with caplog.at_level(logging.WARNING):
        yield connected
    mismatches = [
        r.getMessage() for r in caplog.records if "response" in r.getMessage() and r.levelno >= logging.WARNING
    ]
    assert mismatches == []


def undocumented_or_missing(value: Any, *, optional: frozenset[str] = frozenset(), path: str = "") -> list[str]:
    """Paths of documented fields that were not answered."""
    found: list[str] = []
    if isinstance(value, list):
        for number, item in enumerate(value[:3]):
            found += undocumented_or_missing(item, optional=optional, path=f"{path}[{number}]")
    elif hasattr(value, "actual_instance"):
        found += undocumented_or_missing(value.actual_instance, optional=optional, path=path)
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            if name in optional or name == "additional_properties":
                continue
            inner = getattr(value, name)
            if inner is None:
                found.append(f"{path}.{name}")
            else:
                found += undocumented_or_missing(inner, optional=optional, path=f"{path}.{name}")
    return found


def assert_complete(value: Any, *optional: str) -> None:
    assert value != [], "an empty list says nothing about its items"
    assert undocumented_or_missing(value, optional=frozenset(optional)) == []


def far_below(raw: RawClient, symbol: str, tick: str) -> float:
    return float((raw.best(symbol)[0] * Decimal("0.97")).quantize(Decimal(tick)))


def crossing(raw: RawClient, symbol: str, tick: str) -> float:
    return float((raw.best(symbol)[1] * Decimal("1.01")).quantize(Decimal(tick)))


def test_connectivity_and_time(client: Any):
    client.test_connectivity()
    assert abs(client.check_server_time().data().server_time - now_ms()) < 1_000


def test_exchange_information_is_complete(client: Any):
    information = client.exchange_information().data()
    assert_complete(information.rate_limits)
    assert_complete(information.assets)
    # A filter carries only the fields of its kind; settlePlan is not sent for perpetuals any more.
    assert_complete(information.symbols, "filters", "settle_plan")
    bitcoin = next(s for s in information.symbols if s.symbol == "BTCUSDT")
    assert bitcoin.status == "TRADING"
    assert {f.filter_type for f in bitcoin.filters} >= {
        "PRICE_FILTER", "LOT_SIZE", "MARKET_LOT_SIZE", "MAX_NUM_ORDERS", "MIN_NOTIONAL", "PERCENT_PRICE",
    }  # fmt: skip


def test_market_data_is_complete(client: Any):
    book = client.order_book(symbol="BTCUSDT", limit=20).data()
    assert_complete(book)
    assert len(book.bids) == len(book.asks) == 20
    assert_complete(client.symbol_order_book_ticker(symbol="BTCUSDT").data())
    assert_complete(client.symbol_price_ticker(symbol="BTCUSDT").data())
    assert_complete(client.symbol_price_ticker_v2(symbol="BTCUSDT").data())
    assert_complete(client.ticker24hr_price_change_statistics(symbol="BTCUSDT").data())
    assert_complete(client.mark_price(symbol="BTCUSDT").data())
    assert_complete(client.get_funding_rate_history(symbol="BTCUSDT", limit=2).data())
    assert_complete(client.get_funding_rate_info().data())
    client.new_order("BTCUSDT", BUY, MARKET, quantity=0.002)
    wait_until(lambda: client.recent_trades_list(symbol="BTCUSDT", limit=5).data(), seconds=10, what="public trades")
    assert_complete(client.recent_trades_list(symbol="BTCUSDT", limit=5).data())
    assert_complete(client.compressed_aggregate_trades_list(symbol="BTCUSDT", limit=5).data())
    assert (
        len(client.kline_candlestick_data("BTCUSDT", models.KlineCandlestickDataIntervalEnum["INTERVAL_1m"]).data())
        == 500
    )


def test_account_is_complete(client: Any):
    client.new_order("ETHUSDT", BUY, MARKET, quantity=0.1)
    assert_complete(client.futures_account_balance_v3().data())
    assert_complete(client.futures_account_balance_v2().data())
    assert_complete(client.account_information_v3().data())
    account = client.account_information_v2().data()
    assert len(account.positions) >= 16
    assert_complete(client.position_information_v3(symbol="ETHUSDT").data())
    assert_complete(client.position_information_v2(symbol="ETHUSDT").data())
    assert_complete(client.futures_account_configuration().data())
    assert_complete(client.symbol_configuration(symbol="ETHUSDT").data())
    assert_complete(client.user_commission_rate(symbol="ETHUSDT").data())
    assert_complete(client.query_user_rate_limit().data())
    assert client.get_current_position_mode().data().dual_side_position is False
    assert client.get_current_multi_assets_mode().data().multi_assets_margin is False
    brackets = client.notional_and_leverage_brackets(symbol="ETHUSDT").data()
    assert brackets


def test_leverage_and_margin_type(client: Any):
    changed = client.change_initial_leverage(symbol="SOLUSDT", leverage=8).data()
    assert_complete(changed)
    assert changed.leverage == 8
    isolated = models.ChangeMarginTypeMarginTypeEnum.ISOLATED
    client.change_margin_type(symbol="SOLUSDT", margin_type=isolated)
    with pytest.raises(BadRequestError) as repeated:
        client.change_margin_type(symbol="SOLUSDT", margin_type=isolated)
    assert repeated.value.status_code == -4046
    client.change_margin_type(symbol="SOLUSDT", margin_type=models.ChangeMarginTypeMarginTypeEnum.CROSSED)


def test_a_market_order_fills_trades_are_listed_and_income_is_booked(client: Any):
    order = client.new_order("ETHUSDT", BUY, MARKET, quantity=0.1, new_order_resp_type=RESULT).data()
    assert_complete(order)
    assert (order.status, order.executed_qty) == ("FILLED", "0.100")
    found = client.query_order(symbol="ETHUSDT", order_id=order.order_id).data()
    assert_complete(found, "activate_price", "price_rate")
    trades = client.account_trade_list(symbol="ETHUSDT", order_id=order.order_id).data()
    assert_complete(trades, *COIN_MARGINED)
    assert sum(Decimal(trade.qty) for trade in trades) == Decimal("0.1")
    closed = client.new_order(
        "ETHUSDT", SELL, MARKET, quantity=0.1, reduce_only=models.NewOrderReduceOnlyEnum("true"),
        new_order_resp_type=RESULT,
    ).data()  # fmt: skip
    assert (closed.status, closed.reduce_only) == ("FILLED", True)
    income = client.get_income_history(symbol="ETHUSDT", start_time=now_ms() - 60_000).data()
    assert_complete(income)
    assert {"COMMISSION", "REALIZED_PNL"} <= {row.income_type for row in income}


def test_each_time_in_force(client: Any, raw: RawClient):
    low, high = far_below(raw, "ETHUSDT", "0.01"), crossing(raw, "ETHUSDT", "0.01")

    def limit(force: Any, price: float, **more: Any) -> Any:
        return client.new_order(
            "ETHUSDT", BUY, LIMIT, time_in_force=force, quantity=0.1, price=price, new_order_resp_type=RESULT, **more
        ).data()

    assert limit(FORCE.GTC, low).status == "NEW"
    assert limit(FORCE.IOC, high).status == "FILLED"
    assert limit(FORCE.IOC, low).status == "EXPIRED"
    assert limit(FORCE.FOK, high).status == "FILLED"
    with pytest.raises(BadRequestError) as unfilled:
        limit(FORCE.FOK, low)
    assert unfilled.value.status_code == -5021
    assert limit(FORCE.GTX, low).status == "NEW"
    with pytest.raises(BadRequestError) as taker:
        limit(FORCE.GTX, high)
    assert taker.value.status_code == -5022
    good_till = (now_ms() + 700_000) // 1_000 * 1_000
    assert limit(FORCE.GTD, low, good_till_date=good_till).good_till_date == good_till


def test_query_amend_and_cancel_by_client_id(client: Any, raw: RawClient):
    price = far_below(raw, "BTCUSDT", "0.1")
    order = client.new_order(
        "BTCUSDT", BUY, LIMIT, time_in_force=FORCE.GTC, quantity=0.01, price=price, new_client_order_id="sdk-1"
    ).data()
    assert order.client_order_id == "sdk-1"
    current = client.query_current_open_order(symbol="BTCUSDT", orig_client_order_id="sdk-1").data()
    assert_complete(current, "activate_price", "price_rate")
    listed = client.current_all_open_orders(symbol="BTCUSDT").data()
    assert [o.order_id for o in listed] == [order.order_id]
    assert_complete(listed, "activate_price", "price_rate")
    amended = client.modify_order(
        "BTCUSDT", models.ModifyOrderSideEnum.BUY, quantity=0.02, price=price - 1, orig_client_order_id="sdk-1"
    ).data()
    assert_complete(amended, *COIN_MARGINED, "modify_id")
    assert amended.orig_qty == "0.020"
    canceled = client.cancel_order(symbol="BTCUSDT", orig_client_order_id="sdk-1").data()
    assert_complete(canceled, "activate_price", "price_rate")
    assert canceled.status == "CANCELED"
    assert order.order_id in [o.order_id for o in client.all_orders(symbol="BTCUSDT").data()]


def test_an_order_without_a_client_id_gets_one(client: Any, raw: RawClient):
    order = client.new_order(
        "BTCUSDT", BUY, LIMIT, time_in_force=FORCE.GTC, quantity=0.01, price=far_below(raw, "BTCUSDT", "0.1")
    ).data()
    assert 1 <= len(order.client_order_id) <= 36
    assert (
        client.query_order(symbol="BTCUSDT", orig_client_order_id=order.client_order_id).data().order_id
        == order.order_id
    )


def test_batch_place_and_batch_cancel(client: Any, raw: RawClient):
    item = models.PlaceMultipleOrdersBatchOrdersParameterInner
    good = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "time_in_force": "GTC", "quantity": 0.01}
    prices = (far_below(raw, "BTCUSDT", "0.1"), 1.05)
    orders = client.place_multiple_orders(batch_orders=[item(**good, price=price) for price in prices]).data()
    assert orders[0].status == "NEW"
    assert orders[1].code == -4013
    canceled = client.cancel_multiple_orders(symbol="BTCUSDT", order_id_list=[orders[0].order_id]).data()
    assert canceled[0].status == "CANCELED"


def test_cancel_all_and_countdown(client: Any, raw: RawClient):
    client.new_order(
        "BTCUSDT", BUY, LIMIT, time_in_force=FORCE.GTC, quantity=0.01, price=far_below(raw, "BTCUSDT", "0.1")
    )
    assert_complete(client.auto_cancel_all_open_orders(symbol="BTCUSDT", countdown_time=60_000).data())
    client.auto_cancel_all_open_orders(symbol="BTCUSDT", countdown_time=0)
    answer = client.cancel_all_open_orders(symbol="BTCUSDT").data()
    assert answer.code == 200
    assert client.current_all_open_orders(symbol="BTCUSDT").data() == []


def test_conditional_orders(client: Any, raw: RawClient):
    trigger = float((raw.best("ETHUSDT")[0] * Decimal("0.95")).quantize(Decimal("0.01")))
    created = client.new_algo_order(
        models.NewAlgoOrderAlgoTypeEnum.CONDITIONAL, "ETHUSDT", models.NewAlgoOrderSideEnum.SELL,
        models.NewAlgoOrderTypeEnum.STOP_MARKET, quantity=0.1, trigger_price=trigger, client_algo_id="sdk-algo-1",
    ).data()  # fmt: skip
    # Only trailing stops have an activation and a callback; icebergQuantity is null in the published answer too.
    assert_complete(created, "activate_price", "callback_rate", "iceberg_quantity")
    assert created.algo_status == "NEW"
    found = client.query_algo_order(client_algo_id="sdk-algo-1").data()
    assert_complete(found, "iceberg_quantity")
    assert found.algo_id == created.algo_id
    listed = client.current_all_algo_open_orders(symbol="ETHUSDT").data()
    assert [o.algo_id for o in listed] == [created.algo_id]
    canceled = client.cancel_algo_order(algo_id=created.algo_id).data()
    assert_complete(canceled)
    assert canceled.code == "200"
    assert [o.algo_status for o in client.query_all_algo_orders(symbol="ETHUSDT").data()][-1] == "CANCELED"


def test_a_trailing_stop_shows_its_activation_and_callback(client: Any, raw: RawClient):
    activation = float((raw.best("ETHUSDT")[1] * Decimal("1.02")).quantize(Decimal("0.01")))
    created = client.new_algo_order(
        models.NewAlgoOrderAlgoTypeEnum.CONDITIONAL,
        "ETHUSDT",
        models.NewAlgoOrderSideEnum.SELL,
        models.NewAlgoOrderTypeEnum.TRAILING_STOP_MARKET,
        quantity=0.1,
        activate_price=activation,
        callback_rate=1.0,
    ).data()
    assert_complete(created, "iceberg_quantity")
    assert Decimal(created.callback_rate) == 1
    assert Decimal(created.activate_price) == Decimal(str(activation))


def test_a_conditional_order_triggers(client: Any, raw: RawClient):
    _, ask = raw.best("SOLUSDT")
    created = client.new_algo_order(
        models.NewAlgoOrderAlgoTypeEnum.CONDITIONAL, "SOLUSDT", models.NewAlgoOrderSideEnum.BUY,
        models.NewAlgoOrderTypeEnum.STOP_MARKET, quantity=1.0, trigger_price=float(ask + Decimal("0.05")),
    ).data()  # fmt: skip
    raw.push_last_price_to("SOLUSDT", ask + Decimal("0.05"))
    found = client.query_algo_order(algo_id=created.algo_id).data()
    assert found.algo_status in ("TRIGGERED", "FINISHED")
    assert client.query_order(symbol="SOLUSDT", order_id=int(found.actual_order_id)).data().status == "FILLED"


def test_errors_carry_code_and_text(client: Any):
    with pytest.raises(BadRequestError, match="Order does not exist") as unknown:
        client.query_order(symbol="BTCUSDT", order_id=123)
    assert unknown.value.status_code == -2013


def test_a_wrong_key_is_unauthorized(endpoint: PaperExchange):
    wrong = ConfigurationRestAPI(api_key="x" * 64, api_secret=endpoint.secret, base_path=endpoint.url)
    with pytest.raises(UnauthorizedError) as refused:
        DerivativesTradingUsdsFutures(config_rest_api=wrong).rest_api.account_information_v3()
    assert refused.value.status_code == -2015


def test_rate_limit_headers_are_understood(client: Any):
    answer = client.order_book(symbol="BTCUSDT", limit=5)
    weight = next(limit for limit in answer.rate_limits if limit.rateLimitType == "REQUEST_WEIGHT")
    assert (weight.interval, weight.intervalNum) == ("MINUTE", 1)
    assert weight.count > 0
    order = client.new_order("ETHUSDT", BUY, MARKET, quantity=0.1)
    assert {(limit.interval, limit.intervalNum) for limit in order.rate_limits if limit.rateLimitType == "ORDERS"} == {
        ("SECOND", 10), ("MINUTE", 1),
    }  # fmt: skip


def test_user_stream_by_subscription_delivers_parsed_events(endpoint: PaperExchange, client: Any):
    events = asyncio.run(_user_events(endpoint, client))
    fill = fills_of(events)[-1]
    assert (fill.o.s, fill.o.x, fill.o.S) == ("ETHUSDT", "TRADE", "BUY")
    # AP and cr are pushed for trailing stops only, M for amendments that carry a modifyId.
    assert_complete(fill, "AP", "cr", "M")
    account = next(event for event in events if type(event).__name__ == "AccountUpdate")
    # S names the symbol of a funding fee.
    assert_complete(account, "S")


def fills_of(events: list[Any]) -> list[Any]:
    return [e for e in events if type(e).__name__ == "OrderTradeUpdate" and e.o.X == "FILLED"]


async def _user_events(endpoint: PaperExchange, client: Any) -> list[Any]:
    """Subscribe, order once, and collect what arrives until the order is filled and the account has changed."""
    configuration = ConfigurationWebSocketStreams(stream_url=f"{endpoint.ws}/stream", reconnect_delay=100)
    streams = DerivativesTradingUsdsFutures(config_ws_streams=configuration).websocket_streams
    events: list[Any] = []
    complete = asyncio.Event()

    def on_message(data: Any) -> None:
        event = getattr(data, "actual_instance", data)
        events.append(event)
        if fills_of(events) and any(type(e).__name__ == "AccountUpdate" for e in events):
            complete.set()

    try:
        async with asyncio.timeout(15):
            await streams.create_connection()
            listen_key = client.start_user_data_stream().data().listen_key
            handle = await streams.user_data(listen_key)
            handle.on("message", on_message)
            # Asks the server, so the subscription before it has been read.
            await streams.list_subscribe()
            await asyncio.to_thread(client.new_order, "ETHUSDT", BUY, MARKET, quantity=0.1)
            await complete.wait()
    finally:
        await streams.close_connection()
    return events


def test_market_streams(endpoint: PaperExchange):
    async def run() -> dict[str, Any]:
        configuration = ConfigurationWebSocketStreams(stream_url=f"{endpoint.ws}/stream", reconnect_delay=100)
        streams = DerivativesTradingUsdsFutures(config_ws_streams=configuration).websocket_streams
        received: dict[str, Any] = {}
        complete = asyncio.Event()

        def keep(name: str) -> Any:
            def on_message(data: Any) -> None:
                received[name] = data
                if len(received) == 3:
                    complete.set()

            return on_message

        try:
            async with asyncio.timeout(15):
                await streams.create_connection()
                (await streams.individual_symbol_book_ticker_streams(symbol="btcusdt")).on("message", keep("book"))
                (await streams.mark_price_stream(symbol="btcusdt")).on("message", keep("mark"))
                (await streams.aggregate_trade_streams(symbol="btcusdt")).on("message", keep("trade"))
                await complete.wait()
        finally:
            await streams.close_connection()
        return received

    received = asyncio.run(run())
    for event in received.values():
        # Told since the COIN-margined contracts moved in: the kind of contract and its pair. One kind lives here.
        assert_complete(event, "st", "ps")
    assert Decimal(received["book"].b) < Decimal(received["book"].a)
    assert Decimal(received["mark"].p) > 0
    assert Decimal(received["trade"].p) > 0
