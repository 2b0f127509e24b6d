"""The page in a real browser: what it shows, that it lives, explains, comes back, and complains about nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.adapters.processes.free_ports import SYSTEM_PORTS, free_port
from app.domain.events import EventType
from app.settings import Settings
from tests.web.browser import CHROMIUM, Page, browser
from tests.web.fakes import LINK, FakeSystem, signal_item
from tests.web.live_server import served
from web.application import create_app

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]

SHOTS = os.environ.get("QT_TEST_SCREENSHOTS")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("chromium")) as tab:
        yield tab


@pytest.fixture(autouse=True)
def _clean(page: Page) -> None:
    page.open("about:blank")
    page.complaints.clear()


@pytest.fixture
def address(system: FakeSystem, settings: Settings) -> Iterator[str]:
    """Where a browser is logged in on the way."""
    with served(create_app(system, settings)) as port:
        yield f"http://127.0.0.1:{port}/login/{LINK}"


def a_decided_signal(system: FakeSystem, signal_id: str, **changes: Any) -> None:
    payload = signal_item(signal_id, **changes)
    system.listed.insert(0, payload)
    system.events.publish(EventType.SIGNAL_RECEIVED, **{**payload, "state": "QUEUED"})
    system.events.publish(
        EventType.SIGNAL_DECIDED,
        **{key: payload[key] for key in ("signal_id", "state", "reason_code", "reason", "decided_at")},
    )


def test_the_page_shows_the_snapshot_and_complains_about_nothing(page: Page, address: str) -> None:
    page.open(address)
    page.wait_for("#connection", "live")
    assert page.text("#ess-state") == "ARMED"
    assert page.text("#equity") == "10,012.34"
    assert page.text("#window") == "3 of 100"
    assert "0.010 / 0.010" in page.text("#order-table")
    assert "BTCUSDT" in page.text("#positions")
    # Nobody told the stop price: a dash that says why.
    assert page.evaluate("document.querySelector('#positions .unknown').title") == "no protective orders yet"
    assert page.complaints == []


def test_an_event_is_on_the_page_within_a_second(page: Page, address: str, system: FakeSystem) -> None:
    page.open(address)
    page.wait_for("#connection", "live")
    a_decided_signal(system, "fresh-1", symbol="ETHUSDT", state="DENIED", reason_code="CONFIDENCE", reason="too low")
    page.wait_for("#signal-table tbody tr", "ETHUSDT", seconds=1.0)
    page.wait_for("#signal-table tbody tr", "denied", seconds=1.0)
    assert page.complaints == []


def test_markup_in_an_event_is_shown_not_run(page: Page, address: str, system: FakeSystem) -> None:
    page.open(address)
    page.wait_for("#connection", "live")
    a_decided_signal(
        system, "x", strategy="<img src=x onerror='document.title=1'>", state="DENIED", reason="<b>bold</b>"
    )
    page.wait_for("#signal-table tbody tr", "<img src=x")
    page.wait_for("#signal-table tbody tr", "<b>bold</b>")
    assert page.evaluate("document.title") == "Quantum Trader"
    assert page.evaluate("document.querySelectorAll('#signal-table img, #signal-table b').length") == 0
    assert page.complaints == []


def test_a_signal_explains_itself(page: Page, address: str) -> None:
    page.open(address)
    page.wait_for("#connection", "live")
    page.press("#signal-table [data-press='s-1']")
    page.wait_for("#explanation-body", "minimum 0.5")
    shown = page.text("#explanation-body")
    assert "executed" in shown
    assert "0.010 of 0.010" in shown
    assert page.complaints == []


def test_a_trip_takes_over_the_page(page: Page, address: str, system: FakeSystem) -> None:
    page.open(address)
    page.wait_for("#connection", "live")
    system.events.publish(EventType.ESS_STATE_CHANGED, state="TRIPPED", trip_reason="daily drawdown", safe=False)
    page.wait_for("#ess-state", "TRIPPED", seconds=1.0)
    page.wait_for("#ess-meaning", "Not yet acknowledged safe")
    assert "tone-bad" in page.evaluate("document.getElementById('ess').className")


def test_after_a_restart_the_page_goes_on_without_a_gap(page: Page, system: FakeSystem, settings: Settings) -> None:
    port = free_port(SYSTEM_PORTS)
    with served(create_app(system, settings), port=port):
        page.open(f"http://127.0.0.1:{port}/login/{LINK}")
        page.wait_for("#connection", "live")
        a_decided_signal(system, "before", symbol="AAAUSDT")
        page.wait_for("#signal-table", "AAAUSDT")
    page.wait_for("#connection", "reconnecting")
    a_decided_signal(system, "meanwhile", symbol="BBBUSDT")
    with served(create_app(system, settings), port=port):
        page.wait_for("#connection", "live", seconds=15)
        page.wait_for("#signal-table", "BBBUSDT")
        assert "AAAUSDT" in page.text("#signal-table")


def test_figures_that_are_not_known_are_dashes_with_reasons(
    page: Page, address: str, system: FakeSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = dict(system.snapshot())
    nothing = {"source": None, "age_seconds": None, "reason": "redis does not answer"}
    snapshot["window"] = {"occupancy": None, "capacity": None, "counters": None, **nothing}
    snapshot["ess"] = dict.fromkeys(snapshot["ess"]) | nothing
    snapshot["portfolio"] = dict.fromkeys(snapshot["portfolio"]) | nothing
    monkeypatch.setattr(system, "snapshot", lambda: snapshot)
    page.open(address)
    page.wait_for("#connection", "live")
    assert (page.text("#window"), page.text("#equity"), page.text("#ess-state")) == ("—", "—", "—")
    assert "redis does not answer" in page.text("#window-told")
    assert "Entries are denied while it cannot be read" in page.text("#ess-meaning")
    assert page.complaints == []


def test_without_access_the_page_says_how_to_get_it(page: Page, address: str) -> None:
    page.call("Network.clearBrowserCookies")
    page.open(address.partition("login")[0])
    page.wait_for("#connection", "no access")
    page.wait_for("#notice", "login-link")


def test_a_database_that_is_away_is_said_so(page: Page, address: str, system: FakeSystem) -> None:
    page.open(address)
    page.wait_for("#connection", "live")
    system.database_away = True
    page.open(address.partition("login")[0])
    page.wait_for("#notice", "the database did not answer")
    page.wait_for("#connection", "no data")
    assert page.text("#ess-state") == "—"


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_it_fits_a_phone_and_a_desk_in_the_dark_and_in_the_light(
    page: Page, system: FakeSystem, settings: Settings, width: int, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _furnish(system, monkeypatch)
    page.size(width, 1100)
    page.scheme(scheme)
    with served(create_app(system, settings)) as port:
        page.open(f"http://127.0.0.1:{port}/login/{LINK}")
        page.wait_for("#connection", "live")
        page.wait_for("#curve-told", "points")
        for n in range(30):
            state, code, reason = [
                ("EXECUTED", None, None),
                ("DENIED", "CONFIDENCE_BELOW_MINIMUM", "confidence=0.41, minimum=0.5"),
                ("EVICTED", "REPLACED_BY_BETTER", "a signal with a higher confidence took its place in the window"),
                ("EXPIRED", "TIME_TO_LIVE_OVER", "older than its time to live when it was ranked"),
            ][n % 4]
            symbol = ["BTCUSDT", "ETHUSDT", "SOLUSDT"][n % 3]
            a_decided_signal(
                system,
                f"live-{n}",
                symbol=symbol,
                side="BUY" if n % 2 else "SELL",
                confidence=f"0.{40 + n}",
                state=state,
                reason_code=code,
                reason=reason,
            )
        page.wait_for("#signal-table tbody tr", "0.69")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the window"
        if SHOTS:
            page.screenshot(Path(SHOTS) / f"overview-{width}-{scheme}.png")
            page.press("#signal-table [data-press='s-1']")
            page.wait_for("#explanation-body", "minimum 0.5")
            page.screenshot(Path(SHOTS) / f"explanation-{width}-{scheme}.png")
    page.size(1280, 900)


def _furnish(system: FakeSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.ports import Page as Items

    begin = datetime.now(UTC) - timedelta(minutes=50)
    points = [
        {"at": (begin + timedelta(seconds=10 * n)).isoformat(), "equity": f"{10000 + (n * 37) % 23 + n / 9:.2f}"}
        for n in range(300)
    ]
    monkeypatch.setattr(system, "equity", lambda **_: Items(items=points, next=None))
    snapshot = dict(system.snapshot())
    [first] = snapshot["positions"]["items"]
    snapshot["positions"] = {
        **snapshot["positions"],
        "items": [
            {**first, "stop_price": "98000", "target_price": "105000"},
            {**first, "symbol": "ETHUSDT", "quantity": "-1.250", "unrealised_pnl": "-3.415", "age_seconds": 22.0},
            {**first, "symbol": "SOLUSDT", "mark_price": None, "unrealised_pnl": None, "reason": "no mark price yet"},
        ],
    }
    whole = system.snapshot
    monkeypatch.setattr(system, "snapshot", lambda: {**whole(), "positions": snapshot["positions"]})
