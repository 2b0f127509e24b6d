"""Postgres and Valkey of a test's own, that may be killed, frozen and started again with what they had written."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import redis

from app.adapters.embedded import postgres, valkey
from app.adapters.processes.spawn import spawn
from tests.support.servers import running, server_home
from tests.support.waiting import wait_until

BACK_SECONDS_MAX = 30.0


class Mortal:
    """A server process under our hands."""

    def __init__(
        self,
        url: str,
        start: Callable[[], subprocess.Popen[bytes]],
        answers: Callable[[], bool],
        data: Sequence[Path] = (),
    ) -> None:
        self.url = url
        self._data = data
        self._start = start
        self.answers = answers
        self.process = start()

    def kill(self) -> None:
        """SIGKILL, as the kernel does it when memory is short."""
        self.process.kill()
        self.process.wait(10)

    def wipe(self) -> None:
        """Remove what a killed server had written: it comes back with nothing, as on a new disk."""
        assert self._data
        assert self.process.poll() is not None
        for path in self._data:
            shutil.rmtree(path)

    def freeze(self) -> None:
        """SIGSTOP, its children too (each Postgres backend is a group of its own): connections are taken by the kernel,
        nobody answers."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        leader = psutil.Process(self.process.pid)
        for process in (leader, *leader.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def start_again(self) -> None:
        """Up, with what was on its disk."""
        self.process = self._start()
        wait_until(self.answers, seconds=BACK_SECONDS_MAX, what="the server to answer again")


@contextmanager
def mortal_postgres() -> Iterator[Mortal]:
    with server_home("qt-out-pg-") as home:
        cluster = postgres.prepare_postgres(home)  # not a throw-away one: it remembers what it committed

        def start() -> subprocess.Popen[bytes]:
            return spawn(
                cluster.command,
                environment=os.environ,
                log_path=home / "postgres.log",
                working_directory=Path("/"),
                user=cluster.user,
                death_signal=postgres.DEATH_SIGNAL,
            )

        def answers() -> bool:
            try:
                psycopg.connect(cluster.url(), connect_timeout=2).close()
            except psycopg.OperationalError:
                return False
            return True

        with _held(Mortal(cluster.url(), start, answers), home / "postgres.log", postgres.STOP_SIGNAL) as server:
            yield server


@contextmanager
def mortal_valkey() -> Iterator[Mortal]:
    with server_home("qt-out-valkey-") as home:
        server = valkey.prepare_valkey(home)

        def start() -> subprocess.Popen[bytes]:
            return spawn(
                server.command,
                environment=os.environ,
                log_path=home / "valkey.log",
                working_directory=Path("/"),
                death_signal=valkey.DEATH_SIGNAL,
            )

        def answers() -> bool:
            with redis.Redis.from_url(server.url(), socket_timeout=2) as client:
                try:
                    return bool(client.ping())
                except (redis.ConnectionError, redis.TimeoutError):
                    return False

        appended = server.configuration.with_name("appendonlydir")
        mortal = Mortal(server.url(), start, answers, data=[appended])
        with _held(mortal, home / "valkey.log", valkey.STOP_SIGNAL) as held:
            yield held


@contextmanager
def _held(server: Mortal, log_path: Path, stop_signal: signal.Signals) -> Iterator[Mortal]:
    with running(lambda: server.process, server.answers, log_path, stop_signal):
        yield server
        if server.process.poll() is None:
            server.thaw()
            server.process.send_signal(stop_signal)
            server.process.wait(20)
