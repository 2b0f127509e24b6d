"""Rate limits at their boundaries: fixed windows, two budgets, headers, Retry-After, bans for who does not listen."""

from __future__ import annotations

import pytest

from app.paper_exchange.rate_limits import Limits
from tests.paper_exchange.desk import Desk

MINUTE_START_MS = 1_795_000_020_000
WIDE = 1_000_000


def desk_at(offset_ms: int, **limits: int) -> Desk:
    assert MINUTE_START_MS % 60_000 == 0
    return Desk(start_ms=MINUTE_START_MS + offset_ms, limits=Limits(**limits))


def test_weight_is_limited_within_a_fixed_minute_and_free_again_in_the_next():
    desk = desk_at(59_000, weight_per_minute=10)
    for used in (5, 10):
        assert desk.ask("GET", "/fapi/v3/account").headers["X-MBX-USED-WEIGHT-1M"] == str(used)
    refused = desk.ask("GET", "/fapi/v3/account")
    assert (refused.status, refused.code, refused.headers["Retry-After"]) == (429, -1003, "1")
    desk.advance(1_000)
    assert desk.ask("GET", "/fapi/v3/account").headers["X-MBX-USED-WEIGHT-1M"] == "5"


def test_a_burst_across_the_boundary_is_allowed_as_on_the_exchange():
    desk = desk_at(59_999, weight_per_minute=10)
    answers = [desk.ask("GET", "/fapi/v3/account").status for _ in range(2)]
    desk.advance(1)
    answers += [desk.ask("GET", "/fapi/v3/account").status for _ in range(2)]
    assert answers == [200] * 4


def test_weight_is_counted_by_address():
    desk = desk_at(0, weight_per_minute=10)
    for _ in range(2):
        desk.ask("GET", "/fapi/v3/account", ip="10.0.0.1")
    assert desk.ask("GET", "/fapi/v3/account", ip="10.0.0.1").status == 429
    assert desk.ask("GET", "/fapi/v3/account", ip="10.0.0.2").status == 200


def test_orders_are_counted_by_account_over_ten_seconds_and_a_minute():
    desk = desk_at(5_000, orders_per_ten_seconds=2, orders_per_minute=3)
    for count in (1, 2):
        headers = desk.order().headers
        assert (headers["X-MBX-ORDER-COUNT-10S"], headers["X-MBX-ORDER-COUNT-1M"]) == (str(count), str(count))
        assert headers["X-MBX-USED-WEIGHT-1M"] == "-1"
    refused = desk.order(ip="10.0.0.2")
    assert (refused.status, refused.code, refused.headers["Retry-After"]) == (429, -1015, "5")
    desk.advance(5_000)
    assert desk.order().headers["X-MBX-ORDER-COUNT-10S"] == "1"
    refused = desk.order()
    assert (refused.code, refused.headers["Retry-After"]) == (-1015, "50")


def test_a_refused_order_was_not_executed_but_is_in_the_ledger():
    desk = desk_at(0, orders_per_ten_seconds=0)
    assert desk.order().code == -1015
    assert not desk.venue.state.orders
    [record] = desk.venue.state.requests.records.values()
    assert (record.error_code, record.order_id) == (-1015, 0)


def test_an_order_the_engine_refuses_counts_all_the_same():
    desk = desk_at(0)
    assert desk.order(quantity="0.0005").headers["X-MBX-ORDER-COUNT-10S"] == "1"


def test_a_badly_signed_order_does_not_count():
    desk = desk_at(0)
    assert desk.order(signature="00").code == -1022
    assert desk.venue.limits.order_counts(MINUTE_START_MS) == (0, 0)


def test_cancelling_and_asking_cost_no_orders():
    desk = desk_at(0, orders_per_ten_seconds=1)
    order = desk.order(price="89000")
    assert desk.ask("GET", "/fapi/v1/order", symbol="BTCUSDT", orderId=order.json["orderId"]).status == 200
    assert desk.ask("DELETE", "/fapi/v1/order", symbol="BTCUSDT", orderId=order.json["orderId"]).status == 200


def test_a_batch_counts_each_order_on_ten_seconds_and_one_on_the_minute():
    desk = desk_at(0)
    batch = '[{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":"0.001"}]'
    item = batch[1:-1]
    answer = desk.ask("POST", "/fapi/v1/batchOrders", batchOrders=f"[{item},{item},{item}]")
    assert answer.headers["X-MBX-ORDER-COUNT-10S"] == "3"
    assert answer.headers["X-MBX-ORDER-COUNT-1M"] == "1"
    assert answer.headers["X-MBX-USED-WEIGHT-1M"] == "5"


def test_ignoring_429_ends_in_a_ban_that_grows():
    desk = desk_at(0, weight_per_minute=0, ignored_429_max=3)
    statuses = [desk.get("/fapi/v1/ping").status for _ in range(5)]
    assert statuses == [429, 429, 429, 418, 418]
    banned = desk.get("/fapi/v1/ping")
    assert banned.code == -1003
    assert f"IP banned until {MINUTE_START_MS + 120_000}" in banned.json["msg"]
    assert banned.headers["Retry-After"] == "120"
    desk.venue.limits.limits.weight_per_minute = WIDE
    assert desk.get("/fapi/v1/ping").status == 418
    desk.advance(120_000)
    assert desk.get("/fapi/v1/ping").status == 200
    desk.venue.limits.limits.weight_per_minute = 0
    answers = [desk.get("/fapi/v1/time") for _ in range(4)]
    assert answers[-1].headers["Retry-After"] == "240"


def test_funding_endpoints_share_a_bucket_of_their_own():
    desk = desk_at(0, funding_per_five_minutes=2)
    assert desk.get("/fapi/v1/fundingRate").headers["X-MBX-USED-WEIGHT-1M"] == "0"
    assert desk.get("/fapi/v1/fundingInfo").status == 200
    assert desk.get("/fapi/v1/fundingRate").status == 429
    assert desk.get("/fapi/v1/ping").status == 200


@pytest.mark.parametrize(
    ("path", "params", "weight"),
    [
        ("/fapi/v1/depth", {"symbol": "BTCUSDT", "limit": 50}, 2),
        ("/fapi/v1/depth", {"symbol": "BTCUSDT", "limit": 100}, 5),
        ("/fapi/v1/depth", {"symbol": "BTCUSDT"}, 10),
        ("/fapi/v1/depth", {"symbol": "BTCUSDT", "limit": 1000}, 20),
        ("/fapi/v1/klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": 99}, 1),
        ("/fapi/v1/klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": 100}, 2),
        ("/fapi/v1/klines", {"symbol": "BTCUSDT", "interval": "1m"}, 5),
        ("/fapi/v1/klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": 1500}, 10),
        ("/fapi/v1/ticker/bookTicker", {}, 5),
        ("/fapi/v1/ticker/bookTicker", {"symbol": "BTCUSDT"}, 2),
        ("/fapi/v1/premiumIndex", {}, 10),
        ("/fapi/v1/exchangeInfo", {}, 1),
    ],
)
def test_weights_follow_the_published_table(path: str, params: dict[str, object], weight: int):
    desk = desk_at(0)
    assert desk.get(path, **params).headers["X-MBX-USED-WEIGHT-1M"] == str(weight)


@pytest.mark.parametrize(
    ("path", "weight"),
    [
        ("/fapi/v1/openOrders", 40),
        ("/fapi/v1/openAlgoOrders", 40),
        ("/fapi/v1/income", 30),
        ("/fapi/v1/positionSide/dual", 30),
        ("/fapi/v1/multiAssetsMargin", 30),
        ("/fapi/v1/allOrders", 5),
        ("/fapi/v2/balance", 5),
        ("/fapi/v3/positionRisk", 5),
        ("/fapi/v1/symbolConfig", 5),
    ],
)
def test_signed_weights_follow_the_published_table(path: str, weight: int):
    assert desk_at(0).ask("GET", path).headers["X-MBX-USED-WEIGHT-1M"] == str(weight)
