"""A database URL of several hosts: whoever may be written to is found, at the start and after a fail-over."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from app.adapters.embedded import postgres
from app.adapters.postgres import create_engine, migrate
from app.adapters.postgres.address import one_authority, without_password
from app.adapters.postgres.dump import dump_database, load_database
from app.adapters.postgres.engine import sqlalchemy_url
from app.adapters.postgres.transaction import core_errors
from app.adapters.processes.free_ports import EMBEDDED_PORTS, free_port
from app.adapters.processes.probes import answers_postgres
from app.adapters.processes.spawn import spawn
from app.ports import DatabaseUnavailableError
from tests.support.servers import running, server_home
from tests.support.system import REPOSITORY
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration
PASSWORD = "the-same-on-both"


@dataclass
class Server:
    """One cluster on a port of this machine."""

    binaries: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return url_of(self.place)

    def emptied(self) -> Server:
        """Without tables, and writable."""
        with psycopg.connect(self.url, autocommit=True, options="-c default_transaction_read_only=off") as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        self.become(writable=True)
        return self

    def become(self, *, writable: bool) -> None:
        """As a promotion or a demotion looks to clients: those connected are told by their next statement."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {'off' if writable else 'on'}")
            connection.execute("SELECT pg_reload_conf()")

        def did() -> bool:
            with psycopg.connect(self.url, autocommit=True) as connection:
                row = connection.execute("SHOW default_transaction_read_only").fetchone()
            return row == ("off" if writable else "on",)

        wait_until(did, seconds=5, what="the server to have changed")


def url_of(*places: str) -> str:
    return f"postgresql://{postgres.ROLE}:{PASSWORD}@{','.join(places)}/{postgres.DATABASE}"


@contextmanager
def server() -> Iterator[Server]:
    with server_home("qt-test-pg-") as home:
        (home / "postgres.password").write_text(PASSWORD)
        cluster = postgres.prepare_postgres(home, throwaway=True)
        port = free_port(EMBEDDED_PORTS)
        command = [*cluster.command, "-c", "listen_addresses=127.0.0.1", "-c", f"port={port}"]
        started = Server(cluster.binaries, port, None)  # type: ignore[arg-type]

        def start() -> subprocess.Popen[bytes]:
            started.process = spawn(
                command,
                environment=os.environ,
                log_path=home / "postgres.log",
                working_directory=Path("/"),
                user=cluster.user,
                death_signal=postgres.DEATH_SIGNAL,
            )
            return started.process

        def answers() -> bool:
            try:
                psycopg.connect(started.url, connect_timeout=2).close()
            except psycopg.OperationalError:
                return False
            return True

        with running(start, answers, home / "postgres.log", postgres.STOP_SIGNAL):
            yield started


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Server, Server]]:
    with server() as one, server() as other:
        yield one, other


@pytest.fixture
def first(servers: tuple[Server, Server]) -> Server:
    return servers[0].emptied()


@pytest.fixture
def second(servers: tuple[Server, Server]) -> Server:
    return servers[1].emptied()


def policies(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM policies").fetchone()
    assert row is not None
    return int(row[0])


def test_after_a_fail_over_one_unit_of_work_fails_and_the_next_finds_the_new_primary(
    first: Server, second: Server
) -> None:
    for each in (first, second):
        migrate(each.url)
    second.become(writable=False)
    engine = create_engine(url_of(first.place, second.place), application_name="test", pool_size=3)

    def port_written_to() -> int:
        with core_errors(), engine.begin() as connection:
            connection.execute(sa.text("DELETE FROM reconciliations"))
            return int(connection.execute(sa.text("SELECT inet_server_port()")).scalar_one())

    assert port_written_to() == first.port
    first.become(writable=False)
    second.become(writable=True)
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailableError):
        port_written_to()
    assert port_written_to() == second.port
    assert time.monotonic() - began < 3
    engine.dispose()


def test_the_probe_of_up_takes_such_a_url(first: Server) -> None:
    dead = free_port(EMBEDDED_PORTS)
    assert asyncio.run(answers_postgres(url_of(f"127.0.0.1:{dead}", first.place))()) is None


@pytest.mark.parametrize(
    ("given", "hosts", "ports", "session"),
    [
        ("postgresql://u:p%40s@h1:5432,h2:5433/db", "h1,h2", "5432,5433", "read-write"),
        ("postgresql://u:p@h1,h2/db?target_session_attrs=any", "h1,h2", "5432,5432", "any"),
        ("postgresql://u:p@h1:5432/db", "h1", 5432, None),
        ("postgresql://u:p@/db?host=/var/run/pg", "/var/run/pg", None, None),
    ],
)
def test_a_url_says_the_same_in_both_languages(given: str, hosts: str, ports: object, session: str | None) -> None:
    url = sqlalchemy_url(given)
    _, parameters = url.get_dialect()().create_connect_args(url)
    assert (parameters.get("host"), parameters.get("port")) == (hosts, ports)
    assert parameters.get("target_session_attrs") == session
    assert parameters["user"] == "u"
    assert parameters["password"] == ("p@s" if "%40" in given else "p")
    address, password = without_password(given)
    assert password == parameters["password"]
    assert f":{password}@" not in address
    assert one_authority("postgresql://h/db") == "postgresql://h/db"


def test_migrations_rows_and_dumps_go_to_the_host_that_may_be_written_to(
    first: Server, second: Server, tmp_path: Path
) -> None:
    url = url_of(first.place, second.place)
    first.become(writable=False)
    migrate(url)
    prepared = subprocess.run(
        [sys.executable, "-P", "-m", "app.cli", "run", "database"],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("QT_")},
            "PYTHONPATH": str(REPOSITORY),
            "QT_STATE_DIR": str(tmp_path / "state"),
            "QT_DATABASE_URL": url,
            "QT_REDIS_URL": "redis://127.0.0.1:1/0",
            "QT_EXCHANGE_URL": "http://127.0.0.1:1",
            "QT_EXCHANGE_KEY": "key",
            "QT_EXCHANGE_SECRET": "secret",
        },
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert prepared.returncode == 0, prepared.stderr
    assert policies(second.url) == 1
    # From here on the first is dead, not merely read-only; this test is the last of the file for that.
    first.process.kill()
    first.process.wait(10)
    dump = tmp_path / "dump"
    dump_database(url, dump, tools=second.binaries)
    second.emptied()
    load_database(url, dump, tools=second.binaries)
    assert policies(second.url) == 1
