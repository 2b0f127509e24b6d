"""The main path on real recorded signals: every signal ends once, and every figure is the exchange's own."""

from __future__ import annotations

import json
import os
import random
import signal

import psutil
import pytest

from tests.support.api import Api, broken, signal_body
from tests.support.system import RunningSystem

pytestmark = [pytest.mark.timeout(400)]

SETTLE_SECONDS_MAX = 60.0
SYMBOLS = [
    "BTCUSDT",
    "ETHUSDT",
    "SOLUSDT",
    "BNBUSDT",
    "XRPUSDT",
    "ADAUSDT",
    "DOGEUSDT",
    "LINKUSDT",
    "AVAXUSDT",
    "UNIUSDT",
]


def test_all_recorded_signals_end_once_and_the_books_are_the_exchanges(
    running: RunningSystem, api: Api, recorded_data
) -> None:
    recorded = recorded_data / "signals-2025-11-22.jsonl"
    before = set(api.books().signals)
    replay = running.system.call("replay", str(recorded), "--rate", "20", "--json")
    assert replay.returncode == 0, replay.stdout + replay.stderr
    summary = json.loads(replay.stdout)
    assert (summary["sent"], summary["unfinished"]) == (510, 0), summary
    books = api.wait_settled(SETTLE_SECONDS_MAX)
    assert len(set(books.signals) - before) == 510
    assert len(books.fills) > 0
    assert broken(api.promises(sorted(books.signals))) == {}


def test_any_signal_can_be_explained(api: Api) -> None:
    executed = api.get("/api/signals", state="EXECUTED", limit=3)["items"]
    denied = api.get("/api/signals", state="DENIED", limit=3)["items"]
    assert executed
    assert denied
    for item in [*executed, *denied]:
        explanation = api.get(f"/api/signals/{item['signal_id']}")
        assert explanation["decision"]["policy_version"] == 1
        assert len(explanation["decision"]["verdicts"]) >= 20
        assert explanation["signal"]["reason"]
    for item in executed:
        explanation = api.get(f"/api/signals/{item['signal_id']}")
        assert explanation["attempts"]
        assert explanation["fills"]


OURS = ("web", "worker-critical", "worker-orders", "worker-default", "beat", "listener", "health")


def test_one_correlation_id_leads_from_the_post_to_the_fill_and_no_log_holds_a_secret(
    running: RunningSystem, api: Api
) -> None:
    state = running.state
    logs = {path.stem: path.read_text() for path in (state / "logs").glob("*.log")}
    # What a library writes before logging is set up is no line of ours.
    lines = {name: [json.loads(line) for line in logs[name].splitlines() if line.startswith("{")] for name in OURS}
    assert all(lines[name] for name in ("web", "worker-orders", "listener", "health"))
    executed = api.get("/api/signals", state="EXECUTED", limit=1)["items"][0]["signal_id"]
    told = {
        (name, line["event"])
        for name in OURS
        for line in lines[name]
        if executed in (line.get("correlation_id"), *line.get("correlation_ids", ()))
    }
    assert {("web", "request"), ("worker-orders", "exchange_request"), ("worker-orders", "attempt_settled")} <= told
    assert {event for _, event in told} >= {"fill_booked", "task_ended"}
    connection = json.loads((state / "run" / "connection.json").read_text())
    canaries = [connection["exchange_key"], connection["exchange_secret"]]
    canaries += [
        (state / name).read_text().strip() for name in ("operator.token", "postgres.password", "flower.password")
    ]
    canaries.append(connection["redis_url"].split(":")[2].split("@")[0])
    assert all(len(canary) >= 20 for canary in canaries)
    assert [name for name, text in logs.items() for canary in canaries if canary in text] == []


def test_fifty_a_second_with_partial_fills_overfills_nothing(running: RunningSystem, api: Api, recorded_data) -> None:
    api.exchange_faults([{"kind": "partial_fill", "share": "0.4", "probability": 0.3, "seed": 7}])
    recorded = recorded_data / "signals-2025-11-22.jsonl"
    replay = running.system.call("replay", str(recorded), "--rate", "50", "--json")
    assert json.loads(replay.stdout)["unfinished"] == 0, replay.stdout + replay.stderr
    api.wait_settled(SETTLE_SECONDS_MAX)
    api.exchange_faults([])
    assert broken(api.promises(sorted(api.books().signals))) == {}


def test_of_a_thousand_at_once_the_window_keeps_exactly_the_best_hundred(running: RunningSystem, api: Api) -> None:
    generator = random.Random(11)
    confidences = generator.sample(range(1, 10_000), 1_000)
    bodies = [
        signal_body(
            number,
            symbol=generator.choice(SYMBOLS),
            side=generator.choice(["BUY", "SELL"]),
            confidence=f"0.{confidence:04}",
        )
        for number, confidence in enumerate(confidences)
    ]
    web = psutil.Process(running.system.pids()["web"])
    before = _resident_mb(web)
    dispatcher = running.system.pids()["worker-default"]
    os.kill(dispatcher, signal.SIGSTOP)
    try:
        results = api.send(bodies[:500]) + api.send(bodies[500:])
        books = api.books()
        states = {signal_id: books.signals[signal_id].state for signal_id in sorted(api.promised)}
    finally:
        os.kill(dispatcher, signal.SIGCONT)
    best = sorted(bodies, key=lambda body: body["confidence"], reverse=True)[:100]
    assert {signal_id for signal_id, state in states.items() if state == "QUEUED"} == {
        body["signal_id"] for body in best
    }
    assert set(states.values()) == {"QUEUED", "DROPPED", "EVICTED"}
    assert len(results) == 1_000
    api.wait_settled(SETTLE_SECONDS_MAX)
    assert broken(api.promises()) == {}
    assert _resident_mb(web) - before < 40


def _resident_mb(process: psutil.Process) -> float:
    family = [process, *process.children(recursive=True)]
    return sum(each.memory_info().rss for each in family) / 2**20
