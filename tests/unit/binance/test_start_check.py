"""Before the first order: whose exchange is this, and a key that may withdraw is refused."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from app.adapters.binance.credentials import Credentials
from app.adapters.binance.start_check import UnsafeKeyError, Venue, refuse_withdrawal_key, venue_of
from tests.unit.binance.fakes import KEY, SECRET, SERVER_MS, answer, form_of

PRODUCTION = "https://fapi.binance.com"


class Spot(httpx.BaseTransport):
    def __init__(self, status: int, body: Any) -> None:
        self._status, self._body = status, body
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return answer(self._status, self._body)


def check(base_url: str, spot: Spot) -> None:
    refuse_withdrawal_key(
        base_url=base_url,
        credentials=Credentials(key=KEY, secret=SECRET),
        now_ms=lambda: SERVER_MS,
        transport=spot,
    )


RESTRICTIONS = {"ipRestrict": True, "enableWithdrawals": False, "enableFutures": True, "createTime": 1698645219000}


@pytest.mark.parametrize(
    ("url", "venue"),
    [
        ("http://127.0.0.1:9080", Venue.PAPER),
        ("http://localhost:9080", Venue.PAPER),
        ("http://[::1]:9080", Venue.PAPER),
        ("http://10.0.0.7:9080", Venue.PAPER),
        ("http://exchange:9080", Venue.PAPER),
        ("https://demo-fapi.binance.com", Venue.TEST),
        ("https://testnet.binancefuture.com", Venue.TEST),
        ("https://fapi.binance.com", Venue.PRODUCTION),
        ("https://FAPI.binance.com./", Venue.PRODUCTION),
        ("https://fapi.binance.com:443", Venue.PRODUCTION),
        ("https://demo-fapi.binance.com.evil.example", Venue.PRODUCTION),
        ("https://localhost@fapi.binance.com", Venue.PRODUCTION),
        ("https://my-proxy.example", Venue.PRODUCTION),
        ("https://8.8.8.8", Venue.PRODUCTION),
        ("https://134744072", Venue.PRODUCTION),
        ("", Venue.PRODUCTION),
    ],
)
def test_what_cannot_be_told_from_production_counts_as_production(url: str, venue: Venue) -> None:
    assert venue_of(url) is venue


def test_a_key_that_may_withdraw_is_refused_with_a_clear_line() -> None:
    spot = Spot(200, {**RESTRICTIONS, "enableWithdrawals": True})
    with pytest.raises(UnsafeKeyError, match="may withdraw funds"):
        check(PRODUCTION, spot)


def test_a_trading_key_passes_and_was_asked_about_at_the_spot_host() -> None:
    spot = Spot(200, RESTRICTIONS)
    check(PRODUCTION, spot)
    (request,) = spot.requests
    assert request.url.copy_with(query=None) == "https://api.binance.com/sapi/v1/account/apiRestrictions"
    assert form_of(request)["timestamp"] == str(SERVER_MS)
    assert "signature" in form_of(request)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}),
        (502, "<html></html>"),
        (200, {"ipRestrict": True}),
        (200, {**RESTRICTIONS, "enableWithdrawals": "false"}),
        (200, "not json"),
        (429, {"code": -1003, "msg": "slow down"}),
    ],
)
def test_a_key_whose_permissions_cannot_be_read_is_refused(status: int, body: Any) -> None:
    with pytest.raises(UnsafeKeyError, match="could not be read"):
        check(PRODUCTION, Spot(status, body))


@pytest.mark.parametrize("url", ["http://127.0.0.1:9080", "https://demo-fapi.binance.com"])
def test_play_money_is_not_asked_about(url: str) -> None:
    spot = Spot(200, {**RESTRICTIONS, "enableWithdrawals": True})
    check(url, spot)
    assert spot.requests == []


def test_a_real_key_does_not_travel_in_the_clear() -> None:
    spot = Spot(200, RESTRICTIONS)
    with pytest.raises(UnsafeKeyError, match="https"):
        check("http://fapi.binance.com", spot)
    assert spot.requests == []
