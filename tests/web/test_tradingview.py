"""TradingView's alerts: mapped, validated, counted once, and let in by the secret in their address alone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient
from structlog.testing import capture_logs

from app.domain.signals import Side
from tests.web.fakes import NOW, FakeSystem

HOOK = "/api/hooks/tradingview/chart-token"
ALERT = {
    "ticker": "BINANCE:BTCUSDT.P",
    "action": "buy",
    "time": "2026-03-01T11:59:59Z",
    "price": "101000.50",
    "confidence": 0.7,
    "interval": "5",
}


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in ALERT.items() if name not in names}


def test_an_alert_becomes_a_signal_of_its_hook(client: FlaskClient, system: FakeSystem) -> None:
    answer = client.post(HOOK, json=ALERT)
    assert answer.status_code == 202
    [signal] = system.admitted
    assert answer.get_json() == {"results": [{"signal_id": signal.signal_id, "verdict": "QUEUED"}]}
    assert (signal.symbol, signal.side, signal.confidence) == ("BTCUSDT", Side.BUY, Decimal("0.7"))
    assert (signal.reference_price, signal.strategy, signal.producer) == (Decimal("101000.50"), "chart", "chart")
    assert (signal.received_at, signal.models) == (NOW, {})


def test_an_alert_delivered_again_counts_once(client: FlaskClient, system: FakeSystem) -> None:
    first, again = client.post(HOOK, json=ALERT), client.post(HOOK, json=ALERT)
    assert again.get_json()["results"] == [{**first.get_json()["results"][0], "verdict": "DUPLICATE"}]
    client.post(HOOK, json={**ALERT, "time": "2026-03-01T12:00:00Z"})
    assert len(system.admitted) == 2
    for price in ("1", "2"):
        client.post(HOOK, json={**ALERT, "id": "order-7", "price": price})
    assert len(system.admitted) == 3


@pytest.mark.parametrize(
    ("ticker", "action", "price", "expected"),
    [
        ("ETHUSDT", "SELL", 3000, ("ETHUSDT", Side.SELL, Decimal(3000))),
        ("btcusdt", "long", 1e5, ("BTCUSDT", Side.BUY, Decimal(100000))),
        ("BINANCE:BTCUSDTPERP", "short", None, None),
    ],
)
def test_spellings(
    client: FlaskClient, system: FakeSystem, ticker: str, action: str, price: Any, expected: tuple[Any, ...] | None
) -> None:
    answer = client.post(HOOK, json={**ALERT, "ticker": ticker, "action": action, "price": price})
    if expected is None:
        assert answer.status_code == 422  # not a symbol of the exchange
    else:
        [signal] = system.admitted
        assert (signal.symbol, signal.side, signal.reference_price) == expected


def test_the_address_fills_in_what_the_messages_leave_out(client: FlaskClient, system: FakeSystem) -> None:
    client.post(f"{HOOK}?confidence=0.55&strategy=breakout", json=without("confidence"))
    [signal] = system.admitted
    assert (signal.confidence, signal.strategy) == (Decimal("0.55"), "breakout")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (without("confidence"), "/confidence"),
        (without("ticker"), "/ticker"),
        (without("time"), "/time"),
        ({**ALERT, "action": "hold"}, "/action"),
        ({**ALERT, "ticker": "<script>"}, "/ticker"),
        ({**ALERT, "price": "-1"}, "/reference_price"),
        ({**ALERT, "confidence": 70}, "/confidence"),
        ({**ALERT, "time": "2026-03-01T13:00:00Z"}, "/generated_at"),
        ([ALERT], ""),
    ],
)
def test_what_cannot_be_used_is_pointed_at(client: FlaskClient, system: FakeSystem, body: Any, pointer: str) -> None:
    answer = client.post(HOOK, json=body)
    assert (answer.status_code, answer.get_json(force=True)["type"]) == (422, "/problems/invalid-signal")
    assert pointer in [error["pointer"] for error in answer.get_json(force=True)["errors"]]
    assert system.admitted == []


@pytest.mark.parametrize("secret", ["nobody", "signals-token", "operate-token", "x" * 300, "%C3%A4"])
def test_only_the_secret_of_a_hook_opens_it(client: FlaskClient, system: FakeSystem, secret: str) -> None:
    answer = client.post(f"/api/hooks/tradingview/{secret}", json=ALERT)
    assert (answer.status_code, answer.get_json(force=True)["type"]) == (404, "/problems/not-found")
    assert system.admitted == []


@pytest.mark.parametrize("path", ["/api/ess", "/api/signals", "/api/session"])
def test_the_secret_of_a_hook_opens_nothing_else(client: FlaskClient, path: str) -> None:
    answer = client.get(path, headers={"Authorization": "Bearer chart-token"})
    assert answer.status_code == (200 if path == "/api/session" else 403)


def test_the_secret_stays_out_of_the_log(client: FlaskClient) -> None:
    with capture_logs() as lines:
        client.post(HOOK, json=ALERT)
        client.post("/api/hooks/tradingview/wrong-secret", json=ALERT)
    assert {line["path"] for line in lines} == {"/api/hooks/tradingview/***"}
    assert "chart-token" not in repr(lines)
    assert "wrong-secret" not in repr(lines)
