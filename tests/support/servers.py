"""Real Postgres and Valkey servers for tests: one of each per pytest process, started when first asked for.

With pytest-xdist every worker has its own pair, so nothing is shared and nothing is left behind when one is killed.
They run with fsync off: what a power cut would lose does not matter to a test, and databases are made in milliseconds.
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
import pytest
import redis

from app.adapters.embedded import postgres, valkey
from app.adapters.processes.spawn import signal_group, spawn
from tests.support.waiting import wait_until

START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 15.0
# One numbered Valkey database per test would run out; tests of one process run one after another, so one is enough.
REDIS_DATABASE = 0


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


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[postgres.PostgresCluster]:
    """One Postgres cluster for this pytest process."""
    with postgres_server() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def postgres_url(postgres_cluster: postgres.PostgresCluster) -> str:
    """`postgresql://` URL of the cluster's own, empty database; tests that write take `fresh_database` instead."""
    return postgres_cluster.url()


@pytest.fixture(scope="session")
def migrated_template(postgres_cluster: postgres.PostgresCluster) -> str:
    """The name of a database with every migration applied, to be copied, never written to."""
    from app.adapters.postgres import migrate

    name = "migrated_template"
    _administer(postgres_cluster, f"CREATE DATABASE {name}")
    migrate(postgres_cluster.url(name))
    return name


@pytest.fixture
def fresh_database(postgres_cluster: postgres.PostgresCluster, migrated_template: str) -> Iterator[str]:
    """URL of a migrated database for this test alone (a file copy of the template), dropped afterwards."""
    with database_of_its_own(postgres_cluster, template=migrated_template) as url:
        yield url


@pytest.fixture
def empty_database(postgres_cluster: postgres.PostgresCluster) -> Iterator[str]:
    """URL of an empty database for this test alone, for tests of the migrations themselves; dropped afterwards."""
    with database_of_its_own(postgres_cluster, template="template0") as url:
        yield url


@pytest.fixture(scope="session")
def valkey_session_server() -> Iterator[valkey.ValkeyServer]:
    """One Valkey server for this pytest process."""
    with valkey_server() as server:
        yield server


@pytest.fixture(scope="session")
def redis_url(valkey_session_server: valkey.ValkeyServer) -> str:
    """`redis://` URL of this pytest process' own Valkey server."""
    return valkey_session_server.url(REDIS_DATABASE)


@pytest.fixture
def fresh_redis(redis_url: str) -> Iterator[str]:
    """URL of a Valkey server without keys, scripts or other clients, left that way before each test."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        client.script_flush()
    yield redis_url
    with redis.Redis.from_url(redis_url) as client:
        # A client that a test left behind must not write into the next one.
        for kind in ("normal", "pubsub"):
            client.client_kill_filter(_type=kind, skipme=True)


@contextmanager
def database_of_its_own(cluster: postgres.PostgresCluster, *, template: str) -> Iterator[str]:
    name = f"test_{uuid4().hex[:12]}"
    _administer(cluster, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    try:
        yield cluster.url(name)
    finally:
        # FORCE ends the connections that a test's pools still hold.
        _administer(cluster, f"DROP DATABASE {name} WITH (FORCE)")


def _administer(cluster: postgres.PostgresCluster, statement: str) -> None:
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        connection.execute(statement)
