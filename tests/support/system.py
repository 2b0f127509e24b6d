"""A whole system started with `./qt up`, as a user would, and proof that nothing of it is left afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from app.adapters.processes.free_ports import free_system_ports
from app.adapters.processes.records import SystemRecord, read_record
from tests.support.waiting import wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
READY_SECONDS_MAX = 90.0
STOP_SECONDS_MAX = 45.0
CALL_SECONDS_MAX = 60.0
PORTS = ("QT_WEB_PORT", "QT_HEALTH_PORT", "QT_FLOWER_PORT", "QT_EXCHANGE_PORT")


@contextmanager
def short_directory() -> Iterator[Path]:
    """A directory with a short name that the Postgres user can traverse (pytest's own is closed to it)."""
    folder = Path(tempfile.mkdtemp(prefix="qt-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def environment_for(state_directory: Path, ports: Mapping[str, str], **extra: str) -> dict[str, str]:
    """The caller's environment with a system of its own and nothing of another one's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QT_")}
    return {**kept, "QT_STATE_DIR": str(state_directory), **ports, **extra}


@dataclass
class System:
    """How to call commands on one system; `command` is the start of each, e.g. `["./qt"]`."""

    command: list[str]
    environment: dict[str, str]
    working_directory: Path

    @classmethod
    def of_checkout(cls, state_directory: Path, **extra: str) -> System:
        """A system run from this checkout with the interpreter of the tests, without the bootstrap."""
        environment = environment_for(state_directory, free_system_ports(PORTS), PYTHONPATH=str(REPOSITORY), **extra)
        return cls([sys.executable, "-P", "-m", "app.cli"], environment, Path("/"))

    @property
    def state(self) -> Path:
        return Path(self.environment["QT_STATE_DIR"])

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        return subprocess.run(
            [*self.command, *arguments],
            env=self.environment,
            cwd=self.working_directory,
            capture_output=True,
            text=True,
            check=False,
            timeout=CALL_SECONDS_MAX,
        )

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.call("status", "--json").stdout)
        return answer

    def record(self) -> SystemRecord:
        """What `status` prints, without a command: for whoever looks often."""
        record = read_record(self.state / "run" / "system.json")
        assert record is not None
        return record

    def pids(self) -> dict[str, int]:
        return {one.name: one.pid for one in self.record().processes if one.pid is not None}

    @contextmanager
    def up(self, *arguments: str, ready_seconds_max: float = READY_SECONDS_MAX) -> Iterator[RunningSystem]:
        """`up` until it prints `ready`; whatever the test does, nothing of it runs afterwards."""
        process = subprocess.Popen(
            [*self.command, "up", *arguments],
            env=self.environment,
            cwd=self.working_directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        running = RunningSystem(self, process)
        try:
            running.wait_ready(ready_seconds_max)
            yield running
        finally:
            running.end()


class RunningSystem:
    """A system in the foreground of a process that we hold."""

    def __init__(self, system: System, process: subprocess.Popen[str]) -> None:
        self.system = system
        self.process = process
        self.urls: dict[str, str] = {}
        self.errors: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        for stream, sink in ((process.stdout, self._lines.put), (process.stderr, self.errors.append)):
            threading.Thread(target=self._read, args=(stream, sink), daemon=True).start()

    def _read(self, stream: Any, sink: Any) -> None:
        for line in stream:
            sink(line)
        if stream is self.process.stdout:
            self._lines.put(None)

    @property
    def state(self) -> Path:
        return self.system.state

    def wait_ready(self, seconds: float) -> None:
        """The `ready` line, with its URLs."""
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"not ready after {seconds:g} s:\n{self.said}") from None
        assert line is not None, f"ended with {self.process.wait(STOP_SECONDS_MAX)} before it was ready:\n{self.said}"
        assert line.startswith("ready "), line
        self.urls = dict(part.split("=", 1) for part in line.split()[1:])

    @property
    def said(self) -> str:
        return "".join(self.errors)

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Ask for the end as Ctrl-C does and wait for it; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS_MAX)

    def end(self) -> None:
        """Whatever state it is in: end it, and make sure of it."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait(10)


def processes_of(state_directory: Path) -> list[psutil.Process]:
    """Every process that carries this state directory in its environment or on its command line."""
    needle = str(state_directory)
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            mentions = any(needle in text for text in (*process.cmdline(), *process.environ().values()))
            if mentions and process.status() != psutil.STATUS_ZOMBIE and process.pid != os.getpid():
                found.append(process)
    return found


def assert_nothing_left(state_directory: Path, seconds: float = 5.0) -> None:
    """Fails naming what still runs of a system that has ended."""
    try:
        wait_until(lambda: not processes_of(state_directory), seconds=seconds, what="every process to be gone")
    except AssertionError:
        raise AssertionError(f"left behind: {[' '.join(p.cmdline()) for p in processes_of(state_directory)]}") from None
