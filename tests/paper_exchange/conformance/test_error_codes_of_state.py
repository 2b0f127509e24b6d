"""The codes that need a state of the account, of the book or of the exchange first: each provoked over the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.paper_exchange.conformance.raw_client import RawClient
from tests.paper_exchange.conformance.test_error_codes import LIMIT, MARKET, ORDER, algo, order, refused
from tests.support.paper_exchange import PaperExchange

BTC = "BTCUSDT"
ORDERS_OPEN_MAX = 200  # MAX_NUM_ORDERS of every symbol; conditional orders have the same limit for the whole account
FROZEN = {"kind": "frozen_prices"}


@pytest.fixture
def client(raw: RawClient, endpoint: PaperExchange) -> Iterator[RawClient]:
    """An account without orders and positions, at the leverage that a new one has, on an undisturbed exchange."""
    endpoint.limits(weight_per_minute=1_000_000, orders_per_ten_seconds=1_000_000, orders_per_minute=1_000_000)
    yield raw
    endpoint.clear_faults()
    raw.clean((BTC,))
    raw.answer("POST", "/fapi/v1/leverage", {"symbol": BTC, "leverage": 20})


def low_price(client: RawClient) -> Decimal:
    bid, _ = client.best(BTC)
    return (bid * Decimal("0.97")).quantize(Decimal("0.1"))


def test_parameters_are_counted_and_empty_ones_named(client: RawClient):
    refused(client.signed("GET", "/fapi/v1/openOrders", {f"p{number}": "1" for number in range(200)}), -1101)
    refused(order(client, LIMIT, timeInForce=""), -1105)
    refused(order(client, LIMIT, newClientOrderId=""), -1105)


def test_a_market_order_without_any_counterparty_is_unable_to_fill(client: RawClient, endpoint: PaperExchange):
    endpoint.faults({"kind": "thin_book", "depth": "0"}, FROZEN)
    refused(order(client, MARKET), -2020)


def share_for_far_levels(client: RawClient, symbol: str) -> Decimal | None:
    """The share of the asks that leaves only levels beyond the percent filter; None when there is none."""
    mark = Decimal(client.public("/fapi/v1/premiumIndex", symbol=symbol).json()["markPrice"])
    asks = client.public("/fapi/v1/depth", symbol=symbol, limit=1000).json()["asks"]
    near = max(Decimal(size) for price, size in asks if Decimal(price) <= mark * Decimal("1.05"))
    far = max((Decimal(size) for price, size in asks if Decimal(price) > mark * Decimal("1.05")), default=Decimal(0))
    rules = client.public("/fapi/v1/exchangeInfo").json()["symbols"]
    filters = next(row["filters"] for row in rules if row["symbol"] == symbol)
    step = next(Decimal(row["stepSize"]) for row in filters if row["filterType"] == "LOT_SIZE")
    return 2 * step / (near + far) if near < far else None


def test_a_market_order_whose_counter_price_is_beyond_the_percent_filter(client: RawClient, endpoint: PaperExchange):
    endpoint.faults(FROZEN)
    # Books differ in shape and change with time: of many, some are deepest far from the market.
    shares = {
        symbol: share_for_far_levels(client, symbol) for symbol in (BTC, "ETHUSDT", "BNBUSDT", "SOLUSDT", "LTCUSDT")
    }
    symbol, only_far = next((symbol, share) for symbol, share in shares.items() if share is not None)
    endpoint.faults(FROZEN, {"kind": "thin_book", "depth": f"{only_far:f}"})
    refused(order(client, MARKET, symbol=symbol, quantity="0.1"), -4131)


def test_no_more_open_orders_of_a_symbol_than_its_filter_says(client: RawClient):
    one = {**LIMIT, "quantity": "0.001", "price": str(low_price(client))}
    five = json.dumps([one] * 5)
    for _ in range(ORDERS_OPEN_MAX // 5):
        answers = client.answer("POST", "/fapi/v1/batchOrders", {"batchOrders": five})
        assert [answer.get("code") for answer in answers] == [None] * 5
    refused(client.signed("POST", ORDER, one), -2025)
    assert len(client.answer("GET", "/fapi/v1/openOrders", {"symbol": BTC})) == ORDERS_OPEN_MAX


def test_no_more_open_conditional_orders_than_the_account_may_have(client: RawClient):
    for _ in range(ORDERS_OPEN_MAX):
        assert algo(client).status_code == 200
    refused(algo(client), -4045)
    assert len(client.answer("GET", "/fapi/v1/openAlgoOrders")) == ORDERS_OPEN_MAX


def test_leverage_caps_the_position_for_orders_and_for_itself(client: RawClient):
    client.answer("POST", "/fapi/v1/leverage", {"symbol": BTC, "leverage": 125})
    refused(order(client, LIMIT, quantity="3.6"), -2027)  # above 300,000 USDT, which is all that 125x may hold
    client.answer("POST", "/fapi/v1/leverage", {"symbol": BTC, "leverage": 50})
    client.market_order(BTC, "BUY", "4")
    refused(client.signed("POST", "/fapi/v1/leverage", {"symbol": BTC, "leverage": 125}), -2027)
    assert leverage(client) == "50"


def test_leverage_is_not_lowered_below_what_the_margin_carries(client: RawClient):
    client.market_order(BTC, "BUY", "0.5")  # 45,000 USDT on 10,000
    refused(client.signed("POST", "/fapi/v1/leverage", {"symbol": BTC, "leverage": 2}), -2028)
    assert leverage(client) == "20"
    client.answer("POST", "/fapi/v1/leverage", {"symbol": BTC, "leverage": 10})


def leverage(client: RawClient) -> Any:
    return next(row["leverage"] for row in client.answer("GET", "/fapi/v2/positionRisk", {"symbol": BTC}))


def test_the_position_mode_does_not_change_beside_orders_or_positions(client: RawClient):
    hedge = {"dualSidePosition": "true"}
    assert order(client, LIMIT).status_code == 200
    refused(client.signed("POST", "/fapi/v1/positionSide/dual", hedge), -4067)
    client.clean((BTC,))
    client.market_order(BTC, "BUY", "0.002")
    refused(client.signed("POST", "/fapi/v1/positionSide/dual", hedge), -4068)
    client.clean((BTC,))
    refused(client.signed("POST", "/fapi/v1/positionSide/dual", hedge), -4084)  # hedge mode itself is not offered


def test_a_request_that_reaches_matching_after_its_window_is_refused_there(client: RawClient, endpoint: PaperExchange):
    endpoint.faults({"kind": "delay_acceptance", "delay_ms": 400, "count": 1})
    refused(order(client, LIMIT, recvWindow="200", newClientOrderId="late"), -5028)
    refused(client.signed("GET", ORDER, {"symbol": BTC, "origClientOrderId": "late"}), -2013)


def test_an_amendment_keeps_to_the_smallest_notional_and_must_change_something(client: RawClient):
    price = low_price(client)
    placed = order(client, LIMIT, quantity="0.002", price=str(price)).json()
    amendment = {"symbol": BTC, "orderId": placed["orderId"], "side": "BUY", "quantity": "0.002", "price": str(price)}
    refused(client.signed("PUT", ORDER, amendment), -5027)
    refused(client.signed("PUT", ORDER, {**amendment, "quantity": "0.001", "price": "45000"}), -5029)
    assert client.answer("GET", ORDER, {"symbol": BTC, "orderId": placed["orderId"]})["price"] == placed["price"]


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ({"kind": "timeout"}, 408, -1007),
        ({"kind": "throttled"}, 503, -1008),
        ({"kind": "http_error", "status": 503, "text": "internal"}, 503, -1001),
        ({"kind": "http_error", "status": 503, "text": "unknown"}, 503, -1000),
    ],
    ids=lambda value: str(value.get("text", value["kind"])) if isinstance(value, dict) else str(value),
)
def test_trouble_inside_the_exchange_has_its_codes(
    client: RawClient, endpoint: PaperExchange, fault: dict[str, Any], status: int, code: int
):
    endpoint.faults({**fault, "count": 1})
    refused(order(client, LIMIT, newClientOrderId="in-trouble"), code, status)
    refused(client.signed("GET", ORDER, {"symbol": BTC, "origClientOrderId": "in-trouble"}), -2013)
