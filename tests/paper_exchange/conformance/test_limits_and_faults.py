"""Limits passed and answers lost, as the clients see them: which exception, which wait, and that nothing is resent."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import ccxt
import pytest
from binance import Client
from binance.exceptions import BinanceAPIException
from binance_common.configuration import ConfigurationRestAPI
from binance_common.errors import RateLimitBanError, TooManyRequestsError
from binance_sdk_derivatives_trading_usds_futures import DerivativesTradingUsdsFutures
from binance_sdk_derivatives_trading_usds_futures.rest_api import models

from tests.paper_exchange.conformance.raw_client import RawClient
from tests.paper_exchange.conformance.test_ccxt import pointed_at
from tests.support.paper_exchange import PaperExchange

ORDINARY = {"weight_per_minute": 2400, "orders_per_ten_seconds": 300, "orders_per_minute": 1200, "ignored_429_max": 20}


@pytest.fixture
def limited(endpoint: PaperExchange) -> Iterator[PaperExchange]:
    """Counters at zero before, ordinary limits after."""
    endpoint.limits(**ORDINARY, reset=True)
    yield endpoint
    endpoint.clear_faults()
    endpoint.limits(**ORDINARY, reset=True)


@pytest.fixture(scope="module")
def python_binance(endpoint: PaperExchange) -> Iterator[Any]:
    client = Client(endpoint.key, endpoint.secret, ping=False)
    client.FUTURES_URL = f"{endpoint.url}/fapi"
    yield client
    client.close_connection()


@pytest.fixture(scope="module")
def sdk(endpoint: PaperExchange) -> Any:
    configuration = ConfigurationRestAPI(
        api_key=endpoint.key, api_secret=endpoint.secret, base_path=endpoint.url, timeout=10_000, retries=0
    )
    return DerivativesTradingUsdsFutures(config_rest_api=configuration).rest_api


@pytest.fixture(scope="module")
def unified(endpoint: PaperExchange) -> Any:
    client = pointed_at(ccxt.binanceusdm({"apiKey": endpoint.key, "secret": endpoint.secret}), endpoint)
    client.load_markets()
    return client


def test_weight_used_up_is_429_with_a_wait(limited: PaperExchange, raw: RawClient, sdk: Any, python_binance: Any):
    limited.limits(weight_per_minute=30)
    statuses = [raw.public("/fapi/v1/depth", symbol="BTCUSDT", limit=500).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    refused = raw.public("/fapi/v1/depth", symbol="BTCUSDT", limit=500)
    assert refused.json()["code"] == -1003
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    with pytest.raises(TooManyRequestsError) as by_sdk:
        sdk.order_book(symbol="BTCUSDT", limit=500)
    assert 1 <= by_sdk.value.retry_after <= 60
    with pytest.raises(BinanceAPIException) as by_library:
        python_binance.futures_order_book(symbol="BTCUSDT", limit=500)
    assert (by_library.value.status_code, by_library.value.code) == (429, -1003)


def test_ccxt_tells_a_used_up_limit(limited: PaperExchange, unified: Any):
    limited.limits(weight_per_minute=1)
    unified.fetch_time()
    with pytest.raises((ccxt.RateLimitExceeded, ccxt.DDoSProtection)):
        unified.fetch_order_book("BTC/USDT:USDT", 5)


def test_asking_on_after_429_is_a_ban(limited: PaperExchange, raw: RawClient, sdk: Any):
    limited.limits(weight_per_minute=1, ignored_429_max=3)
    statuses = [raw.public("/fapi/v1/ping").status_code for _ in range(6)]
    assert statuses == [200, 429, 429, 429, 418, 418]
    with pytest.raises(RateLimitBanError, match="banned until") as banned:
        sdk.test_connectivity()
    assert 1 <= banned.value.retry_after <= 120


def test_orders_used_up_are_1015_and_not_executed(limited: PaperExchange, raw: RawClient, sdk: Any):
    limited.limits(orders_per_ten_seconds=2)
    # A window that ends in between begins again at zero, so two windows' worth and one more are enough.
    codes = [raw.signed("POST", "/fapi/v1/order", {"symbol": "NOPEUSDT"}).json()["code"] for _ in range(5)]
    assert -1015 in codes
    # Cancels and queries have no share in it.
    assert raw.signed("DELETE", "/fapi/v1/order", {"symbol": "BTCUSDT", "orderId": 1}).json()["code"] == -2011
    limited.limits(orders_per_ten_seconds=0)
    before = Decimal(raw.answer("GET", "/fapi/v2/balance")[0]["balance"])
    with pytest.raises(TooManyRequestsError) as refused:
        sdk.new_order("ETHUSDT", models.NewOrderSideEnum.BUY, models.NewOrderTypeEnum.MARKET, quantity=0.1)
    assert refused.value.status_code == -1015
    assert Decimal(raw.answer("GET", "/fapi/v2/balance")[0]["balance"]) == before


def test_the_order_limit_of_the_account_can_be_asked_for(limited: PaperExchange, raw: RawClient):
    rows = raw.answer("GET", "/fapi/v1/rateLimit/order")
    assert {(row["rateLimitType"], row["interval"], row["intervalNum"], row["limit"]) for row in rows} == {
        ("ORDERS", "SECOND", 10, 300),
        ("ORDERS", "MINUTE", 1, 1200),
    }


def test_a_used_up_limit_is_free_again_in_the_next_minute(jumping_endpoint: PaperExchange):
    jumping_endpoint.limits(weight_per_minute=1, reset=True)
    assert [jumping_endpoint.http.get("/fapi/v1/ping").status_code for _ in range(2)] == [200, 429]
    jumping_endpoint.clock(advance_ms=60_000)
    assert jumping_endpoint.http.get("/fapi/v1/ping").status_code == 200


def buy_with(name: str, *, unified: Any, python_binance: Any, sdk: Any) -> None:
    """One market order by this client."""
    if name == "ccxt":
        unified.create_order("ETH/USDT:USDT", "market", "buy", 0.1)
    elif name == "python-binance":
        python_binance.futures_create_order(symbol="ETHUSDT", side="BUY", type="MARKET", quantity="0.1")
    else:
        sdk.new_order("ETHUSDT", models.NewOrderSideEnum.BUY, models.NewOrderTypeEnum.MARKET, quantity=0.1)


@pytest.mark.parametrize("name", ["ccxt", "python-binance", "official SDK"])
@pytest.mark.parametrize(
    ("fault", "is_executed"),
    [
        ({"kind": "http_error", "status": 503, "text": "unknown", "accepted": True}, True),
        ({"kind": "http_error", "status": 503, "text": "unknown", "accepted": False}, False),
        ({"kind": "http_error", "status": 502, "text": "html", "accepted": True}, True),
        ({"kind": "timeout", "accepted": True}, True),
        ({"kind": "throttled"}, False),
        ({"kind": "drop_reply"}, True),
        ({"kind": "drop_request"}, False),
    ],
    ids=lambda value: " ".join(str(v) for v in value.values()) if isinstance(value, dict) else "",
)
def test_a_lost_answer_is_an_error_for_the_client_and_at_most_one_order_here(
    limited: PaperExchange,
    unified: Any,
    python_binance: Any,
    sdk: Any,
    name: str,
    fault: dict[str, Any],
    is_executed: bool,
):
    before = executed(limited)
    limited.faults({**fault, "count": 1})
    with pytest.raises(Exception) as failed:
        buy_with(name, unified=unified, python_binance=python_binance, sdk=sdk)
    assert type(failed.value).__module__.split(".")[0] in ("ccxt", "binance", "binance_common", "requests")
    # Seen once: the library did not send again by itself.
    assert [(rule["seen"], rule["fired"]) for rule in limited.fault_list()] == [(1, 1)]
    assert executed(limited) - before == (1 if is_executed else 0)


def executed(exchange: PaperExchange) -> int:
    return sum(bool(order["fills"]) for order in exchange.ledger()["orders"])
