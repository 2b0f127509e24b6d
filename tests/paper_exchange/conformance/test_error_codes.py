"""The codes of refusals, one claim each: code, HTTP status and that nothing was executed."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import urlencode

import httpx
import pytest

from tests.paper_exchange.conformance.raw_client import RawClient, now_ms
from tests.support.paper_exchange import PaperExchange

CLEANED = ("BTCUSDT", "ETHUSDT")
ORDER = "/fapi/v1/order"
LIMIT = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01",
    "price": "{low}",
}
MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}


@pytest.fixture
def client(raw: RawClient) -> RawClient:
    raw.clean(CLEANED)
    return raw


def refused(response: httpx.Response, code: int, status: int = 400) -> None:
    assert response.headers["content-type"].startswith("application/json"), response.text
    body = response.json()
    assert (response.status_code, body.get("code")) == (status, code), response.text
    assert isinstance(body["msg"], str)
    assert body["msg"]


def order(client: RawClient, base: Mapping[str, object], without: str = "", **changes: object) -> httpx.Response:
    """Send a good order with changes; `{low}` and `{high}` are prices three percent under and over the market."""
    bid, ask = client.best("BTCUSDT")
    low, high = (bid * Decimal("0.97")).quantize(Decimal("0.1")), (ask * Decimal("1.03")).quantize(Decimal("0.1"))
    parameters = {**base, **changes}
    parameters.pop(without, None)
    filled = {name: str(value).format(low=low, high=high) for name, value in parameters.items()}
    return client.signed("POST", ORDER, filled)


@pytest.mark.parametrize(
    ("base", "changes", "code"),
    [
        (LIMIT, {"symbol": "NOPEUSDT"}, -1121),
        (LIMIT, {"side": "HOLD"}, -1117),
        (LIMIT, {"type": "ICEBERG"}, -1116),
        (LIMIT, {"timeInForce": "DAY"}, -1115),
        (MARKET, {"timeInForce": "GTC"}, -1106),
        (LIMIT, {"newOrderRespType": "FULL"}, -1136),
        (LIMIT, {"quantity": "1e-05"}, -1100),
        (LIMIT, {"quantity": "-1"}, -1100),
        (LIMIT, {"price": "abc"}, -1100),
        (LIMIT, {"quantity": ""}, -1102),
        (LIMIT, {"newClientOrderId": "a" * 37}, -4015),
        (LIMIT, {"newClientOrderId": "has space"}, -1100),
        (LIMIT, {"quantity": "0.0001"}, -1111),
        (LIMIT, {"price": "{low}55"}, -1111),
        (LIMIT, {"quantity": "0"}, -4003),
        (LIMIT, {"quantity": "1001"}, -4005),
        (MARKET, {"quantity": "121"}, -4005),
        (LIMIT, {"price": "0"}, -4001),
        (LIMIT, {"price": "100.0"}, -4013),
        (LIMIT, {"price": "4529765"}, -4002),
        (LIMIT, {"price": "{low}5"}, -4014),
        (LIMIT, {"price": "99999.9", "side": "BUY"}, -4016),
        (LIMIT, {"price": "80000.0", "side": "SELL"}, -4024),
        (LIMIT, {"symbol": "ETHUSDT", "quantity": "0.001", "price": "2950.00"}, -4164),
        (LIMIT, {"positionSide": "LONG"}, -4061),
        (LIMIT, {"type": "STOP_MARKET", "stopPrice": "{high}"}, -4120),
        (LIMIT, {"type": "TAKE_PROFIT", "stopPrice": "{high}"}, -4120),
        (LIMIT, {"type": "TRAILING_STOP_MARKET", "callbackRate": "1"}, -4120),
        (MARKET, {"reduceOnly": "true"}, -2022),
        (MARKET, {"quantity": "119"}, -2019),
        (LIMIT, {"timeInForce": "FOK"}, -5021),
        (LIMIT, {"timeInForce": "GTX", "price": "{high}"}, -5022),
        (LIMIT, {"timeInForce": "GTD"}, -1102),
        (LIMIT, {"timeInForce": "GTD", "goodTillDate": "1700000000000"}, -5040),
    ],
    ids=lambda value: "" if isinstance(value, dict) and "symbol" in value and len(value) > 3 else str(value),
)
def test_an_order_is_refused_with(client: RawClient, base: Mapping[str, str], changes: Mapping[str, str], code: int):
    refused(order(client, base, **changes), code)
    assert client.answer("GET", "/fapi/v1/openOrders", {"symbol": "BTCUSDT"}) == []


@pytest.mark.parametrize("name", ["symbol", "side", "type", "timeInForce", "quantity", "price"])
def test_a_missing_mandatory_parameter_is_named(client: RawClient, name: str):
    response = order(client, LIMIT, without=name)
    refused(response, -1102)
    assert f"'{name.lower()}'" in response.json()["msg"].lower()


def test_the_smallest_notional_is_waived_for_reduce_only(client: RawClient):
    client.market_order("BTCUSDT", "BUY", "0.002")
    response = order(client, LIMIT, side="SELL", price="{high}", quantity="0.001", reduceOnly="true")
    assert response.status_code == 200, response.text
    refused(order(client, {**LIMIT, "symbol": "ETHUSDT", "price": "2950.00"}, quantity="0.001"), -4164)


def test_reduce_only_in_the_same_direction_is_refused(client: RawClient):
    client.market_order("BTCUSDT", "BUY", "0.002")
    refused(order(client, MARKET, quantity="0.001", reduceOnly="true"), -2022)


def test_a_reduce_only_limit_beyond_the_position_is_shrunk_to_it(client: RawClient):
    client.market_order("BTCUSDT", "BUY", "0.002")
    response = order(client, LIMIT, side="SELL", price="{high}", quantity="0.01", reduceOnly="true")
    assert response.json()["origQty"] == "0.002", response.text


@pytest.mark.parametrize(
    ("age_ms", "window", "code"), [(6_000, None, -1021), (3_000, 2_000, -1021), (-10_000, None, -1021)]
)
def test_a_timestamp_outside_the_window_is_refused(client: RawClient, age_ms: int, window: int | None, code: int):
    parameters: dict[str, object] = {"symbol": "BTCUSDT"} | ({"recvWindow": window} if window else {})
    refused(client.signed("GET", "/fapi/v1/openOrders", {**parameters, "timestamp": now_ms() - age_ms}), code)


@pytest.mark.parametrize(("age_ms", "window"), [(2_000, None), (6_000, 30_000), (-500, None)])
def test_a_timestamp_inside_the_window_is_taken(client: RawClient, age_ms: int, window: int | None):
    parameters: dict[str, object] = {"symbol": "BTCUSDT"} | ({"recvWindow": window} if window else {})
    response = client.signed("GET", "/fapi/v1/openOrders", {**parameters, "timestamp": now_ms() - age_ms})
    assert response.status_code == 200, response.text


def test_a_missing_timestamp_is_refused(client: RawClient):
    text = "symbol=BTCUSDT"
    refused(client.send("GET", "/fapi/v1/openOrders", f"{text}&signature={client.signature(text)}"), -1102)


def test_a_wrong_signature_is_refused_and_a_missing_one_named(client: RawClient):
    text = urlencode({"symbol": "BTCUSDT", "timestamp": now_ms()})
    refused(client.send("GET", "/fapi/v1/openOrders", f"{text}&signature={'0' * 64}"), -1022)
    refused(client.send("GET", "/fapi/v1/openOrders", text), -1102)


def test_an_upper_case_signature_is_taken(client: RawClient):
    text = urlencode({"symbol": "BTCUSDT", "timestamp": now_ms()})
    response = client.send("GET", "/fapi/v1/openOrders", f"{text}&signature={client.signature(text).upper()}")
    assert response.status_code == 200, response.text


def test_a_changed_parameter_breaks_the_signature(client: RawClient):
    text = urlencode({**MARKET, "timestamp": now_ms()})
    signature = client.signature(text)
    refused(client.send("POST", ORDER, f"{text.replace('0.01', '9.99')}&signature={signature}"), -1022)


def test_keys(client: RawClient, endpoint: PaperExchange):
    http = client.http
    refused(http.get(f"/fapi/v2/balance?timestamp={now_ms()}&signature=00"), -2014, 401)
    text = f"timestamp={now_ms()}"
    unknown = {"X-MBX-APIKEY": "A" * 64}
    refused(http.get(f"/fapi/v2/balance?{text}&signature={client.signature(text)}", headers=unknown), -2015, 401)


def test_queries_and_cancels_of_what_does_not_exist(client: RawClient):
    refused(client.signed("GET", ORDER, {"symbol": "BTCUSDT", "orderId": "999999999"}), -2013)
    refused(client.signed("GET", ORDER, {"symbol": "BTCUSDT", "origClientOrderId": "never"}), -2013)
    refused(client.signed("GET", "/fapi/v1/openOrder", {"symbol": "BTCUSDT", "orderId": "999999999"}), -2013)
    refused(client.signed("DELETE", ORDER, {"symbol": "BTCUSDT", "orderId": "999999999"}), -2011)
    refused(client.signed("GET", ORDER, {"symbol": "BTCUSDT"}), -1102)


def test_what_left_no_order_is_not_found_by_its_id(client: RawClient):
    refused(order(client, LIMIT, timeInForce="FOK", newClientOrderId="fok-gone"), -5021)
    refused(client.signed("GET", ORDER, {"symbol": "BTCUSDT", "origClientOrderId": "fok-gone"}), -2013)


def test_settings(client: RawClient):
    refused(client.signed("POST", "/fapi/v1/leverage", {"symbol": "BTCUSDT", "leverage": "126"}), -4028)
    refused(client.signed("POST", "/fapi/v1/leverage", {"symbol": "BTCUSDT", "leverage": "0"}), -4028)
    refused(client.signed("POST", "/fapi/v1/marginType", {"symbol": "BTCUSDT", "marginType": "CROSSED"}), -4046)
    refused(client.signed("POST", "/fapi/v1/positionSide/dual", {"dualSidePosition": "false"}), -4059)
    assert order(client, LIMIT).status_code == 200
    refused(client.signed("POST", "/fapi/v1/marginType", {"symbol": "BTCUSDT", "marginType": "ISOLATED"}), -4047)
    client.clean(CLEANED)
    client.market_order("BTCUSDT", "BUY", "0.002")
    refused(client.signed("POST", "/fapi/v1/marginType", {"symbol": "BTCUSDT", "marginType": "ISOLATED"}), -4048)


def algo(client: RawClient, **changes: object) -> httpx.Response:
    bid, _ = client.best("BTCUSDT")
    good = {"algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET", "quantity": "0.01",
            "triggerPrice": str((bid * Decimal("0.97")).quantize(Decimal("0.1")))}  # fmt: skip
    return client.signed("POST", "/fapi/v1/algoOrder", {**good, **changes})


def test_conditional_orders_are_refused(client: RawClient):
    refused(algo(client, side="BUY"), -2021)
    refused(algo(client, type="LIMIT"), -1116)
    refused(algo(client, closePosition="true"), -4137)
    assert algo(client, clientAlgoId="twice").status_code == 200
    refused(algo(client, clientAlgoId="twice"), -4116)
    refused(client.signed("GET", "/fapi/v1/algoOrder", {"clientAlgoId": "never"}), -2013)
    refused(client.signed("DELETE", "/fapi/v1/algoOrder", {"clientAlgoId": "never"}), -2011)


@pytest.mark.parametrize(
    ("path", "parameters", "code"),
    [
        ("/fapi/v1/depth", {"symbol": "BTCUSDT", "limit": "3"}, -4021),
        ("/fapi/v1/depth", {"symbol": "BTCUSDT", "limit": "1500"}, -1130),
        ("/fapi/v1/depth", {"symbol": "NOPEUSDT"}, -1121),
        ("/fapi/v1/depth", {}, -1102),
        ("/fapi/v1/klines", {"symbol": "BTCUSDT", "interval": "1s"}, -1120),
        ("/fapi/v1/klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": "2000"}, -1130),
        ("/fapi/v1/klines", {"symbol": "BTCUSDT"}, -1102),
        ("/fapi/v1/premiumIndex", {"symbol": "NOPEUSDT"}, -1121),
    ],
)
def test_public_endpoints_refuse(client: RawClient, path: str, parameters: Mapping[str, str], code: int):
    refused(client.public(path, **parameters), code)


def test_exchange_information_ignores_a_symbol_even_a_wrong_one(client: RawClient):
    everything = client.public("/fapi/v1/exchangeInfo").json()["symbols"]
    for symbol in ("BTCUSDT", "NOPEUSDT"):
        assert client.public("/fapi/v1/exchangeInfo", symbol=symbol).json()["symbols"] == everything


def test_batches_take_at_most_five_and_answer_each_error_inline(client: RawClient):
    one = '{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":"0.00001"}'
    answers = client.answer("POST", "/fapi/v1/batchOrders", {"batchOrders": f"[{one},{one}]"})
    assert [answer["code"] for answer in answers] == [-1111, -1111]
    assert client.signed("POST", "/fapi/v1/batchOrders", {"batchOrders": f"[{','.join([one] * 6)}]"}).status_code == 400


def test_listen_key_that_is_gone(client: RawClient):
    client.keyed("POST", "/fapi/v1/listenKey")
    assert client.keyed("DELETE", "/fapi/v1/listenKey").status_code == 200
    refused(client.keyed("PUT", "/fapi/v1/listenKey"), -1125)


def test_an_unknown_path_is_no_json_success(client: RawClient):
    assert client.public("/fapi/v1/nope").status_code == 404


def test_weight_and_order_count_headers(client: RawClient):
    response = client.public("/fapi/v1/time")
    assert int(response.headers["x-mbx-used-weight-1m"]) > 0
    before = int(client.public("/fapi/v1/depth", symbol="BTCUSDT", limit="5").headers["x-mbx-used-weight-1m"])
    after = int(client.public("/fapi/v1/depth", symbol="BTCUSDT", limit="1000").headers["x-mbx-used-weight-1m"])
    assert after - before == 20
    placed = order(client, LIMIT)
    # Placing an order costs no weight and says so with -1; it counts on the account's order limits.
    assert placed.headers["x-mbx-used-weight-1m"] == "-1"
    assert int(placed.headers["x-mbx-order-count-10s"]) >= 1
    assert int(placed.headers["x-mbx-order-count-1m"]) >= 1
