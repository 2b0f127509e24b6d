"""The table: what every listed answer says about execution, and that nothing unlisted is ever believed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.adapters.binance.error_table import Answer, classify, pause_in, row_of
from app.ports import Rejected, RetryAfter, Unknown
from tests.unit.binance.fakes import SERVER_MS, RecordingBudget, always, make_attempt, make_exchange, order_json

# Written out a second time on purpose: a slip in the table must not pass because the test reads the same table.
DEFINITELY_NOT_EXECUTED = [
    (400, code)
    for code in (
        *(-1013, -1014, -1020, -1022, -1100, -1101, -1102, -1103, -1104, -1105, -1106, -1111, -1114, -1115, -1116),
        *(-1117, -1118, -1119, -1120, -1121, -1122, -1125, -1128, -1130, -1136, -2010, -2011, -2013, -2018, -2019),
        *(-2020, -2021, -2022, -4118, -2023, -2024, -2025, -2026, -2027, -2028, -4001, -4002, -4003, -4004, -4005),
        *(-4013, -4014, -4023, -4015, -4016, -4024, -4131, -4028, -4046, -4047, -4048, -4059, -4061, -4062, -4067),
        *(-4068, -4531, -4109, -4087, -4088, -4105, -4106, -4107, -4140, -4141, -4189, -4192, -4400, -4401, -4450),
        *(-4499, -4120, -4164, -5029, -5021, -5022, -4115),
    )
] + [(401, -2014), (401, -2015), (401, -2017), (401, -2008)]


def submit(status: int, body: Any, headers: dict[str, str] | None = None, budget: RecordingBudget | None = None) -> Any:
    return make_exchange(always(status, body, headers), budget=budget).submit(make_attempt())


@pytest.mark.parametrize(("status", "code"), DEFINITELY_NOT_EXECUTED)
def test_a_listed_refusal_is_rejected_with_its_code(status: int, code: int) -> None:
    assert submit(status, {"code": code, "msg": "why"}) == Rejected(code=str(code), message="why")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (503, {"code": -1000, "msg": "Unknown error, please check your request or try again later."}),
        (503, "Unknown error, please check your request or try again later."),
        (503, {"code": -1001, "msg": "Internal error; unable to process your request. Please try again."}),
        (503, {"code": 503, "msg": "Service Unavailable."}),
        (503, "Service Unavailable."),
        (503, {"code": -1008, "msg": "Request throttled by system-level protection."}),
        (408, {"code": -1007, "msg": "Timeout waiting for response from backend server."}),
        (400, {"code": -1007, "msg": "the same under another status"}),
        (400, {"code": -1006, "msg": "An unexpected response was received from the message bus."}),
        (400, {"code": -1000, "msg": "An unknown error occurred while processing the request."}),
        (400, {"code": -1001, "msg": "Disconnected."}),
        (400, {"code": -1008, "msg": "Server busy."}),
        (502, "<html><body>Bad Gateway</body></html>"),
        (504, "<html><body>Gateway Timeout</body></html>"),
        (500, ""),
        (500, {"code": -2019, "msg": "a refusal that a broken gateway may have made up"}),
        (503, {"code": -1121, "msg": "Invalid symbol."}),
        (403, "<html>WAF</html>"),
        (404, "not here"),
        (302, ""),
        (200, {"code": -2019, "msg": "an error with a success status"}),
        (408, {"code": -2019, "msg": "a time-out is a time-out"}),
    ],
)
def test_an_answer_that_leaves_the_outcome_open_is_unknown(status: int, body: Any) -> None:
    assert isinstance(submit(status, body), Unknown)


def test_a_duplicate_id_among_open_orders_means_that_an_order_of_ours_lives() -> None:
    reply = submit(400, {"code": -4116, "msg": "ClientOrderId is duplicated."})
    assert isinstance(reply, Unknown)
    assert "-4116" in reply.reason


@pytest.mark.parametrize("code", [-1, 0, 7, -1999, -3000, -4117, -4399, -4500, -5023, -9999])
def test_an_unlisted_code_is_unknown(code: int) -> None:
    assert row_of(code) is None
    assert isinstance(submit(400, {"code": code, "msg": "never heard of"}), Unknown)


def test_the_three_texts_of_a_503_are_told_apart_in_the_reason() -> None:
    texts = (
        "Unknown error, please check your request or try again later.",
        "Internal error; unable to process your request. Please try again.",
        "Service Unavailable.",
    )
    reasons = [submit(503, text).reason.split(":")[0] for text in texts]
    assert reasons == ["503 unknown", "503 internal", "503 unavailable"]


@pytest.mark.parametrize("code", [-1021, -5028])
def test_a_refused_timestamp_may_be_tried_at_once_with_a_new_one(code: int) -> None:
    assert submit(400, {"code": code, "msg": "outside"}) == RetryAfter(code=str(code), message="outside", seconds=0.0)


@pytest.mark.parametrize(
    ("status", "code", "headers", "message", "seconds"),
    [
        (429, -1003, {"Retry-After": "17"}, "Too many requests", 17.0),
        (429, -1015, {"Retry-After": "4"}, "Too many new orders", 4.0),
        (418, -1003, {"Retry-After": "1200"}, "banned", 1200.0),
        (429, -1003, {}, "Too many requests", 60.0),
        (429, -1015, {}, "Too many new orders", 10.0),
        (418, -1003, {}, f"Way too many; IP banned until {SERVER_MS + 90_000}.", 90.0),
        (418, -1003, {}, "Way too many", 120.0),
        (429, -1003, {"Retry-After": "0"}, "", 1.0),
        (429, -1003, {"Retry-After": "-5"}, "", 60.0),
        (429, -1003, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, "", 60.0),
        (429, -1003, {"Retry-After": "999999999"}, "", 259200.0),
    ],
)
def test_a_passed_limit_is_not_executed_and_closes_the_gate_for_everybody(
    status: int, code: int, headers: dict[str, str], message: str, seconds: float
) -> None:
    budget = RecordingBudget()
    reply = submit(status, {"code": code, "msg": message}, headers, budget)
    assert reply == RetryAfter(code=str(code), message=message, seconds=seconds)
    assert [each[0] for each in budget.closed] == [seconds]


@pytest.mark.parametrize(
    ("status", "code", "orders_only"),
    [(429, -1015, True), (400, -1015, True), (429, -1003, False), (418, -1015, False)],
)
def test_too_many_orders_close_the_gate_for_orders_alone(status: int, code: int, orders_only: bool) -> None:
    budget = RecordingBudget()
    submit(status, {"code": code, "msg": "Too many"}, {"Retry-After": "4"}, budget)
    assert budget.closed_for_orders_only == [orders_only]


@pytest.mark.parametrize("status", [418, 429])
def test_a_limit_answer_without_a_readable_body_closes_the_gate_and_leaves_the_outcome_open(status: int) -> None:
    budget = RecordingBudget()
    assert isinstance(submit(status, "<html>slow down</html>", {"Retry-After": "9"}, budget), Unknown)
    assert [each[0] for each in budget.closed] == [9.0]


def test_an_ordinary_refusal_closes_nothing() -> None:
    budget = RecordingBudget()
    submit(400, {"code": -2019, "msg": "Margin is insufficient."}, {"Retry-After": "9"}, budget)
    assert budget.closed == []


STATUSES = st.sampled_from([200, 201, 204, 301, 400, 401, 403, 404, 408, 418, 429, 500, 502, 503, 504])


@settings(max_examples=300)
@given(status=STATUSES, body=st.binary(max_size=300))
def test_whatever_bytes_answer_an_order_the_outcome_is_unknown(status: int, body: bytes) -> None:
    assert isinstance(submit(status, body), Unknown)


@settings(max_examples=200)
@given(status=STATUSES, cut=st.integers(min_value=0, max_value=400))
def test_a_torn_answer_is_unknown(status: int, cut: int) -> None:
    whole = json.dumps(order_json()).encode()
    assert isinstance(submit(status, whole[: min(cut, len(whole) - 1)]), Unknown)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300)
@given(status=STATUSES, body=JSON_VALUES)
def test_whatever_json_answers_an_order_the_outcome_is_unknown(status: int, body: Any) -> None:
    assert isinstance(submit(status, json.dumps(body)), Unknown)


ORDER_FIELDS = sorted(set(order_json()) & {"orderId", "symbol", "status", "clientOrderId", "avgPrice", "origQty"})


@settings(max_examples=300)
@given(name=st.sampled_from([*ORDER_FIELDS, "executedQty"]), value=JSON_VALUES)
def test_an_order_with_one_field_of_nonsense_is_unknown(name: str, value: Any) -> None:
    whole = order_json(**{name: value})
    reply = submit(200, json.dumps(whole))
    # A number in place of a numeric string says the same; everything else must not be believed.
    if not isinstance(reply, Unknown):
        assert name in ("orderId", "avgPrice", "origQty", "executedQty")
        assert isinstance(value, int | float | str)
        assert not isinstance(value, bool)


@settings(max_examples=200)
@given(status=st.integers(min_value=100, max_value=599), code=st.integers(min_value=-9999, max_value=9999))
def test_only_a_4xx_with_a_listed_code_is_ever_definite(status: int, code: int) -> None:
    answer = Answer(status=status, headers={}, body=json.dumps({"code": code, "msg": "m"}).encode())
    reply = classify(answer, now_ms=SERVER_MS)
    if not isinstance(reply, Unknown):
        assert 400 <= status < 500
        assert status != 408
        assert row_of(code) is not None


def test_deeply_nested_json_is_unknown() -> None:
    assert isinstance(submit(200, "[" * 100_000), Unknown)


def test_an_integer_of_ten_thousand_digits_is_unknown() -> None:
    assert isinstance(submit(400, '{"code": -' + "2" * 10_000 + ', "msg": ""}'), Unknown)


def test_a_quantity_that_would_fill_the_memory_when_printed_is_unknown() -> None:
    assert isinstance(submit(200, order_json(origQty="1E+999999999", executedQty="0")), Unknown)


def test_a_success_with_a_limit_code_in_its_body_closes_nothing() -> None:
    answer = Answer(status=200, headers={}, body=b'{"code": -1003, "msg": "x"}')
    assert pause_in(answer, now_ms=SERVER_MS) is None


def test_foreign_text_is_made_fit_for_a_log_line_and_a_database() -> None:
    reply = submit(400, '{"code": -2019, "msg": "a\\u0000b\\nc\\ud800d"}')
    assert isinstance(reply, Rejected)
    assert reply.message == "a b c d"
    reply.message.encode("utf-8")
