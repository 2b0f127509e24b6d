"""Whatever is sent, the exchange answers with one of its own errors: it never breaks and never invents an order."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.paper_exchange.rest.execution import Arrival
from app.paper_exchange.rest.gateway import handle
from app.paper_exchange.rest.routes import ENDPOINTS
from tests.paper_exchange.desk import KEY, Desk, read

NAMES = (
    "symbol", "side", "type", "quantity", "price", "timeInForce", "reduceOnly", "newClientOrderId", "newOrderRespType",
    "positionSide", "closePosition", "goodTillDate", "selfTradePreventionMode", "priceMatch", "orderId",
    "origClientOrderId", "orderIdList", "batchOrders", "limit", "startTime", "endTime", "fromId", "interval",
    "leverage", "marginType", "amount", "dualSidePosition", "multiAssetsMargin", "countdownTime", "incomeType", "page",
    "algoType", "triggerPrice", "callbackRate", "activatePrice", "workingType", "priceProtect", "clientAlgoId",
    "algoId", "recvWindow", "timestamp", "listenKey",
)  # fmt: skip
SENSIBLE = (
    "BTCUSDT", "BUY", "SELL", "LIMIT", "MARKET", "STOP_MARKET", "TRAILING_STOP_MARKET", "GTC", "GTD", "GTX", "FOK",
    "true", "True", "false", "0.010", "90000", "89000.10", "1", "5", "125", "1m", "CROSSED", "ISOLATED", "CONDITIONAL",
    "MARK_PRICE", "RESULT", "99999999999999999999.99999999999999999999", "0", "-1", "1e5", "[1]", "[{}]", "{}", "[[]]",
    '[{"symbol":"BTCUSDT","quantity":1e-05}]', "null", "NaN", "Infinity", "", " ", "币安", "\x00", "%", "a" * 40,
    "9223372036854775808", "253402300799000",
)  # fmt: skip
values = st.one_of(st.sampled_from(SENSIBLE), st.text(max_size=12))
parameters = st.dictionaries(st.sampled_from(NAMES), values, max_size=12)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(ENDPOINTS)), parameters)
def test_no_parameters_break_an_endpoint(endpoint: tuple[str, str], params: dict[str, Any]):
    desk = Desk()
    answer = desk.ask(*endpoint, **{k: v.encode("utf-8", "replace").decode() for k, v in params.items()})
    assert answer.status in (200, 400, 401), (answer.status, answer.json)
    assert answer.status == 200 or answer.code is not None
    assert not desk.venue.state.changes


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(ENDPOINTS)), st.text(max_size=60), st.text(max_size=60))
def test_no_raw_text_breaks_an_endpoint(endpoint: tuple[str, str], query: str, body: str):
    desk = Desk()
    clean = [text.encode("utf-8", "replace").decode() for text in (query, body)]
    answer = read(asyncio.run(handle(desk.venue, Arrival(*endpoint, clean[0], clean[1], "10.0.0.1", KEY))))
    assert answer.status in (200, 400, 401)
    assert not desk.venue.state.orders


orders = st.fixed_dictionaries(
    {
        "side": st.sampled_from(("BUY", "SELL")),
        "type": st.sampled_from(("LIMIT", "MARKET")),
        "quantity": st.decimals(min_value=0, max_value=200, places=3).map(str),
    },
    optional={
        "price": st.decimals(min_value=1, max_value=200_000, places=2).map(str),
        "timeInForce": st.sampled_from(("GTC", "IOC", "FOK", "GTX")),
        "reduceOnly": st.sampled_from(("true", "false")),
        "newOrderRespType": st.sampled_from(("ACK", "RESULT")),
    },
)


@settings(max_examples=100, deadline=None)
@given(st.lists(orders, max_size=8))
def test_every_attempt_is_in_the_ledger_once_with_its_outcome(sequence: list[dict[str, str]]):
    desk = Desk()
    answers = [desk.ask("POST", "/fapi/v1/order", symbol="BTCUSDT", **params) for params in sequence]
    records = list(desk.venue.state.requests.records.values())
    assert len(records) == len(answers)
    for record, answer in zip(records, answers, strict=True):
        if answer.status == 200:
            assert record.order_id == answer.json["orderId"]
            assert record.error_code is None
        else:
            assert record.order_id == 0
            assert record.error_code == answer.code
    assert set(desk.venue.state.orders) == {r.order_id for r in records if r.order_id}
