"""`./qt replay` and `./qt signal` against a web process that behaves as it is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_recorded_signals import line
from tests.support.system import REPOSITORY

CALL_SECONDS_MAX = 60


@dataclass
class FakeWeb:
    """Takes signals, and lets each go through `states` in turn, one at every question."""

    states: list[str] = field(default_factory=lambda: ["QUEUED", "DENIED"])
    refusals: list[int] = field(default_factory=list)  # statuses to answer before the first good one
    received: list[dict[str, Any]] = field(default_factory=list)
    asked: dict[str, int] = field(default_factory=dict)
    tokens: set[str | None] = field(default_factory=set)
    connections: int = 0
    url: str = ""

    def take(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if self.refusals:
            return self.refusals.pop(0), {"title": "Not now", "detail": "told to refuse"}
        body.setdefault("signal_id", f"made-{len(self.received)}")
        verdict = "DUPLICATE" if body["signal_id"] in {one["signal_id"] for one in self.received} else "QUEUED"
        self.received.append(body)
        return 202, {"results": [{"signal_id": body["signal_id"], "verdict": verdict}]}

    def tell(self, signal_id: str) -> tuple[int, dict[str, Any]]:
        turn = self.asked.get(signal_id, 0)
        self.asked[signal_id] = turn + 1
        state = self.states[min(turn, len(self.states) - 1)]
        if state == "SPOOLED":
            return 404, {"title": "Not found"}
        return 200, {"signal": {"signal_id": signal_id, "state": state, "reason_code": f"{state}_BECAUSE"}}


@pytest.fixture
def web() -> Iterator[FakeWeb]:
    fake = FakeWeb()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            fake.connections += 1
            super().setup()

        def do_POST(self) -> None:
            self.answer(fake.take(json.loads(self.rfile.read(int(self.headers["Content-Length"])))))

        def do_GET(self) -> None:
            self.answer(fake.tell(self.path.rsplit("/", 1)[1]))

        def answer(self, reply: tuple[int, dict[str, Any]]) -> None:
            fake.tokens.add(self.headers["Authorization"])
            text = json.dumps(reply[1]).encode()
            self.send_response(reply[0])
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Nothing: pytest's output is not the place."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield fake
        server.shutdown()
        thread.join(5)


def qt(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QT_")}
    own = {"PYTHONPATH": str(REPOSITORY), "QT_STATE_DIR": str(tmp_path / "state"), "QT_TOKEN": "qt_test"}
    return subprocess.run(
        [sys.executable, "-P", "-m", "app.cli", *arguments],
        env=kept | own,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=CALL_SECONDS_MAX,
    )


def recording(tmp_path: Path, *lines: bytes) -> str:
    (tmp_path / "signals.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    return "signals.jsonl"


def replay(tmp_path: Path, web: FakeWeb, *arguments: str) -> tuple[int, dict[str, Any]]:
    answer = qt(tmp_path, "replay", "signals.jsonl", "--url", web.url, "--json", "--rate", "1000", *arguments)
    assert answer.stdout, answer.stderr
    summary: dict[str, Any] = json.loads(answer.stdout)
    return answer.returncode, summary


def test_every_line_is_sent_over_one_connection_and_followed_to_its_end(tmp_path: Path, web: FakeWeb) -> None:
    recording(tmp_path, line(), line(action="HOLD"), b"{", line(action="SELL", symbol="ETHUSDC"))
    code, summary = replay(tmp_path, web, "--run", "one")
    assert code == 0
    assert summary["sent"] == 2
    assert summary["verdicts"] == {"QUEUED": 2}
    assert summary["reasons"] == [{"state": "DENIED", "reason_code": "DENIED_BECAUSE", "count": 2}]
    assert summary["skipped"]["hold"] == 1
    assert [one["line"] for one in summary["skipped"]["malformed"]] == [3]
    assert summary["unfinished"] == 0
    assert [one["symbol"] for one in web.received] == ["BTCUSDT", "ETHUSDT"]
    assert web.tokens == {"Bearer qt_test"}
    assert web.connections == 1


def test_the_same_run_again_sends_the_same_ids(tmp_path: Path, web: FakeWeb) -> None:
    recording(tmp_path, line())
    replay(tmp_path, web, "--run", "one")
    _, again = replay(tmp_path, web, "--run", "one")
    _, other = replay(tmp_path, web, "--run", "two")
    assert again["verdicts"] == {"DUPLICATE": 1}
    assert other["verdicts"] == {"QUEUED": 1}


def test_a_signal_that_does_not_end_in_time_makes_the_exit_code_1(tmp_path: Path, web: FakeWeb) -> None:
    web.states = ["DISPATCHED"]
    recording(tmp_path, line())
    code, summary = replay(tmp_path, web, "--wait-seconds", "0.6")
    assert (code, summary["unfinished"]) == (1, 1)
    assert summary["states"] == {}


def test_a_spooled_signal_is_waited_for(tmp_path: Path, web: FakeWeb) -> None:
    web.states = ["SPOOLED", "SPOOLED", "EXECUTED"]
    recording(tmp_path, line())
    code, summary = replay(tmp_path, web)
    assert (code, summary["states"]) == (0, {"EXECUTED": 1})


def test_a_web_process_that_is_busy_is_asked_again_with_the_same_id(tmp_path: Path, web: FakeWeb) -> None:
    web.refusals = [503, 429]
    recording(tmp_path, line())
    code, summary = replay(tmp_path, web)
    assert (code, summary["sent"]) == (0, 1)
    assert len(web.received) == 1


def test_a_refusal_for_good_is_said_in_one_line(tmp_path: Path, web: FakeWeb) -> None:
    web.refusals = [422]
    answer = qt(tmp_path, "replay", recording(tmp_path, line()), "--url", web.url)
    assert answer.returncode == 1
    assert answer.stderr == "qt: line 1: /api/signals answers 422: Not now: told to refuse\n"


def test_the_rate_is_kept(tmp_path: Path, web: FakeWeb) -> None:
    recording(tmp_path, *[line() for _ in range(9)])
    _, summary = replay(tmp_path, web, "--rate", "20", "--limit", "7")
    assert summary["sent"] == 7
    assert summary["signals_per_second"] <= 7 / (6 / 20)


def test_a_file_without_signals_is_refused(tmp_path: Path, web: FakeWeb) -> None:
    answer = qt(tmp_path, "replay", recording(tmp_path, line(action="HOLD")), "--url", web.url)
    assert (answer.returncode, answer.stderr) == (1, "qt: signals.jsonl: no signal to send (1 lines skipped)\n")


def test_one_signal_by_hand(tmp_path: Path, web: FakeWeb) -> None:
    answer = qt(tmp_path, "signal", "btcusdt", "buy", "0.9", "--url", web.url)
    assert (answer.returncode, json.loads(answer.stdout)["verdict"]) == (0, "QUEUED"), answer.stderr
    (sent,) = web.received
    assert (sent["symbol"], sent["side"], sent["confidence"]) == ("BTCUSDT", "BUY", 0.9)


def test_without_a_token_and_a_system_the_way_to_one_is_told(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QT_")}
    answer = subprocess.run(
        [sys.executable, "-P", "-m", "app.cli", "signal", "BTCUSDT", "BUY", "0.9"],
        env=kept | {"PYTHONPATH": str(REPOSITORY), "QT_STATE_DIR": str(tmp_path / "state")},
        capture_output=True,
        text=True,
        check=False,
        timeout=CALL_SECONDS_MAX,
    )
    assert answer.returncode == 1
    assert answer.stderr.startswith("qt: no token: give --token or QT_TOKEN, or start the system")
