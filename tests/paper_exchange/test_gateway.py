"""What the gateway checks before anything trades, what each response type tells, and what queries forget."""

from __future__ import annotations

from typing import Any

import pytest

from app.paper_exchange.rest.params import parse_parameters
from tests.paper_exchange.desk import Desk
from tests.paper_exchange.fixed_market import BTC, D

DAY_MS = 86_400_000


@pytest.fixture
def desk() -> Desk:
    return Desk()


def now(desk: Desk) -> int:
    return desk.clock.now_ms()


@pytest.mark.parametrize(
    ("age_ms", "window", "code"),
    [
        (5_000, None, None),
        (5_001, None, -1021),
        (2_000, 2_000, None),
        (2_001, 2_000, -1021),
        (-999, None, None),
        (-1_000, None, -1021),
        (0, 60_001, -1130),
    ],
)
def test_the_receive_window_to_the_millisecond(desk: Desk, age_ms: int, window: int | None, code: int | None):
    extra: dict[str, Any] = {} if window is None else {"recvWindow": window}
    answer = desk.order(timestamp=now(desk) - age_ms, **extra)
    assert (answer.code if answer.status != 200 else None) == code


@pytest.mark.parametrize(
    ("key", "status", "code"), [(None, 401, -2014), ("with space", 401, -2014), ("x" * 64, 401, -2015)]
)
def test_keys_are_checked_before_anything_else(desk: Desk, key: str | None, status: int, code: int):
    answer = desk.ask("GET", "/fapi/v3/account", key=key)
    assert (answer.status, answer.code) == (status, code)


def test_a_wrong_signature_and_a_missing_timestamp(desk: Desk):
    assert desk.order(signature="0" * 64).code == -1022
    assert desk.ask("GET", "/fapi/v3/account", timestamp="").code == -1102


@pytest.mark.parametrize(
    ("params", "result", "ack"),
    [
        ({}, ("FILLED", "0.010"), ("NEW", "0.000")),
        ({"price": "90000.10", "timeInForce": "IOC"}, ("FILLED", "0.010"), ("NEW", "0.000")),
        ({"price": "89000", "timeInForce": "IOC"}, ("EXPIRED", "0.000"), ("NEW", "0.000")),
        ({"price": "90000.10", "timeInForce": "FOK"}, ("FILLED", "0.010"), ("NEW", "0.000")),
        ({"price": "90000.10"}, ("FILLED", "0.010"), ("NEW", "0.000")),
        ({"price": "89000"}, ("NEW", "0.000"), ("NEW", "0.000")),
        ({"price": "89000", "timeInForce": "GTX"}, ("NEW", "0.000"), ("NEW", "0.000")),
    ],
)
def test_result_tells_the_outcome_and_ack_tells_nothing(
    desk: Desk, params: dict[str, Any], result: tuple[str, str], ack: tuple[str, str]
):
    told = desk.order(**params).json
    assert (told["status"], told["executedQty"]) == result
    acknowledged = desk.order(**params, newOrderRespType="ACK").json
    assert (acknowledged["status"], acknowledged["executedQty"]) == ack
    found = desk.ask("GET", "/fapi/v1/order", symbol=BTC, orderId=acknowledged["orderId"]).json
    assert (found["status"], found["executedQty"]) == result


def test_acknowledged_by_default(desk: Desk):
    params = desk.order_params()
    del params["newOrderRespType"]
    assert desk.ask("POST", "/fapi/v1/order", **params).json["status"] == "NEW"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"symbol": "NOPEUSDT"}, -1121),
        ({"side": "HOLD"}, -1117),
        ({"type": "STOP_MARKET"}, -4120),
        ({"type": "ICEBERG"}, -1116),
        ({"timeInForce": "GTC"}, -1106),
        ({"price": "90000", "timeInForce": "DAY"}, -1115),
        ({"quantity": "1e-05"}, -1100),
        ({"quantity": "-1"}, -1100),
        ({"quantity": ""}, -1102),
        ({"newClientOrderId": "x" * 37}, -4015),
        ({"newClientOrderId": "no spaces"}, -1100),
        ({"newOrderRespType": "FULL"}, -1136),
        ({"reduceOnly": "maybe"}, -1130),
        ({"positionSide": "SHORT"}, -4061),
        ({"priceMatch": "QUEUE"}, -5037),
        ({"selfTradePreventionMode": "X"}, -5039),
        ({"reduceOnly": "True"}, -2022),
    ],
)
def test_each_mistake_in_an_order_has_its_code(desk: Desk, change: dict[str, str], code: int):
    assert desk.order(**change).code == code
    assert not desk.venue.state.orders


def test_a_batch_answers_in_order_with_errors_inline(desk: Desk):
    item = '{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":"%s","newOrderRespType":"RESULT"}'
    batch = f"[{item % '0.010'},{item % '0.0001'},{item % '0.020'}]"
    answer = desk.ask("POST", "/fapi/v1/batchOrders", batchOrders=batch)
    assert answer.status == 200
    assert [row.get("executedQty", row.get("code")) for row in answer.json] == ["0.010", -1111, "0.020"]
    records = list(desk.venue.state.requests.records.values())
    assert [(bool(r.order_id), r.error_code) for r in records] == [(True, None), (False, -1111), (True, None)]


def test_an_order_without_a_fill_is_forgotten_after_three_days_and_a_filled_one_after_ninety(desk: Desk):
    filled = desk.order().json["orderId"]
    order = desk.order(price="89000").json["orderId"]
    desk.ask("DELETE", "/fapi/v1/order", symbol=BTC, orderId=order)
    desk.advance(3 * DAY_MS)
    assert desk.ask("GET", "/fapi/v1/order", symbol=BTC, orderId=order).json["status"] == "CANCELED"
    desk.advance(1)
    assert desk.ask("GET", "/fapi/v1/order", symbol=BTC, orderId=order).code == -2013
    assert desk.ask("GET", "/fapi/v1/order", symbol=BTC, orderId=filled).json["status"] == "FILLED"
    desk.advance(87 * DAY_MS)
    assert desk.ask("GET", "/fapi/v1/order", symbol=BTC, orderId=filled).code == -2013


def test_lists_are_limited_to_a_window_of_seven_days(desk: Desk):
    desk.order()
    start = now(desk)
    desk.advance(8 * DAY_MS)
    for path in ("/fapi/v1/userTrades", "/fapi/v1/allOrders"):
        assert desk.ask("GET", path, symbol=BTC).json == []
        assert len(desk.ask("GET", path, symbol=BTC, startTime=start).json) == 1
        wide = desk.ask("GET", path, symbol=BTC, startTime=start, endTime=start + 7 * DAY_MS + 1)
        assert wide.code == -4166


def test_the_query_wins_when_query_and_body_disagree():
    assert parse_parameters("a=1&b=2", "b=3&c=4") == {"a": "1", "b": "2", "c": "4"}


def test_an_unfilled_order_changes_no_balance_and_sends_no_account_update(desk: Desk):
    before = desk.venue.state.account.wallet
    desk.order(price="89000")
    assert desk.venue.state.account.wallet == before == D(1_000_000)
    assert [type(event).__name__ for event in desk.told] == ["OrderEvent"]
