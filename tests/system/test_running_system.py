"""A running system: what it tells of itself, and how it takes blows."""

from __future__ import annotations

import json
import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from app.adapters.processes.records import read_record
from tests.support.system import RunningSystem, System, assert_nothing_left, processes_of, short_directory
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.timeout(300)]

RECOVERY_SECONDS_MAX = 40.0
HEALTH_SECONDS_MAX = 15.0  # `python -m bench.health_faults` holds it to five; a test machine may be busy
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


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSystem]:
    """One system for the tests that leave it as they found it."""
    with short_directory() as folder:
        with System.of_checkout(folder / "state").up() as started:
            yield started
        assert_nothing_left(folder)


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_directory() as made:
        yield made


def state_of(running: RunningSystem) -> Path:
    return Path(running.system.environment["QT_STATE_DIR"])


def wait_ready_again(running: RunningSystem) -> None:
    wait_until(lambda: running.system.status()["ready"], seconds=RECOVERY_SECONDS_MAX, what="the system to be ready")


def restarts_of(running: RunningSystem, name: str) -> int:
    record = read_record(state_of(running) / "run" / "system.json")
    assert record is not None
    return next(one.restarts for one in record.processes if one.name == name)


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
    state = state_of(running)
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


@pytest.mark.parametrize("name", ["worker-orders", "web", "beat", "redis", "postgres"])
def test_a_process_that_is_killed_comes_back_and_the_system_is_ready_again(running: RunningSystem, name: str) -> None:
    before, restarts = running.system.pids()[name], restarts_of(running, name)
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: restarts_of(running, name) > restarts, seconds=10, what=f"{name} to be restarted")
    wait_ready_again(running)
    assert running.system.pids()[name] != before
    # Workers and web find their servers again by themselves, in their own time.
    wait_until(
        lambda: running.system.call("check").returncode == 0, seconds=RECOVERY_SECONDS_MAX, what="every part to answer"
    )


def test_a_frozen_worker_is_seen_by_status_and_by_check(running: RunningSystem) -> None:
    health = f"{running.urls['health']}/ready"
    os.kill(running.system.pids()["worker-critical"], signal.SIGSTOP)
    try:
        # Told within seconds, by what it gets done; the supervisor's sign of life takes longer.
        wait_until(lambda: httpx.get(health).status_code == 503, seconds=HEALTH_SECONDS_MAX, what="health to tell")
        assert "worker-critical" in [each["component"] for each in httpx.get(health).json()["reasons"]]
        wait_until(lambda: not running.system.status()["ready"], seconds=RECOVERY_SECONDS_MAX, what="not ready")
        answer = running.system.call("check", "--json")
        assert answer.returncode == 1
        bad = {one["component"] for one in json.loads(answer.stdout)["findings"] if one["status"] == "CRITICAL"}
        assert bad == {"worker-critical"}
    finally:
        os.kill(running.system.pids()["worker-critical"], signal.SIGCONT)
    wait_until(lambda: httpx.get(health).status_code == 200, seconds=HEALTH_SECONDS_MAX, what="health to be well")
    wait_ready_again(running)


def test_flower_shows_nothing_without_its_password(running: RunningSystem) -> None:
    password = (state_of(running) / "flower.password").read_text().strip()
    flower = running.urls["flower"]
    assert httpx.get(f"{flower}/api/workers").status_code == 401
    assert httpx.get(f"{flower}/api/workers", auth=("operator", "wrong")).status_code == 401
    assert httpx.get(f"{flower}/api/workers", auth=("operator", password)).status_code == 200


def test_a_second_system_beside_this_one_runs_a_demo_producer_and_ends_in_good_order_on_ctrl_c(
    running: RunningSystem, folder: Path
) -> None:
    state = folder / "state"
    with System.of_checkout(state).up("--producer") as other:
        assert not set(other.urls.values()) & set(running.urls.values())
        assert "producer" in other.system.pids()
        token = (state / "operator.token").read_text().strip()
        with httpx.Client(base_url=other.urls["web"], headers={"Authorization": f"Bearer {token}"}) as web:
            items = wait_until(
                lambda: web.get("/api/signals").json()["items"], seconds=RECOVERY_SECONDS_MAX, what="a demo signal"
            )
        assert {one["strategy"] for one in items} == {"demo"}
        assert other.stop(signal.SIGINT) == 0
        assert_nothing_left(folder, seconds=0)
        assert not (state / "postgres" / "data" / "postmaster.pid").exists(), "Postgres did not shut down by itself"
        assert "database system is shut down" in (state / "logs" / "postgres.log").read_text()
        assert other.system.status()["ready"] is False
    assert running.system.call("check").returncode == 0


def test_nothing_survives_a_kill_and_the_next_up_works_on_the_same_data(folder: Path) -> None:
    system = System.of_checkout(folder / "state")
    with system.up() as running:
        token = (folder / "state" / "operator.token").read_text()
        running.process.kill()
        running.process.wait(10)
        assert_nothing_left(folder, seconds=10)
        assert system.status()["ready"] is False
    with system.up() as running:
        assert (folder / "state" / "operator.token").read_text() == token, "the database was made anew"
        assert system.call("check").returncode == 0
        for process in [running.process, *processes_of(folder)]:
            process.kill()
        running.process.wait(10)
        assert_nothing_left(folder, seconds=10)
    with system.up() as running:
        assert (folder / "state" / "operator.token").read_text() == token, "the database was made anew"
        assert system.call("check").returncode == 0
        answer = system.call("down")
        assert (answer.returncode, answer.stdout) == (0, "stopped\n")
        assert running.process.wait(10) == 0
    assert_nothing_left(folder)
