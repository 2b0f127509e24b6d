"""Sixteen workers for orders on one system: its own eight threads, and two further processes with four each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from app.chaos.arena import Arena
from tests.support.waiting import wait_until

REPOSITORY = Path(__file__).resolve().parents[1]
FURTHER = 2
THREADS = 4
READY_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 15.0


@dataclass(slots=True)
class Worker:
    """A process of ours; `freeze_file` tells it to stop itself in mid-send."""

    process: subprocess.Popen[bytes]
    freeze_file: Path
    ready_file: Path

    @property
    def is_frozen(self) -> bool:
        """Whether the kernel has stopped it."""
        return psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED

    def ask_to_freeze(self) -> None:
        """At its next send."""
        self.freeze_file.with_suffix(".frozen").unlink(missing_ok=True)
        self.freeze_file.touch()

    def wake(self) -> None:
        """Go on as if nothing had been; also takes a wish to freeze back that was not met."""
        self.freeze_file.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGCONT)

    @property
    def frozen_in(self) -> str | None:
        """The client order id that it was about to send."""
        try:
            return self.freeze_file.with_suffix(".frozen").read_text() or None
        except FileNotFoundError:
            return None


def start_worker(arena: Arena, name: str) -> Worker:
    """One more process on the arena's Redis and Postgres, as another machine would run it."""
    freeze_file, ready_file = arena.state / f"{name}.freeze", arena.state / f"{name}.ready"
    ready_file.unlink(missing_ok=True)
    connection = {f"QT_{key.upper()}": value for key, value in arena.connection.items() if value is not None}
    with (arena.state / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "bench.stop_worker", "worker", "--queues", "orders"),
                *("--hostname", f"{name}@%h", "--pool", "threads", "--concurrency", str(THREADS)),
                *("--without-gossip", "--without-mingle", "--loglevel", "INFO"),
            ],
            env={
                **arena.environment,
                **connection,
                "QT_FREEZE_FILE": str(freeze_file),
                "QT_READY_FILE": str(ready_file),
                "QT_PROCESS_NAME": name,
            },
            cwd=REPOSITORY,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return Worker(process, freeze_file, ready_file)


def stop_worker(worker: Worker) -> None:
    """At once: what it was doing is the system's to finish."""
    worker.process.kill()
    worker.process.wait(STOP_SECONDS_MAX)


class Fleet:
    """The further workers of an arena."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self.workers: list[Worker] = []

    def start(self) -> None:
        """Start them, and wait until they work."""
        self.workers = [start_worker(self._arena, f"worker-orders-{number + 2}") for number in range(FURTHER)]
        for worker in self.workers:
            wait_until(worker.ready_file.exists, seconds=READY_SECONDS_MAX, what="a further worker to be ready")

    def replace_dead(self) -> None:
        """Wake those that a broken case left frozen, and start others for those that are gone."""
        for number, worker in enumerate(self.workers):
            if worker.process.poll() is None:
                worker.wake()
            else:
                self.workers[number] = start_worker(self._arena, f"worker-orders-{number + 2}")

    def stop(self) -> None:
        """Kill those that still run."""
        for worker in self.workers:
            if worker.process.poll() is None:
                stop_worker(worker)


@contextmanager
def open_fleet(arena: Arena) -> Iterator[Fleet]:
    """The further workers, gone afterwards."""
    fleet = Fleet(arena)
    try:
        fleet.start()
        yield fleet
    finally:
        fleet.stop()


@contextmanager
def held_down(arena: Arena, name: str, number: signal.Signals) -> Iterator[None]:
    """Kill a server again and again, so that its supervisor cannot bring it back before the end of the block."""
    over = threading.Event()

    def keep_killing() -> None:
        killed: int | None = None
        while not over.is_set():
            pid = arena.pid_of(name)
            if pid is not None and pid != killed and _kill(pid, number):
                killed = pid
            time.sleep(0.02)

    thread = threading.Thread(target=keep_killing, name=f"hold-down-{name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(5)


def _kill(pid: int, number: signal.Signals) -> bool:
    try:
        os.killpg(os.getpgid(pid), number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
