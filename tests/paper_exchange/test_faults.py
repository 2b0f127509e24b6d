"""Each fault does what it says, counts how often, and leaves the ledger telling the truth."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.paper_exchange.faults import KINDS, FaultRuleError, parse_rule
from tests.paper_exchange.desk import Desk, Reply
from tests.paper_exchange.fixed_market import BTC, D


def faulty(*rules: dict[str, Any]) -> Desk:
    desk = Desk()
    desk.venue.add_faults(rules)
    return desk


def orders_made(desk: Desk) -> int:
    return len(desk.venue.state.orders)


def query(desk: Desk, client_id: str) -> Reply:
    return desk.ask("GET", "/fapi/v1/order", symbol=BTC, origClientOrderId=client_id)


def test_a_dropped_reply_hides_an_order_that_was_accepted():
    desk = faulty({"kind": "drop_reply", "count": 1})
    assert desk.order(newClientOrderId="a").dropped
    assert query(desk, "a").json["status"] == "FILLED"
    assert desk.order(newClientOrderId="b").status == 200


def test_a_dropped_request_never_reaches_the_exchange():
    desk = faulty({"kind": "drop_request", "count": 1})
    assert desk.order(newClientOrderId="a").dropped
    assert query(desk, "a").code == -2013


@pytest.mark.parametrize("accepted", [True, False])
@pytest.mark.parametrize(
    ("rule", "status", "message"),
    [
        ({"kind": "http_error", "status": 503}, 503, "Unknown error, please check your request or try again later."),
        (
            {"kind": "http_error", "status": 503, "text": "internal"},
            503,
            "Internal error; unable to process your request. Please try again.",
        ),
        ({"kind": "http_error", "status": 503, "text": "unavailable"}, 503, "Service Unavailable."),
        ({"kind": "http_error", "status": 500}, 500, None),
        ({"kind": "http_error", "status": 502}, 502, None),
        ({"kind": "timeout"}, 408, "Timeout waiting for response from backend server."),
    ],
)
def test_an_error_answer_says_nothing_about_acceptance(
    rule: dict[str, Any], status: int, message: str | None, accepted: bool
):
    desk = faulty({**rule, "accepted": accepted})
    answer = desk.order(newClientOrderId="a")
    assert answer.status == status
    if message is None:
        assert isinstance(answer.json, bytes)
    else:
        assert answer.json["msg"].startswith(message)
    assert orders_made(desk) == int(accepted)
    [record] = desk.venue.state.requests.records.values()
    assert (record.order_id != 0, record.error_code is None) == (accepted, accepted)


def test_throttling_is_a_503_without_acceptance_that_spares_reduce_only():
    desk = Desk()
    desk.order()
    desk.venue.add_faults([{"kind": "throttled"}])
    assert (desk.order().status, desk.order().code) == (503, -1008)
    assert desk.order("SELL", reduceOnly="true").json["status"] == "FILLED"
    assert orders_made(desk) == 2


@pytest.mark.parametrize("code", [-1003, -1015])
def test_a_made_up_429_carries_its_code_and_retry_after(code: int):
    desk = faulty({"kind": "rate_limited", "code": code, "retry_after_seconds": 7, "count": 1})
    answer = desk.order()
    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (429, code, "7")
    assert desk.order().status == 200


def test_a_made_up_ban_holds_for_its_time():
    desk = faulty({"kind": "banned", "seconds": 60, "count": 1})
    assert desk.order().status == 418
    assert desk.ask("GET", "/fapi/v3/account").status == 418
    desk.advance(60_000)
    assert desk.order().status == 200


def test_a_delayed_acceptance_is_not_found_before_and_found_after():
    async def story() -> tuple[Reply, Reply, Reply]:
        desk = faulty({"kind": "delay_acceptance", "delay_ms": 50, "reply": "timeout"})
        first = await desk.send("POST", "/fapi/v1/order", **desk.order_params(newClientOrderId="late"))
        early = await desk.send("GET", "/fapi/v1/order", symbol=BTC, origClientOrderId="late")
        await asyncio.gather(*desk.venue.background)
        late = await desk.send("GET", "/fapi/v1/order", symbol=BTC, origClientOrderId="late")
        return first, early, late

    first, early, late = asyncio.run(story())
    assert (first.status, first.code) == (408, -1007)
    assert early.code == -2013
    assert late.json["status"] == "FILLED"


def test_an_acceptance_delayed_beyond_the_receive_window_is_refused_before_matching():
    async def story() -> tuple[Desk, Reply]:
        desk = faulty({"kind": "delay_acceptance", "delay_ms": 50, "reply": "wait"})
        params = desk.order_params(recvWindow=2000)
        waiting = asyncio.ensure_future(desk.send("POST", "/fapi/v1/order", **params))
        await asyncio.sleep(0)
        desk.advance(2_001)
        return desk, await waiting

    desk, answer = asyncio.run(story())
    assert answer.code == -5028
    assert not orders_made(desk)
    [record] = desk.venue.state.requests.records.values()
    assert record.error_code == -5028


@pytest.mark.parametrize(("reply", "status"), [("unknown", 503), ("drop", 0)])
def test_a_delayed_acceptance_may_answer_at_once_or_not_at_all(reply: str, status: int):
    async def story() -> tuple[Desk, Reply]:
        desk = faulty({"kind": "delay_acceptance", "delay_ms": 1, "reply": reply})
        answer = await desk.send("POST", "/fapi/v1/order", **desk.order_params())
        await asyncio.gather(*desk.venue.background)
        return desk, answer

    desk, answer = asyncio.run(story())
    assert answer.status == status
    assert orders_made(desk) == 1


def test_a_delayed_reply_comes_after_the_order_is_already_there():
    async def story() -> tuple[bool, Reply]:
        desk = faulty({"kind": "delay_reply", "delay_ms": 30})
        waiting = asyncio.ensure_future(desk.send("POST", "/fapi/v1/order", **desk.order_params()))
        await asyncio.sleep(0)
        return orders_made(desk) == 1 and not waiting.done(), await waiting

    made_before_reply, answer = asyncio.run(story())
    assert made_before_reply
    assert answer.json["status"] == "FILLED"


def test_a_partial_fill_gives_the_share_asked_for():
    desk = faulty({"kind": "partial_fill", "share": "0.3", "count": 1})
    answer = desk.order(quantity="0.100", price="90001", timeInForce="IOC")
    assert (answer.json["executedQty"], answer.json["status"]) == ("0.030", "EXPIRED")
    assert desk.order(quantity="0.100").json["executedQty"] == "0.100"


def test_a_partial_fill_waits_for_an_order_that_must_trade_now():
    desk = faulty({"kind": "partial_fill", "share": "0.5", "count": 1})
    assert desk.order(quantity="0.100", price="90000.10").json["executedQty"] == "0.100"
    assert desk.order(quantity="0.100").json["executedQty"] == "0.050"


def test_a_thin_book_is_thin_for_takers_and_in_depth():
    desk = faulty({"kind": "thin_book", "depth": "0.1"})
    depth = desk.get("/fapi/v1/depth", symbol=BTC, limit=5)
    assert {quantity for _, quantity in depth.json["asks"]} == {"0.100"}
    assert desk.order(quantity="3.000").json["executedQty"] == "0.500"


def test_frozen_prices_stand_while_the_exchange_goes_on():
    desk = faulty({"kind": "frozen_prices"})
    before = desk.market.now_ms
    desk.advance(60_000)
    assert desk.market.now_ms == before
    assert desk.get("/fapi/v1/time").json["serverTime"] == desk.clock.now_ms()
    desk.venue.clear_faults()
    desk.advance(1_000)
    assert desk.market.now_ms == before + 1_000


def test_a_skewed_clock_refuses_right_timestamps_until_the_fault_is_lifted():
    desk = faulty({"kind": "clock_skew", "offset_ms": -2_000})
    assert desk.order().code == -1021
    desk.venue.clear_faults()
    assert desk.order().status == 200
    desk.venue.add_faults([{"kind": "clock_skew", "offset_ms": 6_000}])
    assert desk.order().code == -1021


def test_rules_fire_only_where_they_are_aimed():
    desk = faulty({"kind": "throttled", "symbol": "ETHUSDT"}, {"kind": "throttled", "side": "SELL"})
    assert desk.order("BUY").status == 200
    assert desk.order("SELL").status == 503
    assert desk.order("BUY", "0.10", symbol="ETHUSDT").status == 503


def test_a_rule_may_aim_at_any_endpoint():
    desk = faulty({"kind": "http_error", "status": 502, "endpoint": "GET /fapi/v3/account"})
    assert desk.order().status == 200
    assert desk.ask("GET", "/fapi/v3/account").status == 502
    assert desk.ask("GET", "/fapi/v3/balance").status == 200


def test_after_and_count_make_a_script_and_firing_is_counted():
    desk = faulty({"kind": "throttled", "after": 1, "count": 2})
    assert [desk.order().status for _ in range(5)] == [200, 503, 503, 200, 200]
    [rule] = desk.venue.faults.described()
    assert (rule["seen"], rule["fired"]) == (5, 2)


def test_a_seed_makes_chance_repeatable():
    def run(seed: int) -> list[int]:
        desk = faulty({"kind": "throttled", "probability": 0.5, "seed": seed})
        return [desk.order().status for _ in range(40)]

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert 5 < run(1).count(503) < 35


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"kind": "nonsense"}, "kind must be one of"),
        ({"kind": "throttled", "share": 1}, "takes no share"),
        ({"kind": "partial_fill", "share": "1.5"}, "share must be between"),
        ({"kind": "http_error", "status": 404}, "status must be"),
        ({"kind": "throttled", "probability": 2}, "probability"),
        ({"kind": "delay_reply", "delay_ms": -1}, "delay_ms"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_whole(rule: dict[str, Any], text: str):
    desk = Desk()
    with pytest.raises(FaultRuleError, match=text):
        desk.venue.add_faults([{"kind": "throttled"}, rule])
    assert not desk.venue.faults.described()


def test_every_kind_can_be_asked_for_by_its_name_alone():
    assert {parse_rule({"kind": kind}, 1).kind for kind in KINDS} == set(KINDS)


def test_resting_orders_meet_the_thin_book_too():
    desk = faulty({"kind": "thin_book", "depth": "0.5"})
    order = desk.order(quantity="0.100", price="89990")
    desk.market.set_book(BTC, bids=[], asks=[(D("89990"), D("0.100"))])
    desk.advance(100)
    assert query_by_number(desk, order.json["orderId"]).json["executedQty"] == "0.050"


def query_by_number(desk: Desk, order_id: int) -> Reply:
    return desk.ask("GET", "/fapi/v1/order", symbol=BTC, orderId=order_id)


def test_a_lagging_query_does_not_find_a_young_order_that_is_there():
    desk = faulty({"kind": "query_lag", "delay_ms": 2_000})
    order = desk.order(price="89000", newClientOrderId="young")
    assert query(desk, "young").code == -2013
    assert desk.ask("GET", "/fapi/v1/openOrders", symbol=BTC).json == []
    assert desk.order(price="89000", newClientOrderId="young").code == -4116
    desk.advance(2_000)
    assert query(desk, "young").json["orderId"] == order.json["orderId"]
