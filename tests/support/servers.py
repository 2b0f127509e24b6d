"""Real Postgres and Valkey servers for tests and benches; needs nothing of pytest.

They run with fsync off: what a power cut would lose does not matter here, and databases are made in milliseconds.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import redis

from app.adapters.embedded import postgres, valkey
from app.adapters.processes.spawn import signal_group, spawn
from tests.support.waiting import wait_until

START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 15.0


@contextmanager
def server_home(prefix: str) -> Iterator[Path]:
    """A short-named directory that the service user may traverse, removed afterwards."""
    home = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    home.chmod(0o711)
    try:
        yield home
    finally:
        shutil.rmtree(home)


@contextmanager
def running(
    start: Callable[[], subprocess.Popen[bytes]], ready: Callable[[], bool], log_path: Path, stop_signal: signal.Signals
) -> Iterator[subprocess.Popen[bytes]]:
    """A server process that answers, stopped again afterwards; a failure to start shows its log."""
    process = start()

    def answers() -> bool:
        if process.poll() is not None:
            raise AssertionError(f"server exited with {process.returncode}:\n{log_path.read_text()[-2000:]}")
        return ready()

    try:
        wait_until(answers, seconds=START_SECONDS_MAX, what=f"{log_path.stem} to answer")
        yield process
    finally:
        process.send_signal(stop_signal)
        try:
            process.wait(STOP_SECONDS_MAX)
        finally:
            signal_group(process, signal.SIGKILL)
            process.wait(STOP_SECONDS_MAX)


@contextmanager
def postgres_server() -> Iterator[postgres.PostgresCluster]:
    """A throw-away Postgres cluster that answers."""
    with server_home("qt-test-pg-") as home:
        cluster = postgres.prepare_postgres(home, throwaway=True)
        log_path = home / "postgres.log"

        def start() -> subprocess.Popen[bytes]:
            return spawn(
                cluster.command,
                environment=os.environ,
                log_path=log_path,
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

        with running(start, answers, log_path, postgres.STOP_SIGNAL):
            yield cluster


@contextmanager
def valkey_server() -> Iterator[valkey.ValkeyServer]:
    """A throw-away Valkey server that answers."""
    with server_home("qt-test-valkey-") as home:
        server = valkey.prepare_valkey(home, throwaway=True)
        log_path = home / "valkey.log"

        def start() -> subprocess.Popen[bytes]:
            return spawn(
                server.command,
                environment=os.environ,
                log_path=log_path,
                working_directory=Path("/"),
                death_signal=valkey.DEATH_SIGNAL,
            )

        def answers() -> bool:
            with redis.Redis.from_url(server.url(), socket_timeout=2) as client:
                try:
                    return bool(client.ping())
                except (redis.ConnectionError, redis.TimeoutError):
                    return False

        with running(start, answers, log_path, valkey.STOP_SIGNAL):
            yield server


@contextmanager
def database_of_its_own(cluster: postgres.PostgresCluster, *, template: str) -> Iterator[str]:
    """URL of a copy of `template`, dropped afterwards."""
    name = f"test_{uuid4().hex[:12]}"
    administer(cluster, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    try:
        yield cluster.url(name)
    finally:
        # FORCE ends the connections that a test's pools still hold.
        administer(cluster, f"DROP DATABASE {name} WITH (FORCE)")


def administer(cluster: postgres.PostgresCluster, statement: str) -> None:
    """Run one statement that no transaction may hold, such as CREATE DATABASE."""
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        connection.execute(statement)
