"""The arena: a whole system of its own, with a policy that lets orders flow, and the levers that break it."""

from __future__ import annotations

import collections
import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import redis

from app.adapters.processes.free_ports import free_system_ports
from app.adapters.processes.records import read_record
from app.bootstrap import open_system
from app.chaos.books import Books, read_books
from app.chaos.flowing_policy import flowing_policy
from app.chaos.promises import Ledger
from app.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[2]
READY_SECONDS_MAX = 120.0
STOP_SECONDS_MAX = 45.0
LET_GO_SECONDS_MAX = 20.0
LET_GO_PAUSE_SECONDS = 0.5
PORTS = ("QT_WEB_PORT", "QT_HEALTH_PORT", "QT_FLOWER_PORT", "QT_EXCHANGE_PORT")
ANSWER_SECONDS_MAX = 10.0
BUFFER = "buffer"
JUNK = "junk-of-chaos"
DISK_SIZE = "192m"  # more than what the health service calls too little, little enough to fill in a moment


class ArenaError(Exception):
    """The system under test did not start or did not come back; the text holds what it said."""


class Arena:
    """A running system. Levers act at once and do not wait for the effect."""

    def __init__(
        self,
        state: Path,
        environment: Mapping[str, str],
        market: str,
        process: subprocess.Popen[str],
        urls: dict[str, str],
    ) -> None:
        self.state = state
        self.environment = environment
        self._market = market
        self._meet(process, urls)

    def _meet(self, process: subprocess.Popen[str], urls: dict[str, str]) -> None:
        self.process = process
        self.urls = urls
        self.connection = json.loads((self.state / "run" / "connection.json").read_text())
        self.token = (self.state / "operator.token").read_text().strip()
        self.web = httpx.Client(
            base_url=urls["web"], headers={"Authorization": f"Bearer {self.token}"}, timeout=ANSWER_SECONDS_MAX
        )
        self.exchange = httpx.Client(base_url=urls["exchange"], timeout=ANSWER_SECONDS_MAX)

    # ------------------------------------------------------------------------------------------------ levers

    def pid_of(self, name: str) -> int | None:
        """The process' pid right now; None while it is being restarted."""
        return self.pids().get(name)

    def pids(self) -> Mapping[str, int]:
        """The pids of all processes that run right now, by name."""
        record = read_record(self.state / "run" / "system.json")
        return {each.name: each.identity.pid for each in record.processes if each.identity} if record else {}

    def send_signal(self, name: str, number: signal.Signals) -> bool:
        """Signal a process group, as the kernel's out-of-memory killer or an operator would."""
        pid = self.pid_of(name)
        if not pid:
            return False
        try:
            os.killpg(os.getpgid(pid), number)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def flush_redis(self) -> bool:
        """FLUSHALL: every message, the window, the budget and the live stream are gone."""
        with contextlib.closing(redis.Redis.from_url(self.connection["redis_url"], socket_timeout=2)) as client:
            try:
                client.flushall()
            except (redis.ConnectionError, redis.TimeoutError):
                return False
        return True

    def fill_disk(self) -> bool:
        """Leave no room where signals and events wait during an outage; False where that is no disk of its own."""
        buffer = self.state / BUFFER
        if not buffer.is_mount():
            return False
        try:
            with (buffer / JUNK).open("wb", buffering=0) as junk:
                while junk.write(b"\0" * 4096):
                    pass
        except OSError as error:
            return error.errno == errno.ENOSPC
        return False

    def free_disk(self) -> None:
        """Give the room back."""
        (self.state / BUFFER / JUNK).unlink(missing_ok=True)

    def add_exchange_fault(self, rule: Mapping[str, Any]) -> bool:
        """Put one rule in force."""
        return self.exchange.post("/paper/faults", json=[dict(rule)]).status_code == 200

    def exchange_faults(self) -> list[Mapping[str, Any]]:
        """The rules in force, with how often each fired."""
        answer = self.exchange.get("/paper/faults").json()
        rules: list[Mapping[str, Any]] = answer["faults"] if isinstance(answer, dict) else answer
        return rules

    def heal_exchange(self) -> None:
        """Take every rule back."""
        self.exchange.delete("/paper/faults")

    def trip(self, *, flatten: bool) -> bool:
        """Trip the emergency stop as an operator would."""
        try:
            answer = self.web.post("/api/ess/trip", json={"reason": "chaos", "flatten": flatten})
        except httpx.HTTPError:
            return False
        return answer.status_code == 200

    def ess(self) -> Mapping[str, Any] | None:
        """The emergency stop, None while it cannot be read."""
        try:
            answer = self.web.get("/api/ess")
        except httpx.HTTPError:
            return None
        return answer.json() if answer.status_code == 200 else None

    def reset(self) -> bool:
        """Start the cooldown."""
        try:
            return self.web.post("/api/ess/reset", json={"reason": "chaos is over"}).status_code == 200
        except httpx.HTTPError:
            return False

    def kill_everything(self) -> None:
        """SIGKILL to the supervisor, which takes every process with it, the exchange's included."""
        self.web.close()
        self.exchange.close()
        self.process.kill()
        self.process.wait(STOP_SECONDS_MAX)

    def start_again(self) -> None:
        """The same system from what is on the disk; raises `ArenaError` when it does not come up.

        What was killed may need a moment to let go of its ports; whoever starts by hand would try again too.
        """
        deadline = time.monotonic() + LET_GO_SECONDS_MAX
        while True:
            self.process = _start(self.environment, self._market)
            try:
                return self._meet(self.process, _wait_ready(self.process))
            except ArenaError as error:
                if "is in use by" not in str(error) or time.monotonic() > deadline:
                    raise
            self.process.wait(STOP_SECONDS_MAX)
            time.sleep(LET_GO_PAUSE_SECONDS)

    # ------------------------------------------------------------------------------------------------ records

    def books(self) -> Books:
        """Our record."""
        return read_books(self.connection["database_url"])

    def ledger(self) -> Ledger:
        """The exchange's record."""
        return Ledger(self.exchange.get("/paper/ledger", timeout=60).json())

    def unready(self) -> str | None:
        """Why the health service does not call the system ready; None when it does."""
        try:
            answer = httpx.get(f"{self.urls['health']}/ready", timeout=ANSWER_SECONDS_MAX)
        except httpx.HTTPError as error:
            return f"health does not answer: {error!r}"
        if answer.status_code == 200:
            return None
        return "; ".join(f"{each['component']}: {each['cause']}" for each in answer.json()["reasons"])


@contextmanager
def open_arena(
    *, seed: int, keep: bool = False, settings: Mapping[str, str] = MappingProxyType({}), small_disk: bool = True
) -> Iterator[Arena]:
    """Start a system in a directory of its own; stop it, and remove the directory unless `keep`.

    `settings` are further `QT_` variables for it. With `small_disk` its buffers live on one that `fill_disk` can fill.
    """
    state = Path(tempfile.mkdtemp(prefix="qt-chaos-", dir="/tmp"))
    state.chmod(0o711)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("QT_")},
        "PYTHONPATH": str(REPOSITORY),
        "QT_STATE_DIR": str(state),
        "QT_LOG_LEVEL": "INFO",
        **free_system_ports(PORTS),
        **settings,
    }
    is_mounted = small_disk and _mount_small_disk(state / BUFFER)
    market = f"seed:{seed}"
    process = _start(environment, market)
    arena: Arena | None = None
    try:
        arena = Arena(state, environment, market, process, _wait_ready(process))
        _let_orders_flow(arena)
        yield arena
    finally:
        _stop(process if arena is None else arena.process)
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(state / BUFFER)], check=False, timeout=10)
        if not keep:
            shutil.rmtree(state, ignore_errors=True)


def _start(environment: Mapping[str, str], market: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "app.cli", "up", "--market", market],
        env=environment,
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _mount_small_disk(directory: Path) -> bool:
    """A disk of its own for the buffers, so small that it can be filled; only root may, others go without."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    directory.mkdir(mode=0o700)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_SIZE},mode=700", "tmpfs", str(directory)],
        capture_output=True,
        check=False,
        timeout=10,
    )
    return done.returncode == 0


def _wait_ready(process: subprocess.Popen[str]) -> dict[str, str]:
    deadline = time.monotonic() + READY_SECONDS_MAX
    said = []
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("ready "):
            # Every restart that follows is told in a line: nobody reading them would stop the teller in the end.
            threading.Thread(target=collections.deque, args=(process.stdout, 0), daemon=True).start()
            return dict(part.split("=", 1) for part in line.split()[1:])
        said.append(line)
        if time.monotonic() > deadline:
            break
    raise ArenaError("the system did not become ready:\n" + "".join(said))


def _stop(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS_MAX)


def _let_orders_flow(arena: Arena) -> None:
    """A policy of its own version."""
    settings = Settings.from_environment({**arena.environment}).model_copy(
        update={
            name: Settings.model_validate({"state_dir": arena.state, name: value}).__getattribute__(name)
            for name, value in arena.connection.items()
        }
    )
    with open_system(settings) as system, system.unit_of_work() as uow:
        uow.control.add_policy(
            flowing_policy(), author="chaos", reason="let orders flow while everything breaks", now=system.clock.now()
        )
        uow.commit()
