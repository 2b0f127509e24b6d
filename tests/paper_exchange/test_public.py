"""Public endpoints on the seeded market: what they promise beyond what other people's clients check."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.support.paper_exchange import PaperExchange

D = Decimal


def test_exchange_info_ignores_the_symbol_even_a_bogus_one(exchange: PaperExchange):
    everything = exchange.http.get("/fapi/v1/exchangeInfo").json()
    bogus = exchange.http.get("/fapi/v1/exchangeInfo", params={"symbol": "NOPE"}).json()
    assert [s["symbol"] for s in bogus["symbols"]] == [s["symbol"] for s in everything["symbols"]]
    assert len(everything["symbols"]) >= 16


@pytest.mark.parametrize(("limit", "code"), [("3", -4021), ("1500", -1130)])
def test_depth_limits_have_their_codes(exchange: PaperExchange, limit: str, code: int):
    assert exchange.http.get("/fapi/v1/depth", params={"symbol": "BTCUSDT", "limit": limit}).json()["code"] == code


@pytest.mark.parametrize(
    ("params", "code"), [({"interval": "1s"}, -1120), ({"interval": "1m", "limit": "2000"}, -1130)]
)
def test_candle_parameters_have_their_codes(exchange: PaperExchange, params: dict[str, str], code: int):
    assert exchange.http.get("/fapi/v1/klines", params={"symbol": "BTCUSDT", **params}).json()["code"] == code


def test_own_resting_orders_are_in_the_book(exchange: PaperExchange):
    bid = D(exchange.book_ticker("LTCUSDT")["bidPrice"])
    price = bid - D("0.01") * 3
    order = exchange.order("LTCUSDT", "BUY", "77.777", price=str(price), timeInForce="GTX").json()
    try:
        depth = exchange.http.get("/fapi/v1/depth", params={"symbol": "LTCUSDT", "limit": 100}).json()
        offered = {D(p): D(q) for p, q in depth["bids"]}
        assert offered[price] >= D("77.777")
        assert [D(p) for p, _ in depth["bids"]] == sorted(offered, reverse=True)
    finally:
        exchange.signed("DELETE", "/fapi/v1/order", symbol="LTCUSDT", orderId=order["orderId"])


def test_past_funding_is_there_from_the_start_and_ascending(exchange: PaperExchange):
    rows = exchange.http.get("/fapi/v1/fundingRate", params={"symbol": "BTCUSDT", "limit": 20}).json()
    assert len(rows) == 20
    times = [row["fundingTime"] for row in rows]
    assert times == sorted(set(times))
    assert all(time % (8 * 3_600_000) == 0 for time in times)
    assert all(D(row["markPrice"]) > 0 for row in rows)


def test_the_next_funding_time_lies_ahead(exchange: PaperExchange):
    for row in exchange.http.get("/fapi/v1/premiumIndex").json():
        assert row["time"] < row["nextFundingTime"] <= row["time"] + 8 * 3_600_000


def test_numbers_are_never_in_exponent_notation(exchange: PaperExchange):
    for path in ("exchangeInfo", "premiumIndex", "ticker/24hr", "fundingRate"):
        for word in exchange.http.get(f"/fapi/v1/{path}").text.replace('"', " ").split():
            assert not word[:1].isdigit() or "E" not in word.upper(), word


def test_an_unknown_path_says_so(exchange: PaperExchange):
    answer = exchange.http.get("/fapi/v1/nothing")
    assert (answer.status_code, answer.json()["code"]) == (404, -5000)


def test_the_key_may_trade_but_not_withdraw(exchange: PaperExchange):
    answer = exchange.signed("GET", "/sapi/v1/account/apiRestrictions").json()
    assert (answer["enableFutures"], answer["enableWithdrawals"]) == (True, False)


def test_hedge_mode_is_refused_truthfully_and_one_way_is_a_no_op(exchange: PaperExchange):
    assert exchange.signed("POST", "/fapi/v1/positionSide/dual", dualSidePosition="false").json()["code"] == -4059
    assert exchange.signed("POST", "/fapi/v1/positionSide/dual", dualSidePosition="true").status_code == 400
    assert exchange.signed("GET", "/fapi/v1/positionSide/dual").json() == {"dualSidePosition": False}
    assert exchange.order("BTCUSDT", "BUY", "0.01", positionSide="LONG").json()["code"] == -4061


def test_price_match_is_refused_instead_of_guessed(exchange: PaperExchange):
    answer = exchange.signed(
        "POST", "/fapi/v1/order", symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.01",
        price="1", priceMatch="OPPONENT",
    )  # fmt: skip
    assert answer.json()["code"] == -5037


def test_control_mistakes_are_told(exchange: PaperExchange):
    for path, body in (
        ("/paper/faults", [{"kind": "nonsense"}]),
        ("/paper/faults", "text"),
        ("/paper/clock", {"offset": 1}),
        ("/paper/clock", {"advance_ms": -1}),
        ("/paper/limits", {"weight": 1}),
    ):
        answer = exchange.http.post(path, json=body)
        assert answer.status_code == 400
        assert answer.json()["error"]
