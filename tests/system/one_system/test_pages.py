"""Pages over a whole running system: what they show is what its API, its health service and its tables say."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.support.system import RunningSystem
from tests.support.waiting import wait_until
from tests.web.browser import CHROMIUM, chromium, new_tab
from tests.web.looks import faint_text, unreachable_controls

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(300),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]

SETTLE_SECONDS_MAX = 60.0
ENDED = {"DROPPED", "EVICTED", "EXPIRED", "DENIED", "OBSERVED", "EXECUTED", "FAILED"}
OLD = timedelta(seconds=420)  # past the age at which a vote says nothing about now


def vote(action: str, confidence: str, source: str) -> dict[str, str]:
    return {"action": action, "confidence": confidence, "source": source}


def a_signal(symbol: str, confidence: str, *, age: timedelta = timedelta(), **models: dict[str, str]) -> dict[str, Any]:
    return {
        "signal_id": f"{symbol}-{confidence}",
        "symbol": symbol,
        "side": "BUY",
        "confidence": confidence,
        "strategy": "pages",
        "generated_at": (datetime.now(UTC) - age).isoformat(),
        "models": models,
    }


@pytest.fixture(scope="module")
def web(running: RunningSystem) -> Iterator[httpx.Client]:
    """The operator's own API, with signals that have come to their ends."""
    state = running.state
    headers = {"Authorization": f"Bearer {(state / 'operator.token').read_text().strip()}"}
    with httpx.Client(base_url=running.urls["web"], headers=headers, timeout=20, trust_env=False) as client:
        wait_until(lambda: client.get("/api/risk").json()["source"], seconds=SETTLE_SECONDS_MAX, what="an account")
        token = running.system.call("token", "create", "--name", "pages", "--scope", "signals").stdout.strip()
        sent = client.post(
            "/api/signals",
            headers={"Authorization": f"Bearer {token}"},
            json=[
                a_signal("ADAUSDT", "0.51", age=OLD, nhits=vote("SELL", "0.71", "nhits_v2")),
                a_signal("ETHUSDT", "0.30"),
                a_signal("BTCUSDT", "0.91", xgboost=vote("BUY", "0.82", "xgboost_v3"),
                         lightgbm=vote("BUY", "0.6", "lgbm_fallback_rules")),
            ],
        )  # fmt: skip
        assert sent.status_code == 202, sent.text

        def states() -> list[str]:
            return [each["state"] for each in client.get("/api/signals").json()["items"]]

        wait_until(lambda: len(states()) == 3 and set(states()) <= ENDED, seconds=SETTLE_SECONDS_MAX, what="the ends")
        yield client


@pytest.fixture(scope="module")
def page(running: RunningSystem, web: httpx.Client) -> Iterator[Page]:
    """Logged in by the command's link; whatever any of the pages complains about fails the last test."""
    with chromium() as browser, new_tab(browser) as tab:
        tab.page.goto(running.system.call("login-link").stdout.strip())
        expect(tab.page.locator(".connection")).to_have_text(re.compile("^live"))
        yield tab.page
        assert tab.complaints == []


def go(page: Page, key: str, heading: str) -> None:
    page.keyboard.press(key)
    expect(page.get_by_role("heading", name=heading, exact=True, level=1)).to_be_focused()


def test_the_ensemble_page_shows_each_vote_for_what_it_is_worth(page: Page, web: httpx.Client) -> None:
    standing = {each["model"]: each for each in web.get("/api/ensemble").json()["models"]}
    assert {name: each["provenance"] for name, each in standing.items()} == {
        "xgboost": "LIVE",
        "lightgbm": "FALLBACK",
        "nhits": "STALE",
        "patchtst": "UNAVAILABLE",
    }
    stale = standing["nhits"]["vote"]
    assert (stale["action"], stale["confidence"]) == ("SELL", None)
    assert "s old" in stale["reason"]
    go(page, "5", "Ensemble")
    cards = {
        name: page.get_by_role("region", name=name, exact=True).filter(has=page.locator("h2")) for name in standing
    }
    for name, each in standing.items():
        expect(cards[name].locator(".badge")).to_have_text(each["provenance"])
    expect(cards["xgboost"]).to_contain_text("0.820")
    expect(cards["lightgbm"]).to_contain_text("lgbm_fallback_rules")
    for name in ("nhits", "patchtst"):
        expect(cards[name].locator(".vote .number")).to_contain_text("not known")
    expect(page.locator("#votes")).not_to_contain_text("0.710")
    expect(page.locator("#agreement")).to_contain_text("1 of 1 live vote agree")
    expect(page.locator("#engine")).to_contain_text("./qt up --engine")
    expect(page.locator("#skill")).to_contain_text("Nothing to plot")
    assert faint_text(page) == []
    cards["xgboost"].get_by_role("link", name="The signal").click()
    drawer = page.get_by_role("dialog")
    expect(drawer).to_contain_text("executed")
    expect(drawer.locator(".vote", has_text="xgboost").locator(".badge")).to_have_text("LIVE")
    expect(drawer.locator(".vote", has_text="lightgbm").locator(".badge")).to_have_text("FALLBACK")
    page.keyboard.press("Escape")


def test_what_another_policy_would_have_done_is_the_apis_answer(page: Page, web: httpx.Client) -> None:
    since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    wanted = {"changes": {"confidence_minimum": "0.99"}, "since": since}
    found = web.post("/api/policy/whatif", json=wanted).json()
    assert found["decisions"]["compared"] >= 2
    assert "BTCUSDT-0.91" in {each["signal_id"] for each in found["changed"]}
    go(page, "6", "Policy")
    page.locator("#policy-edit").click()
    page.get_by_label(re.compile("^Confidence, at least")).fill("0.99")
    page.get_by_role("button", name="Try it").click()
    told = page.locator("#what-if")
    counts = found["decisions"]
    expect(told).to_contain_text(f"{counts['compared']} of {counts['read']} decisions since")
    expect(told).to_contain_text(f"compared, {counts['changed']} different")
    table = page.get_by_role("table", name="Decisions that would have been different")
    expect(table.locator("tbody tr")).to_have_count(len(found["changed"]))
    expect(table.locator("tr", has_text="BTCUSDT")).to_contain_text("confidence below minimum")
    page.get_by_role("button", name="Cancel").click()
    assert web.get("/api/policy").json()["version"] == 1, "a question changes nothing"


def test_the_system_page_is_what_health_says_and_does_not_wait_for_it(
    page: Page, web: httpx.Client, running: RunningSystem
) -> None:
    components = httpx.get(f"{running.urls['health']}/health", trust_env=False).json()["components"]
    answer = web.get("/api/system").json()
    assert [each["component"] for each in answer["health"]["components"]] == [each["component"] for each in components]
    assert answer["health"]["age_seconds"] < 30
    for block in ("workers", "queues", "window", "budget", "attempts", "alerts", "processes"):
        assert answer[block]["source"], answer[block]
    assert {each["role"] for each in answer["workers"]["items"]} >= {"worker", "beat", "listener"}
    assert answer["budget"]["limits"]["weight_per_minute"] == 2400
    assert [answer["buffers"][name]["depth"] for name in ("events", "signals")] == [0, 0]
    go(page, "7", "System")
    matrix = page.get_by_role("list", name="Health of every component")
    expect(matrix.get_by_role("listitem")).to_have_count(len(components))
    expect(matrix.get_by_role("listitem").filter(has_text="Postgres")).to_contain_text("OK")
    expect(page.locator("#system-budget")).to_contain_text("of 2,400")
    expect(page.locator("#system-attempts")).to_contain_text("Every attempt has its outcome")
    assert faint_text(page) == []
    assert unreachable_controls(page) == []

    health = running.system.pids()["health"]
    frozen = [health, *children_of(health)]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        expect(page.locator("#system-health")).to_contain_text("does not answer within 0.5 s")
        began = time.monotonic()
        assert web.get("/api/snapshot").status_code == 200
        block = web.get("/api/system").json()["health"]
        assert (block["status"], block["components"]) == (None, None)
        assert "does not answer" in block["reason"]
        assert time.monotonic() - began < 10, "a page waited for health"
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    expect(matrix.get_by_role("listitem")).to_have_count(len(components))


def children_of(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
