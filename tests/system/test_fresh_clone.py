"""What a stranger does: clone, `./qt up`, send a signal, Ctrl-C. With an empty HOME and from another directory."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.adapters.processes.free_ports import free_system_ports
from tests.support.system import (
    PORTS,
    REPOSITORY,
    System,
    assert_nothing_left,
    environment_for,
    short_directory,
)

pytestmark = [pytest.mark.timeout(600)]

FIRST_CALL_SECONDS_MAX = 400.0


@pytest.fixture
def stranger() -> Iterator[System]:
    """A clone of what is committed, on a machine that has never seen it."""
    with short_directory() as folder:
        clone = folder / "clone"
        subprocess.run(["git", "clone", "--quiet", REPOSITORY, clone], check=True, timeout=60)
        (folder / "home").mkdir()
        (folder / "elsewhere").mkdir()
        link = folder / "qt-link"
        link.symlink_to(clone / "qt")
        environment = environment_for(folder / "state", free_system_ports(PORTS), HOME=str(folder / "home"))
        for name in list(environment):
            if name.startswith(("PYTHON", "XDG_", "VIRTUAL_ENV")):
                del environment[name]
        yield System([str(link)], environment, folder / "elsewhere")
        assert_nothing_left(folder)


def test_a_stranger_starts_it_sends_a_signal_and_stops_it(stranger: System) -> None:
    with stranger.up(ready_seconds_max=FIRST_CALL_SECONDS_MAX) as running:
        assert stranger.status()["ready"] is True
        assert stranger.call("check").returncode == 0

        sent = stranger.call("signal", "BTCUSDT", "BUY", "0.9")
        assert sent.returncode == 0, sent.stderr
        result = json.loads(sent.stdout)
        assert result["verdict"] == "QUEUED"

        token = stranger.call("token", "create", "--name", "stranger", "--scope", "read")
        assert token.returncode == 0, token.stderr
        assert token.stdout.count("\n") == 1
        assert len(token.stdout.strip()) >= 32

        lines = Path(stranger.working_directory / "one.jsonl")
        lines.write_text(recorded_line())
        replay = stranger.call("replay", "one.jsonl", "--wait-seconds", "50", "--json")
        assert replay.returncode == 0, replay.stdout + replay.stderr
        assert json.loads(replay.stdout)["unfinished"] == 0

        assert running.stop(signal.SIGINT) == 0
    assert not (Path(stranger.environment["QT_STATE_DIR"]) / "run" / "connection.json").exists()


def recorded_line() -> str:
    record = {
        "timestamp": "2025-11-22T13:32:18.282193+00:00",
        "type": "signal_decision",
        "signal": {
            "symbol": "ETHUSDC",
            "action": "BUY",
            "confidence": 0.8,
            "model": {"models": {"nhits": {"action": "HOLD", "confidence": 0.5, "model": "nhits_fallback_rules"}}},
        },
        "actual_decision": "TRADE_ALLOWED",
    }
    return json.dumps(record) + "\n"
