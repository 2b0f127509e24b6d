"""`./qt policy` and `./qt ess` against the real application: what loosens is asked for, what is refused is one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app.cli import ess, policy, throttle
from app.settings import Settings
from tests.web.fakes import NOW
from tests.web.live_server import served
from tests.web.test_control_api import RealPolicy
from web.application import create_app


@dataclass
class Terminal:
    """Runs commands as the operator against one system."""

    system: RealPolicy
    url: str

    def __call__(self, command: str, *arguments: str, typed: str | None = None) -> Result:
        group = {"policy": policy.command, "ess": ess.command, "throttle": throttle.command}[command]
        options = ["--url", self.url, "--token", "operate-token"]
        return CliRunner().invoke(group, [*arguments, *options], input=typed)


def last_json(result: Result) -> Any:
    """The last line: the served application logs to the same captured output."""
    return json.loads(result.output.splitlines()[-1])


@pytest.fixture
def qt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("QT_STATE_DIR", str(tmp_path))
    system = RealPolicy()
    with served(create_app(system, Settings(state_dir=tmp_path), now=lambda: NOW)) as port:
        yield Terminal(system, f"http://127.0.0.1:{port}")


def test_tightening_is_done_at_once(qt: Terminal) -> None:
    result = qt("policy", "set", "confidence_minimum=0.7", "open_positions_max=5", "--reason", "careful")
    assert result.exit_code == 0, result.output
    assert "version 2 counts now" in result.output
    assert "confidence_minimum: 0.6 -> 0.7" in result.output
    assert qt.system.database.state.policies[-1].policy.open_positions_max == 5


@pytest.mark.parametrize(("typed", "versions", "exit_code"), [("y\n", 2, 0), ("n\n", 1, 1), ("", 1, 1)])
def test_loosening_is_asked_for_and_no_answer_is_no(qt: Terminal, typed: str, versions: int, exit_code: int) -> None:
    result = qt("policy", "mode", "normal", "--reason", "calm", typed=typed)
    assert result.exit_code == exit_code, result.output
    assert "leverage_max: 3 -> 5" in result.output
    assert len(qt.system.database.state.policies) == versions


def test_yes_loosens_without_asking(qt: Terminal) -> None:
    assert qt("policy", "mode", "NORMAL", "--reason", "calm", "--yes").exit_code == 0
    assert len(qt.system.database.state.policies) == 2


def test_a_refused_policy_is_one_line_with_the_field(qt: Terminal) -> None:
    result = qt("policy", "set", "leverage_max=1000", "--reason", "more", "--yes")
    assert result.exit_code == 1
    assert "/changes/leverage_max" in result.output
    assert qt("policy", "set", "leverage_max", "--reason", "more").exit_code == 1


def test_show_and_history_tell_what_the_api_tells(qt: Terminal) -> None:
    assert last_json(qt("policy", "show", "--json"))["version"] == 1
    assert "leverage_max" in qt("policy", "show").output
    history = qt("policy", "history")
    assert "by operator: start" in history.output


def test_trip_needs_no_reason_and_reset_does(qt: Terminal) -> None:
    tripped = qt("ess", "trip", "--flatten")
    assert tripped.exit_code == 0
    assert "TRIPPED" in tripped.output
    assert qt.system.calls[-1][0] == "trip"
    assert qt.system.calls[-1][3] is True
    assert qt("ess", "reset").exit_code == 1
    refused = qt("ess", "reset", "--reason", "looked at it")
    assert refused.exit_code == 1
    assert "cannot be reset" in refused.output


def test_waiting_for_safety_that_does_not_come_is_exit_code_1(qt: Terminal) -> None:
    result = qt("ess", "trip", "because", "--wait", "--wait-seconds", "0")
    assert result.exit_code == 1
    assert "not safe" in result.output


def test_status_as_json_is_the_apis_answer(qt: Terminal) -> None:
    assert last_json(qt("ess", "status", "--json"))["state"] == "ARMED"


def test_a_disabled_strategy_is_listed_and_enabled_with_a_reason(qt: Terminal) -> None:
    listed = qt("throttle", "list")
    assert listed.exit_code == 0, listed.output
    assert "DISABLED since" in listed.output
    assert "20 executions in BTCUSDT within 600 s" in listed.output
    assert qt("throttle", "enable", "momentum").exit_code == 2  # why is asked for
    enabled = qt("throttle", "enable", "momentum", "--reason", "looked at it", "--json")
    assert enabled.exit_code == 0, enabled.output
    assert last_json(enabled)["enabled_by"] == "operate"
    refused = qt("throttle", "enable", "quiet", "--reason", "r")
    assert refused.exit_code == 1
    assert "STRATEGY_NOT_DISABLED" in refused.output or "strategy=quiet" in refused.output
