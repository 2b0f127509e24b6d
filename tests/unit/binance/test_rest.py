"""The REST client: what is sent for each call, what is made of each answer, and what is never sent."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from app.adapters.binance.rest import QuestionError
from app.adapters.binance.signing import signature_of
from app.adapters.binance.weights import COSTS, acquire
from app.domain.market import AccountSnapshot, ExchangePosition
from app.domain.orders import OrderType
from app.domain.signals import Side
from app.ports import ExchangeTrade, Lane, NotFound, OrderReport, RateLimits, Rejected, RetryAfter, Unknown, Wait
from tests.unit.binance.fakes import (
    KEY,
    SECRET,
    SERVER_MS,
    RecordingBudget,
    ScriptedTransport,
    always,
    answer,
    form_of,
    make_attempt,
    make_exchange,
    order_json,
)


def sent(attempt: Any) -> tuple[httpx.Request, dict[str, str]]:
    transport = ScriptedTransport(always(200, order_json()))
    make_exchange(transport).submit(attempt)
    (request,) = transport.requests
    return request, form_of(request)


# ------------------------------------------------------------------------------------------------ submit


def test_a_limit_order_goes_out_with_exactly_the_attempts_id_timestamp_and_window() -> None:
    request, form = sent(make_attempt(signed_at_ms=1_700_000_000_123, recv_window_ms=2_345))
    assert (request.method, request.url.path, request.url.query) == ("POST", "/fapi/v1/order", b"")
    signature = form.pop("signature")
    assert form == {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "IOC",
        "price": "84000.1",
        "quantity": "0.01",
        "newClientOrderId": "qabc-1",
        "newOrderRespType": "RESULT",
        "recvWindow": "2345",
        "timestamp": "1700000000123",
    }
    payload = request.content.decode().rpartition("&signature=")[0]
    assert signature == signature_of(payload, secret=SECRET)
    assert request.headers["X-MBX-APIKEY"] == KEY


def test_a_market_exit_says_reduce_only_and_names_no_price() -> None:
    _, form = sent(
        make_attempt(order_type=OrderType.MARKET, time_in_force=None, price=None, reduce_only=True, side=Side.SELL)
    )
    assert form["reduceOnly"] == "true"
    assert (form["type"], form["side"]) == ("MARKET", "SELL")
    assert not {"price", "timeInForce"} & set(form)


def test_an_entry_does_not_mention_reduce_only() -> None:
    assert "reduceOnly" not in sent(make_attempt())[1]


def test_a_result_becomes_a_report_in_decimals() -> None:
    reply = make_exchange(always(200, order_json(status="EXPIRED", executedQty="0.004"))).submit(make_attempt())
    assert reply == OrderReport(
        exchange_order_id=22542179,
        client_order_id="qabc-1",
        symbol="BTCUSDT",
        status="EXPIRED",
        original_quantity=Decimal("0.010"),
        executed_quantity=Decimal("0.004"),
        average_price=Decimal("83999.50000"),
    )


def test_nothing_executed_has_no_average_price() -> None:
    reply = make_exchange(always(200, order_json(status="EXPIRED", executedQty="0", avgPrice="0.00"))).submit(
        make_attempt()
    )
    assert isinstance(reply, OrderReport)
    assert reply.average_price is None


@pytest.mark.parametrize(
    "changes",
    [
        {"clientOrderId": "qabc-2"},  # an answer to somebody else's request
        {"symbol": "ETHUSDT"},
        {"status": "PENDING_SOMETHING"},  # does it rest or not? nobody can tell
        {"executedQty": "0.011"},  # more than was ordered
        {"executedQty": "-0.001"},
        {"orderId": 0},
        {"orderId": 2**63},
        {"origQty": "NaN"},
        {"avgPrice": None},
    ],
)
def test_a_success_that_does_not_add_up_is_unknown(changes: dict[str, Any]) -> None:
    assert isinstance(make_exchange(always(200, order_json(**changes))).submit(make_attempt()), Unknown)


def test_the_content_type_of_an_answer_does_not_matter_its_bytes_do() -> None:
    reply = make_exchange(always(200, order_json(), {"Content-Type": "text/html"})).submit(make_attempt())
    assert isinstance(reply, OrderReport)


def test_a_redirect_is_not_followed() -> None:
    transport = ScriptedTransport(always(307, "", {"Location": "http://elsewhere.test/fapi/v1/order"}))
    assert isinstance(make_exchange(transport).submit(make_attempt()), Unknown)
    assert len(transport.requests) == 1


@pytest.mark.parametrize("quantity", [Decimal(-1), Decimal("NaN"), Decimal("1E+30")])
def test_an_order_without_a_form_on_the_wire_is_rejected_unsent(quantity: Decimal) -> None:
    transport = ScriptedTransport(always(200, order_json()))
    reply = make_exchange(transport).submit(make_attempt(quantity=quantity))
    assert isinstance(reply, Rejected)
    assert transport.requests == []


NOTHING_SENT = [httpx.ConnectError("refused"), httpx.ConnectTimeout("slow"), httpx.PoolTimeout("all busy")]
PERHAPS_SENT = [
    httpx.ReadError("reset"),
    httpx.ReadTimeout("slow"),
    httpx.WriteError("broken pipe"),
    httpx.WriteTimeout("slow"),
    httpx.RemoteProtocolError("disconnected"),
    httpx.LocalProtocolError("ours"),
    httpx.CloseError("closing"),
    httpx.ProxyError("proxy"),
    httpx.DecodingError("gzip"),
    httpx.TransportError("anything else"),
]


def raising(error: Exception) -> ScriptedTransport:
    def script(request: httpx.Request) -> httpx.Response:
        raise error

    return ScriptedTransport(script)


@pytest.mark.parametrize("error", NOTHING_SENT, ids=lambda error: type(error).__name__)
def test_a_request_that_certainly_never_left_may_be_tried_again(error: Exception) -> None:
    transport = raising(error)
    reply = make_exchange(transport).submit(make_attempt())
    assert isinstance(reply, RetryAfter)
    assert reply.code == "NOT_SENT"
    assert len(transport.requests) == 1


@pytest.mark.parametrize("error", PERHAPS_SENT, ids=lambda error: type(error).__name__)
def test_a_request_that_may_have_left_is_unknown_and_not_repeated(error: Exception) -> None:
    transport = raising(error)
    assert isinstance(make_exchange(transport).submit(make_attempt()), Unknown)
    assert len(transport.requests) == 1


# ------------------------------------------------------------------------------------------------ query


def test_not_found_carries_the_exchanges_time_from_before_the_query() -> None:
    transport = ScriptedTransport(always(400, {"code": -2013, "msg": "Order does not exist."}), server_ms=SERVER_MS)
    reply = make_exchange(transport).query_order(symbol="BTCUSDT", client_order_id="qabc-1")
    assert reply == NotFound(exchange_time_ms=SERVER_MS)
    assert transport.paths == ["GET /fapi/v1/time", "GET /fapi/v1/order"]


def test_a_query_is_signed_with_the_time_the_exchange_just_told() -> None:
    transport = ScriptedTransport(always(200, order_json()))
    reply = make_exchange(transport).query_order(symbol="BTCUSDT", client_order_id="qabc-1")
    assert isinstance(reply, OrderReport)
    form = form_of(transport.requests[-1])
    assert (form["origClientOrderId"], form["timestamp"], form["recvWindow"]) == ("qabc-1", str(SERVER_MS), "5000")


@pytest.mark.parametrize("code", [-2011, -1121, -2026, -1000, -9999])
def test_only_minus_2013_means_not_found(code: int) -> None:
    reply = make_exchange(always(400, {"code": code, "msg": ""})).query_order(symbol="BTCUSDT", client_order_id="a")
    assert not isinstance(reply, NotFound)


@pytest.mark.parametrize("status", [200, 408, 500, 503])
def test_minus_2013_is_believed_only_beside_a_refusals_status(status: int) -> None:
    exchange = make_exchange(always(status, {"code": -2013, "msg": "Order does not exist."}))
    assert isinstance(exchange.query_order(symbol="BTCUSDT", client_order_id="a"), Unknown)


def test_without_the_exchanges_time_the_order_is_not_asked_for() -> None:
    class Timeless(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            assert request.url.path == "/fapi/v1/time"
            return answer(502, "bad gateway")

    reply = make_exchange(Timeless()).query_order(symbol="BTCUSDT", client_order_id="a")
    assert isinstance(reply, Unknown)


def test_an_answer_about_another_order_is_not_ours() -> None:
    exchange = make_exchange(always(200, order_json(clientOrderId="other")))
    assert isinstance(exchange.query_order(symbol="BTCUSDT", client_order_id="qabc-1"), Unknown)


# ------------------------------------------------------------------------------------------------ cancel


def test_cancelling_covers_plain_and_conditional_orders() -> None:
    transport = ScriptedTransport(always(200, {"code": 200, "msg": "The operation of cancel all open order is done."}))
    make_exchange(transport).cancel_all("BTCUSDT")
    deletes = [path for path in transport.paths if path.startswith("DELETE")]
    assert deletes == ["DELETE /fapi/v1/allOpenOrders", "DELETE /fapi/v1/algoOpenOrders"]
    assert all(form_of(request)["symbol"] == "BTCUSDT" for request in transport.requests if request.method == "DELETE")


def test_nothing_to_cancel_is_success() -> None:
    make_exchange(always(400, {"code": -2011, "msg": "Unknown order sent."})).cancel_all("BTCUSDT")


def test_a_confirmation_with_its_code_as_text_is_one() -> None:
    make_exchange(always(200, {"code": "200", "msg": "done"})).cancel_all("BTCUSDT")


def test_the_conditional_orders_are_cancelled_even_when_the_plain_ones_could_not_be() -> None:
    def script(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("allOpenOrders"):
            raise httpx.ReadTimeout("slow")
        return answer(200, {"code": 200, "msg": "done"})

    transport = ScriptedTransport(script)
    with pytest.raises(QuestionError, match="allOpenOrders"):
        make_exchange(transport).cancel_all("BTCUSDT")
    assert "DELETE /fapi/v1/algoOpenOrders" in transport.paths


@pytest.mark.parametrize("body", [{}, [], {"code": 500, "msg": ""}, "gone"])
def test_a_cancellation_that_is_not_confirmed_is_an_error(body: Any) -> None:
    with pytest.raises(QuestionError):
        make_exchange(always(200, body)).cancel_all("BTCUSDT")


# ------------------------------------------------------------------------------------------------ questions

TRADE = {
    "symbol": "BTCUSDT",
    "id": 698759,
    "orderId": 25851813,
    "side": "SELL",
    "price": "7819.01",
    "qty": "0.002",
    "realizedPnl": "-0.91539999",
    "quoteQty": "15.63802",
    "commission": "-0.07819010",
    "commissionAsset": "USDT",
    "time": 1_569_514_978_020,
    "positionSide": "BOTH",
    "maker": True,
    "buyer": False,
}


def test_trades_come_ascending_and_exact() -> None:
    transport = ScriptedTransport(always(200, [{**TRADE, "id": 698760}, TRADE]))
    trades = make_exchange(transport).trades("BTCUSDT", from_id=698759, limit=5_000)
    assert [trade.trade_id for trade in trades] == [698759, 698760]
    assert trades[0] == ExchangeTrade(
        symbol="BTCUSDT",
        trade_id=698759,
        exchange_order_id=25851813,
        side=Side.SELL,
        price=Decimal("7819.01"),
        quantity=Decimal("0.002"),
        fee=Decimal("-0.07819010"),
        fee_asset="USDT",
        realised_pnl=Decimal("-0.91539999"),
        is_maker=True,
        traded_at=datetime(2019, 9, 26, 16, 22, 58, 20_000, tzinfo=UTC),
    )
    form = form_of(transport.requests[-1])
    assert (form["fromId"], form["limit"]) == ("698759", "1000")


def test_trades_of_one_order_are_asked_by_its_number() -> None:
    transport = ScriptedTransport(always(200, []))
    assert make_exchange(transport).trades("BTCUSDT", order_id=7) == []
    assert form_of(transport.requests[-1])["orderId"] == "7"


def test_flat_positions_are_left_out() -> None:
    row = {
        "symbol": "BTCUSDT",
        "positionSide": "BOTH",
        "positionAmt": "-0.250",
        "entryPrice": "84000.0",
        "markPrice": "84010.5",
        "unRealizedProfit": "-2.625",
    }
    positions = make_exchange(always(200, [row, {**row, "symbol": "ETHUSDT", "positionAmt": "0.000"}])).positions()
    assert positions == [
        ExchangePosition(
            symbol="BTCUSDT",
            quantity=Decimal("-0.250"),
            entry_price=Decimal("84000.0"),
            mark_price=Decimal("84010.5"),
            unrealised_pnl=Decimal("-2.625"),
        )
    ]


def test_a_hedged_account_is_refused_instead_of_netted() -> None:
    row = {"symbol": "BTCUSDT", "positionSide": "LONG", "positionAmt": "1"}
    with pytest.raises(QuestionError, match="hedge"):
        make_exchange(always(200, [row])).positions()


def test_the_account_is_its_usdt_row() -> None:
    rows = [
        {"asset": "BNB", "walletBalance": "9", "unrealizedProfit": "0", "availableBalance": "9"},
        {"asset": "USDT", "walletBalance": "100.5", "unrealizedProfit": "-0.25", "availableBalance": "90.00000001"},
    ]
    snapshot = make_exchange(always(200, {"assets": rows})).account()
    assert isinstance(snapshot, AccountSnapshot)
    assert snapshot.wallet_balance == Decimal("100.5")
    assert snapshot.unrealised_pnl == Decimal("-0.25")
    assert snapshot.available_balance == Decimal("90.00000001")
    assert snapshot.observed_at.tzinfo is UTC


def test_an_account_without_usdt_is_not_shown_as_empty() -> None:
    with pytest.raises(QuestionError, match="USDT"):
        make_exchange(always(200, {"assets": []})).account()


FILTERS = [
    {"filterType": "PRICE_FILTER", "minPrice": "556.80", "maxPrice": "4529764", "tickSize": "0.10"},
    {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
    {"filterType": "MARKET_LOT_SIZE", "minQty": "0.001", "maxQty": "120", "stepSize": "0.001"},
    {"filterType": "MAX_NUM_ORDERS", "limit": 200},
    {"filterType": "MIN_NOTIONAL", "notional": "50"},
    {"filterType": "PERCENT_PRICE", "multiplierUp": "1.0500", "multiplierDown": "0.9500", "multiplierDecimal": "4"},
    {"filterType": "SOMETHING_NEW", "x": None},
]
LIMITS = [
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400},
    {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
]
BITCOIN = {"symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT", "filters": FILTERS}


def test_rules_and_limits_are_read_from_exchange_info() -> None:
    rules, limits = make_exchange(always(200, {"rateLimits": LIMITS, "symbols": [BITCOIN]})).symbol_rules()
    assert limits == RateLimits(weight_per_minute=2400, orders_per_minute=1200, orders_per_10_seconds=300)
    (bitcoin,) = rules
    assert (bitcoin.tick_size, bitcoin.step_size) == (Decimal("0.10"), Decimal("0.001"))
    assert (bitcoin.notional_minimum, bitcoin.market_quantity_maximum) == (Decimal(50), Decimal(120))
    assert (bitcoin.price_multiplier_up, bitcoin.price_multiplier_down) == (Decimal("1.05"), Decimal("0.95"))


def test_one_odd_symbol_does_not_take_the_others_with_it() -> None:
    odd = {**BITCOIN, "symbol": "ODDUSDT", "filters": FILTERS[1:]}
    rules, _ = make_exchange(always(200, {"rateLimits": LIMITS, "symbols": [odd, BITCOIN]})).symbol_rules()
    assert [rule.symbol for rule in rules] == ["BTCUSDT"]


def test_a_missing_ten_second_limit_is_assumed_as_the_live_exchange_has_it() -> None:
    _, limits = make_exchange(always(200, {"rateLimits": LIMITS[:2], "symbols": [BITCOIN]})).symbol_rules()
    assert limits.orders_per_10_seconds == 300


def test_a_missing_weight_limit_is_an_error() -> None:
    with pytest.raises(QuestionError, match="REQUEST_WEIGHT"):
        make_exchange(always(200, {"rateLimits": LIMITS[1:], "symbols": [BITCOIN]})).symbol_rules()


def test_an_open_order_of_an_undocumented_status_is_an_error_and_not_left_out() -> None:
    with pytest.raises(QuestionError, match="PENDING"):
        make_exchange(always(200, [order_json(status="PENDING")])).open_orders()


def test_a_refused_question_carries_the_code_and_the_wait() -> None:
    with pytest.raises(QuestionError) as caught:
        make_exchange(always(429, {"code": -1003, "msg": "slow down"}, {"Retry-After": "7"})).account()
    assert (caught.value.code, caught.value.retry_after_seconds) == ("-1003", 7.0)


def test_an_unanswered_question_carries_its_cause() -> None:
    with pytest.raises(QuestionError) as caught:
        make_exchange(raising(httpx.ReadTimeout("slow"))).account()
    assert str(caught.value.__cause__) == "ReadTimeout: slow"


# ------------------------------------------------------------------------------------------------ headers and budget


def test_the_headers_of_every_answer_reach_the_budget() -> None:
    budget = RecordingBudget()
    headers = {"X-MBX-USED-WEIGHT-1M": "-1", "X-MBX-ORDER-COUNT-10S": "3", "X-MBX-ORDER-COUNT-1M": "17"}
    make_exchange(always(200, order_json(), headers), budget=budget).submit(make_attempt())
    make_exchange(always(400, {"code": -1111, "msg": ""}, {"X-MBX-USED-WEIGHT-1M": "42"}), budget=budget).submit(
        make_attempt()
    )
    make_exchange(always(502, "", {"x-mbx-used-weight-1m": "nonsense"}), budget=budget).submit(make_attempt())
    assert budget.observed == [(None, 3, 17), (42, None, None)]


def test_the_clock_takes_its_own_budget_and_stays_silent_behind_a_closed_gate() -> None:
    budget = RecordingBudget(refuse=Wait(seconds=30.0, reason="banned"))
    transport = ScriptedTransport(always(200, {"assets": []}))
    with pytest.raises(QuestionError, match="banned") as caught:
        make_exchange(transport, budget=budget).account()
    assert caught.value.retry_after_seconds == 30.0
    assert transport.requests == []


def test_a_refused_timestamp_makes_the_clock_measure_again() -> None:
    transport = ScriptedTransport(always(400, {"code": -1021, "msg": "outside"}))
    exchange = make_exchange(transport)
    exchange.now_ms()
    measured = transport.paths.count("GET /fapi/v1/time")
    exchange.now_ms()
    assert transport.paths.count("GET /fapi/v1/time") == measured
    exchange.submit(make_attempt())
    exchange.now_ms()
    assert transport.paths.count("GET /fapi/v1/time") == 2 * measured


@pytest.mark.parametrize(
    ("method", "weight", "orders"),
    [
        ("submit", 0, 1),
        ("query_order", 2, 0),
        ("cancel_all", 2, 0),
        ("trades", 5, 0),
        ("open_orders", 40, 0),
        ("positions", 5, 0),
        ("account", 5, 0),
        ("symbol_rules", 1, 0),
    ],
)
def test_each_call_is_charged_as_the_exchange_charges_it(method: str, weight: int, orders: int) -> None:
    budget = RecordingBudget()
    assert acquire(budget, method, lane=Lane.ENTRY) is None
    assert budget.acquired == [(weight, orders, Lane.ENTRY)]


def test_every_method_that_talks_to_the_exchange_has_a_cost() -> None:
    exchange = make_exchange(always(200, {}))
    assert all(callable(getattr(exchange, method)) for method in COSTS)


def test_listen_keys_are_asked_for_with_the_key_alone() -> None:
    transport = ScriptedTransport(always(200, {"listenKey": "a" * 64}))
    exchange = make_exchange(transport)
    assert exchange.open_listen_key() == "a" * 64
    exchange.extend_listen_key()
    exchange.close_listen_key()
    assert transport.paths == ["POST /fapi/v1/listenKey", "PUT /fapi/v1/listenKey", "DELETE /fapi/v1/listenKey"]
    assert all("signature" not in form_of(request) for request in transport.requests)
    assert all(request.headers["X-MBX-APIKEY"] == KEY for request in transport.requests)
