"""What a running system tells of itself: to programs, to an operator, and to nobody else."""

from __future__ import annotations

import json
import stat

import httpx
import psutil
import pytest

from tests.support.system import RunningSystem, processes_of

pytestmark = [pytest.mark.timeout(300)]

NAMES = [
    "postgres",
    "redis",
    "exchange",
    "worker-critical",
    "worker-orders",
    "worker-default",
    "beat",
    "listener",
    "web",
    "health",
    "flower",
]


def test_status_has_the_shape_that_others_rely_on(running: RunningSystem) -> None:
    status = running.system.status()
    assert set(status) == {"ready", "urls", "processes"}
    assert status["ready"] is True
    assert status["urls"] == running.urls
    assert set(running.urls) == {"web", "health", "flower", "exchange"}
    assert [one["name"] for one in status["processes"]] == NAMES
    assert all(set(one) == {"name", "pid", "state"} and one["state"] == "ready" for one in status["processes"])
    assert all(psutil.pid_exists(one["pid"]) for one in status["processes"])


def test_check_finds_everything_well(running: RunningSystem) -> None:
    answer = running.system.call("check", "--json")
    findings = {one["component"]: one for one in json.loads(answer.stdout)["findings"]}
    assert answer.returncode == 0, findings
    assert set(findings) >= set(NAMES)
    assert {name: each["detail"] for name, each in findings.items() if each["status"] != "OK"} == {}


def test_a_second_up_on_the_same_state_directory_is_refused_in_one_line(running: RunningSystem) -> None:
    answer = running.system.call("up")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.count("\n") == 1
    assert f"already running (pid {running.process.pid})" in answer.stderr


def test_no_secret_is_on_a_command_line_in_a_log_or_readable_for_others(running: RunningSystem) -> None:
    state = running.state
    connection = json.loads((state / "run" / "connection.json").read_text())
    secrets = {
        (state / "operator.token").read_text().strip(),
        (state / "postgres.password").read_text().strip(),
        connection["redis_url"].split(":")[2].split("@")[0],
        connection["exchange_key"],
        connection["exchange_secret"],
    }
    assert all(len(secret) >= 32 for secret in secrets)
    command_lines = "\n".join(" ".join(process.cmdline()) for process in processes_of(state))
    logs = "\n".join(path.read_text(errors="replace") for path in (state / "logs").iterdir())
    assert command_lines
    assert logs
    assert not [secret for secret in secrets if secret in command_lines or secret in logs]
    for path in [state / "operator.token", state / "postgres.password", state / "run" / "connection.json"]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    for path in [state / "logs", state / "run", state / "paper-exchange", state / "valkey"]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o700, path


def test_flower_shows_nothing_without_its_password(running: RunningSystem) -> None:
    password = (running.state / "flower.password").read_text().strip()
    flower = running.urls["flower"]
    assert httpx.get(f"{flower}/api/workers").status_code == 401
    assert httpx.get(f"{flower}/api/workers", auth=("operator", "wrong")).status_code == 401
    assert httpx.get(f"{flower}/api/workers", auth=("operator", password)).status_code == 200
