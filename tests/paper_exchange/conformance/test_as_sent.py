"""The exact request forms of clients that are not installed here, replayed by hand.

futures-connector 4.2: query on every method, JSON content type, empty body. nautilus 1.221: query, Python booleans,
both ids on DELETE. python-binance: form body on DELETE, signature over plain text. ccxt: plain JSON in a body.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from tests.paper_exchange.conformance.raw_client import FORM, RawClient, now_ms
from tests.support.paper_exchange import PaperExchange

CLEANED = ("BTCUSDT", "ETHUSDT")
ORDER = "/fapi/v1/order"
RECEIVE_SECONDS = 10.0


@pytest.fixture
def client(raw: RawClient) -> RawClient:
    raw.clean(CLEANED)
    return raw


def limit_parameters(client: RawClient, **more: object) -> dict[str, object]:
    low = (client.best("BTCUSDT")[0] * Decimal("0.97")).quantize(Decimal("0.1"))
    return {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01",
            "price": str(low), **more, "timestamp": now_ms()}  # fmt: skip


def accepted(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()


# The published test vector of the signature.
def test_the_signature_here_is_the_published_one():
    client = RawClient(
        url="http://127.0.0.1:9", key="k", secret="2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
    )
    text = "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000"
    text += "&timestamp=1591702613943"
    assert client.signature(text) == "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"


def test_parameters_split_over_query_and_body_are_signed_without_a_separator(client: RawClient):
    query = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC"
    body = urlencode({k: v for k, v in limit_parameters(client).items() if k in ("quantity", "price", "timestamp")})
    signature = client.signature(query + body)
    response = client.http.post(
        f"{ORDER}?{query}", content=f"{body}&signature={signature}",
        headers={"X-MBX-APIKEY": client.key, "Content-Type": FORM},
    )  # fmt: skip
    assert accepted(response)["status"] == "NEW"


def test_on_a_clash_the_query_wins(client: RawClient):
    body = urlencode(limit_parameters(client, newClientOrderId="from-body"))
    query = "newClientOrderId=from-query"
    response = client.http.post(
        f"{ORDER}?{query}", content=f"{body}&signature={client.signature(query + body)}",
        headers={"X-MBX-APIKEY": client.key, "Content-Type": FORM},
    )  # fmt: skip
    assert accepted(response)["clientOrderId"] == "from-query"


@pytest.mark.parametrize("content_type", ["application/json;charset=utf-8", "application/json", None])
@pytest.mark.parametrize("body", [None, ""])
def test_query_with_a_json_content_type_and_an_empty_body(
    client: RawClient, content_type: str | None, body: str | None
):
    headers = {"X-MBX-APIKEY": client.key} | ({"Content-Type": content_type} if content_type else {})
    text = urlencode(limit_parameters(client))
    order = accepted(
        client.http.post(f"{ORDER}?{text}&signature={client.signature(text)}", content=body, headers=headers)
    )
    text = urlencode({"symbol": "BTCUSDT", "orderId": order["orderId"], "timestamp": now_ms()})
    canceled = accepted(
        client.http.request(
            "DELETE", f"{ORDER}?{text}&signature={client.signature(text)}", content=body, headers=headers
        )
    )
    assert canceled["status"] == "CANCELED"


def test_a_form_body_on_post_put_and_delete(client: RawClient):
    parameters = limit_parameters(client)
    order = accepted(client.signed("POST", ORDER, parameters, place="body"))
    amended = accepted(
        client.signed(
            "PUT", ORDER,
            {**parameters, "orderId": order["orderId"], "quantity": "0.02", "timestamp": now_ms()},
            place="body",
        )
    )  # fmt: skip
    assert amended["origQty"] == "0.020"
    canceled = accepted(
        client.signed("DELETE", ORDER, {"symbol": "BTCUSDT", "orderId": order["orderId"]}, place="body")
    )
    assert canceled["status"] == "CANCELED"


@pytest.mark.parametrize(("sent", "is_reduce_only"), [
    ("True", True), ("true", True), ("TRUE", True), ("False", False), ("false", False),
])  # fmt: skip
def test_booleans_as_python_and_json_write_them(client: RawClient, sent: str, is_reduce_only: bool):
    client.market_order("BTCUSDT", "BUY", "0.02")
    high = (client.best("BTCUSDT")[1] * Decimal("1.03")).quantize(Decimal("0.1"))
    order = accepted(
        client.signed(
            "POST", ORDER, {**limit_parameters(client), "side": "SELL", "price": str(high), "reduceOnly": sent}
        )
    )
    assert order["reduceOnly"] is is_reduce_only


def test_a_signature_made_over_unencoded_text(client: RawClient):
    parameters = limit_parameters(client, newClientOrderId="a:b/c.d")
    plain = "&".join(f"{name}={value}" for name, value in parameters.items())
    response = client.send("POST", ORDER, f"{urlencode(parameters)}&signature={client.signature(plain)}", place="body")
    assert accepted(response)["clientOrderId"] == "a:b/c.d"


def test_an_id_with_colon_and_slash_sent_as_it_is(client: RawClient):
    parameters = limit_parameters(client, newClientOrderId="a:b/c.e")
    plain = "&".join(f"{name}={value}" for name, value in parameters.items())
    assert (
        accepted(client.send("POST", ORDER, f"{plain}&signature={client.signature(plain)}"))["clientOrderId"]
        == "a:b/c.e"
    )


def test_a_batch_with_unencoded_json_in_the_body(client: RawClient):
    item = {name: value for name, value in limit_parameters(client).items() if name != "timestamp"}
    text = f"batchOrders={json.dumps([item, item], separators=(',', ':'))}&recvWindow=10000&timestamp={now_ms()}"
    answers = accepted(
        client.send("POST", "/fapi/v1/batchOrders", f"{text}&signature={client.signature(text)}", place="body")
    )
    assert [answer["status"] for answer in answers] == ["NEW", "NEW"]


def test_a_batch_with_encoded_json_in_the_query_and_numbers_as_numbers(client: RawClient):
    item = {name: value for name, value in limit_parameters(client).items() if name != "timestamp"}
    item["quantity"] = 0.01
    text = f"batchOrders={quote(json.dumps([item]))}&timestamp={now_ms()}"
    answers = accepted(client.send("POST", "/fapi/v1/batchOrders", f"{text}&signature={client.signature(text)}"))
    assert answers[0]["origQty"] == "0.010"


def test_a_batch_is_canceled_by_lists_of_ids(client: RawClient):
    orders = [
        accepted(client.signed("POST", ORDER, limit_parameters(client, newClientOrderId=f"b-{n}"))) for n in range(4)
    ]
    ids = json.dumps([order["orderId"] for order in orders[:2]], separators=(",", ":"))
    text = f"symbol=BTCUSDT&orderIdList={ids}&timestamp={now_ms()}"
    answers = accepted(client.send("DELETE", "/fapi/v1/batchOrders", f"{text}&signature={client.signature(text)}"))
    assert [answer["status"] for answer in answers] == ["CANCELED", "CANCELED"]
    names = {"symbol": "BTCUSDT", "origClientOrderIdList": '["b-2","b-3"]'}
    answers = accepted(client.signed("DELETE", "/fapi/v1/batchOrders", names, place="body"))
    assert [answer["clientOrderId"] for answer in answers] == ["b-2", "b-3"]


def test_both_ids_on_query_and_cancel(client: RawClient):
    order = accepted(
        client.signed("POST", ORDER, limit_parameters(client, newClientOrderId="O-20261122-1", recvWindow=5000))
    )
    both = {"symbol": "BTCUSDT", "orderId": order["orderId"], "origClientOrderId": "O-20261122-1", "recvWindow": 5000}
    assert accepted(client.signed("GET", ORDER, both))["orderId"] == order["orderId"]
    assert accepted(client.signed("DELETE", ORDER, both))["status"] == "CANCELED"


def test_no_client_order_id_makes_the_server_choose_one(client: RawClient):
    order = accepted(client.signed("POST", ORDER, limit_parameters(client)))
    assert 1 <= len(order["clientOrderId"]) <= 36


def test_lists_without_a_symbol(client: RawClient):
    accepted(client.signed("POST", ORDER, limit_parameters(client, newClientOrderId="listed")))
    assert "listed" in [order["clientOrderId"] for order in accepted(client.signed("GET", "/fapi/v1/openOrders"))]
    assert len(accepted(client.signed("GET", "/fapi/v1/symbolConfig"))) >= 16
    assert accepted(client.signed("GET", "/fapi/v1/openAlgoOrders")) == []
    assert isinstance(accepted(client.signed("GET", "/fapi/v2/positionRisk")), list)


def test_the_account_of_version_two_lists_every_symbol_with_its_leverage(client: RawClient):
    account = accepted(client.signed("GET", "/fapi/v2/account"))
    bitcoin = next(position for position in account["positions"] if position["symbol"] == "BTCUSDT")
    assert int(bitcoin["leverage"]) >= 1
    assert {"entryPrice", "positionAmt", "unrealizedProfit", "isolated"} <= set(bitcoin)
    assert "feeTier" in account


def test_the_account_of_version_three_lists_only_what_is_held(client: RawClient):
    assert accepted(client.signed("GET", "/fapi/v3/account"))["positions"] == []
    client.market_order("BTCUSDT", "BUY", "0.002")
    (held,) = accepted(client.signed("GET", "/fapi/v3/account"))["positions"]
    assert held["symbol"] == "BTCUSDT"
    assert "leverage" not in held
    assert "entryPrice" not in held


@pytest.mark.parametrize("form", ["nothing", "query", "body"])
def test_a_listen_key_is_extended_in_each_form(client: RawClient, form: str):
    key = accepted(client.keyed("POST", "/fapi/v1/listenKey"))["listenKey"]
    query = f"listenKey={key}" if form == "query" else ""
    body = f"listenKey={key}" if form == "body" else None
    assert accepted(client.keyed("PUT", "/fapi/v1/listenKey", query=query, body=body)) == {"listenKey": key}


# --- user streams -----------------------------------------------------------------------------------------------------


@pytest.fixture
def listen_key(client: RawClient) -> Iterator[str]:
    key = accepted(client.keyed("POST", "/fapi/v1/listenKey"))["listenKey"]
    yield key
    client.keyed("DELETE", "/fapi/v1/listenKey")


def receive(connection: ClientConnection) -> Any:
    return json.loads(connection.recv(timeout=RECEIVE_SECONDS))


def until_order(connection: ClientConnection, client_order_id: str) -> tuple[Any, list[Any]]:
    """The event of this order and everything before it."""
    before: list[Any] = []
    for _ in range(100):
        message = receive(connection)
        event = message.get("data", message)
        if event.get("e") == "ORDER_TRADE_UPDATE" and event["o"]["c"] == client_order_id:
            return message, before
        before.append(message)
    raise AssertionError(f"no event of {client_order_id} in {before}")


def place(client: RawClient, name: str) -> None:
    accepted(client.signed("POST", ORDER, limit_parameters(client, newClientOrderId=name)))


def buy(client: RawClient, name: str) -> None:
    client.market_order("BTCUSDT", "BUY", "0.002", newClientOrderId=name)


def ask(connection: ClientConnection, method: str, *parameters: str, number: int = 1) -> Any:
    request: dict[str, Any] = {"method": method, "id": number}
    if parameters:
        request["params"] = list(parameters)
    connection.send(json.dumps(request))
    return receive(connection)


def test_user_stream_with_the_key_in_the_path(client: RawClient, endpoint: PaperExchange, listen_key: str):
    with connect(f"{endpoint.ws}/private/ws/{listen_key}") as connection:
        place(client, "path-form")
        event, _ = until_order(connection, "path-form")
    assert (event["o"]["x"], event["o"]["X"], event["o"]["s"]) == ("NEW", "NEW", "BTCUSDT")


def test_user_stream_with_the_key_as_parameter(client: RawClient, endpoint: PaperExchange, listen_key: str):
    with connect(f"{endpoint.ws}/private/ws?listenKey={listen_key}") as connection:
        place(client, "parameter-form")
        event, _ = until_order(connection, "parameter-form")
    assert event["o"]["f"] == "GTC"


def test_user_stream_delivers_only_the_events_asked_for(client: RawClient, endpoint: PaperExchange, listen_key: str):
    with connect(f"{endpoint.ws}/private/ws?listenKey={listen_key}&events=ORDER_TRADE_UPDATE") as connection:
        buy(client, "filtered-1")
        place(client, "filtered-2")
        _, before = until_order(connection, "filtered-2")
    assert {event["e"] for event in before} == {"ORDER_TRADE_UPDATE"}
    with connect(
        f"{endpoint.ws}/private/ws?listenKey={listen_key}&events=ORDER_TRADE_UPDATE/ACCOUNT_UPDATE"
    ) as connection:
        buy(client, "filtered-3")
        place(client, "filtered-4")
        _, before = until_order(connection, "filtered-4")
    assert {event["e"] for event in before} == {"ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE"}


def test_combined_user_stream_wraps_events(client: RawClient, endpoint: PaperExchange, listen_key: str):
    with connect(
        f"{endpoint.ws}/private/stream?listenKey={listen_key}&events=ORDER_TRADE_UPDATE/ACCOUNT_UPDATE"
    ) as connection:
        place(client, "combined")
        message, _ = until_order(connection, "combined")
    assert set(message) >= {"stream", "data"}
    assert listen_key in message["stream"]


def test_user_stream_by_subscription(client: RawClient, endpoint: PaperExchange, listen_key: str):
    with connect(f"{endpoint.ws}/private/stream") as connection:
        assert ask(connection, "SUBSCRIBE", listen_key) == {"result": None, "id": 1}
        place(client, "subscribed")
        message, _ = until_order(connection, "subscribed")
        assert message["stream"] == listen_key
        assert ask(connection, "LIST_SUBSCRIPTIONS", number=2) == {"result": [listen_key], "id": 2}
        assert ask(connection, "UNSUBSCRIBE", listen_key, number=3) == {"result": None, "id": 3}


@pytest.mark.parametrize("form", ["/ws/{key}", "/stream?streams={key}"])
def test_the_retired_forms_connect_but_stay_silent(
    client: RawClient, endpoint: PaperExchange, listen_key: str, form: str
):
    with (
        connect(f"{endpoint.ws}{form.format(key=listen_key)}") as retired,
        connect(f"{endpoint.ws}/private/ws/{listen_key}") as current,
    ):
        place(client, "silent")
        until_order(current, "silent")
        # The first thing that arrives is the answer to this question, so nothing was sent before it.
        answer = ask(retired, "LIST_SUBSCRIPTIONS", number=7)
    assert answer["id"] == 7


@pytest.mark.parametrize("form", ["/ws/{key}", "/stream?streams={key}"])
def test_the_retired_forms_deliver_with_the_legacy_flag(legacy_endpoint: PaperExchange, form: str):
    legacy = RawClient(url=legacy_endpoint.url, key=legacy_endpoint.key, secret=legacy_endpoint.secret)
    try:
        key = accepted(legacy.keyed("POST", "/fapi/v1/listenKey"))["listenKey"]
        with connect(f"{legacy_endpoint.ws}{form.format(key=key)}") as connection:
            name = f"legacy-{len(form)}"
            place(legacy, name)
            until_order(connection, name)
    finally:
        legacy.close()


def test_a_filled_order_tells_the_trade_and_the_account_change(
    client: RawClient, endpoint: PaperExchange, listen_key: str
):
    with connect(f"{endpoint.ws}/private/ws/{listen_key}") as connection:
        buy(client, "filled")
        place(client, "after")
        last, before = until_order(connection, "after")
        orders = [event["o"] for event in before if event["e"] == "ORDER_TRADE_UPDATE" and event["o"]["c"] == "filled"]
    assert orders[0]["x"] == "NEW"
    trades = [order for order in orders if order["x"] == "TRADE"]
    assert trades[-1]["X"] == "FILLED"
    assert sum(Decimal(order["l"]) for order in trades) == Decimal(trades[-1]["z"]) == Decimal("0.002")
    assert len({order["t"] for order in trades}) == len(trades)
    assert all(Decimal(order["n"]) > 0 and order["N"] == "USDT" for order in trades)
    update = next(event for event in before if event["e"] == "ACCOUNT_UPDATE")["a"]
    assert update["m"] == "ORDER"
    assert [(p["s"], Decimal(p["pa"])) for p in update["P"]] == [("BTCUSDT", Decimal("0.002"))]
    assert {"wb", "cw", "bc"} <= set(update["B"][0])
    assert last["E"] >= last["T"]


def test_cancel_conditional_leverage_and_expiry_events(client: RawClient, endpoint: PaperExchange, listen_key: str):
    with connect(f"{endpoint.ws}/private/ws/{listen_key}") as connection:
        place(client, "to-cancel")
        accepted(client.signed("DELETE", ORDER, {"symbol": "BTCUSDT", "origClientOrderId": "to-cancel"}))
        low = str((client.best("BTCUSDT")[0] * Decimal("0.97")).quantize(Decimal("0.1")))
        client.answer("POST", "/fapi/v1/algoOrder", {
            "algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET", "quantity": "0.01",
            "triggerPrice": low, "clientAlgoId": "watched",
        })  # fmt: skip
        client.answer("DELETE", "/fapi/v1/algoOrder", {"clientAlgoId": "watched"})
        leverage = (
            11 if client.answer("GET", "/fapi/v1/symbolConfig", {"symbol": "BTCUSDT"})[0]["leverage"] != 11 else 12
        )
        client.answer("POST", "/fapi/v1/leverage", {"symbol": "BTCUSDT", "leverage": leverage})
        place(client, "last")
        _, before = until_order(connection, "last")
        accepted(client.keyed("DELETE", "/fapi/v1/listenKey"))
    states = [event["o"]["X"] for event in before if event["e"] == "ORDER_TRADE_UPDATE"]
    assert states == ["NEW", "CANCELED"]
    algos = [event["o"] for event in before if event["e"] == "ALGO_UPDATE"]
    assert [(algo["caid"], algo["X"]) for algo in algos] == [("watched", "NEW"), ("watched", "CANCELED")]
    (config,) = [event["ac"] for event in before if event["e"] == "ACCOUNT_CONFIG_UPDATE"]
    assert config == {"s": "BTCUSDT", "l": leverage}


# --- market streams ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("route", "name", "fields"),
    [
        ("public", "btcusdt@bookTicker", {"u", "s", "b", "B", "a", "A", "T", "E"}),
        ("public", "btcusdt@depth5@100ms", {"b", "a", "U", "u", "pu", "s"}),
        ("public", "btcusdt@depth@100ms", {"b", "a", "U", "u", "pu", "s"}),
        ("market", "btcusdt@aggTrade", {"a", "p", "q", "f", "l", "T", "m"}),
        ("market", "btcusdt@markPrice@1s", {"p", "i", "r", "T"}),
        ("market", "btcusdt@kline_1m", {"k"}),
        ("market", "btcusdt@ticker", {"c", "h", "l", "v", "q"}),
        ("market", "btcusdt@miniTicker", {"c", "h", "l", "v", "q"}),
    ],
)
def test_market_streams_answer_in_path_and_combined_form(
    endpoint: PaperExchange, route: str, name: str, fields: set[str]
):
    with connect(f"{endpoint.ws}/{route}/ws/{name}") as connection:
        assert fields <= set(receive(connection))
    with connect(f"{endpoint.ws}/{route}/stream?streams={name}/ethusdt@{name.split('@', 1)[1]}") as connection:
        message = receive(connection)
        assert set(message) == {"stream", "data"}
        assert fields <= set(message["data"])


def test_depth_updates_join_into_a_book_without_gaps(endpoint: PaperExchange):
    with connect(f"{endpoint.ws}/public/ws/btcusdt@depth@100ms") as connection:
        events = [receive(connection) for _ in range(5)]
    assert all(later["pu"] == earlier["u"] for earlier, later in pairwise(events))
    assert all(event["U"] <= event["u"] for event in events)


def test_depth_updates_stay_joined_while_own_orders_come_and_go(client: RawClient, endpoint: PaperExchange):
    bid, _ = client.best("BTCUSDT")
    price = str((bid * Decimal("0.99")).quantize(Decimal("0.1")))
    with connect(f"{endpoint.ws}/public/ws/btcusdt@depth@100ms") as connection:
        events = [receive(connection)]
        for _ in range(6):
            order = accepted(client.signed("POST", ORDER, {**limit_parameters(client), "price": price}))
            events.append(receive(connection))
            accepted(client.signed("DELETE", ORDER, {"symbol": "BTCUSDT", "orderId": order["orderId"]}))
            events.append(receive(connection))
    assert all(later["pu"] == earlier["u"] for earlier, later in pairwise(events))


def test_the_last_event_of_a_candle_says_that_it_is_closed(jumping_endpoint: PaperExchange):
    with connect(f"{jumping_endpoint.ws}/market/ws/btcusdt@kline_1m") as connection:
        opened = receive(connection)["k"]["t"]
        jumping_endpoint.clock(advance_ms=60_000)
        seen: list[tuple[int, bool]] = []
        while not any(start > opened for start, _ in seen):
            candle = receive(connection)["k"]
            seen.append((candle["t"], candle["x"]))
    assert (opened, True) in seen
    assert seen[-1][1] is False
