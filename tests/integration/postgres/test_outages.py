"""Postgres refused, killed, frozen, restarted, too slow: a named error within a bounded time, and life afterwards."""

from __future__ import annotations

import os
import signal as signals
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest
import sqlalchemy as sa

from app.adapters.embedded import postgres
from app.adapters.postgres import PostgresUnitOfWork, PostgresUnitOfWorkFactory, create_engine, migrate
from app.adapters.postgres import engine as engine_module
from app.adapters.postgres.engine import CONNECT_SECONDS_MAX, POOL_WAIT_SECONDS_MAX, BoundedConnection
from app.adapters.postgres.transaction import Transaction
from app.adapters.processes.spawn import spawn
from app.ports import DatabaseUnavailableError
from tests.contract.unit_of_work_values import event, signal
from tests.fakes.redis import FakeEvents
from tests.support.servers import running, server_home
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

# What a busy machine may add to a limit.
SLACK_SECONDS = 2.0


@contextmanager
def takes_at_most(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def transaction_of(uow: PostgresUnitOfWork) -> Transaction:
    assert uow._transaction is not None
    return uow._transaction


def backend_of(uow: PostgresUnitOfWork) -> int:
    return int(transaction_of(uow).value(sa.text("SELECT pg_backend_pid()")))


def count_signals(begin: PostgresUnitOfWorkFactory) -> int:
    with begin() as uow:
        return len(uow.signals.page(states=[], after=None, limit=100).items)


class Server:
    """A cluster of this test's own that may be killed and started again."""

    def __init__(self, home: Path) -> None:
        # Not a throw-away one: it has to remember what was committed before it was killed.
        self._cluster = postgres.prepare_postgres(home)
        self._log = home / "postgres.log"
        self.url = self._cluster.url()
        self.process = self._spawn()

    def _spawn(self) -> subprocess.Popen[bytes]:
        return spawn(
            self._cluster.command,
            environment=os.environ,
            log_path=self._log,
            working_directory=Path("/"),
            user=self._cluster.user,
            death_signal=postgres.DEATH_SIGNAL,
        )

    def answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def kill(self) -> None:
        """All of it: a backend lives on for a moment after its postmaster, and would still answer."""
        everything = [*psutil.Process(self.process.pid).children(recursive=True), psutil.Process(self.process.pid)]
        for one in everything:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        self.process.wait(10)
        _, alive = psutil.wait_procs(everything, timeout=10)
        assert not alive

    def start_again(self) -> None:
        self.process = self._spawn()
        wait_until(self.answers, seconds=30, what="the server to answer again")

    @contextmanager
    def until_stopped(self) -> Iterator[Server]:
        with running(lambda: self.process, self.answers, self._log, postgres.STOP_SIGNAL):
            yield self
            if self.process.poll() is None:
                self.process.send_signal(postgres.STOP_SIGNAL)
                self.process.wait(10)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with server_home("qt-out-pg-") as home, Server(home).until_stopped() as server:
        migrate(server.url)
        yield server


@pytest.fixture
def begin_on_server(server: Server) -> Iterator[PostgresUnitOfWorkFactory]:
    engine = create_engine(server.url, application_name="test", pool_size=2)
    yield PostgresUnitOfWorkFactory(engine, FakeEvents())
    engine.dispose()
    if not server.answers():
        server.start_again()


def test_a_refused_connection_is_an_outage_at_once() -> None:
    engine = create_engine("postgresql://nobody@127.0.0.1:1/nothing", application_name="test", pool_size=1)
    with (
        takes_at_most(SLACK_SECONDS),
        pytest.raises(DatabaseUnavailableError, match="refused") as raised,
        PostgresUnitOfWorkFactory(engine, FakeEvents())(),
    ):
        pass
    assert isinstance(raised.value.__cause__, sa.exc.OperationalError)


def test_a_server_killed_in_mid_transaction_is_an_outage_and_nothing_is_published(
    server: Server, begin_on_server: PostgresUnitOfWorkFactory
) -> None:
    with begin_on_server() as uow:
        uow.signals.add_many([signal("lost")])
        uow.emit(event())
        server.kill()
        with takes_at_most(SLACK_SECONDS), pytest.raises(DatabaseUnavailableError):
            uow.signals.get("lost")
    with takes_at_most(SLACK_SECONDS), pytest.raises(DatabaseUnavailableError), begin_on_server():
        pass
    server.start_again()
    assert count_signals(begin_on_server) == 0


def test_a_server_killed_before_the_commit_is_an_outage_and_nothing_is_published(server: Server) -> None:
    events = FakeEvents()
    engine = create_engine(server.url, application_name="test", pool_size=2)
    begin = PostgresUnitOfWorkFactory(engine, events)
    with begin() as uow:
        uow.signals.add_many([signal("lost")])
        uow.emit(event())
        server.kill()
        with takes_at_most(SLACK_SECONDS), pytest.raises(DatabaseUnavailableError):
            uow.commit()
    assert events.published == []
    server.start_again()
    assert count_signals(begin) == 0
    engine.dispose()


def test_after_a_restart_the_first_unit_of_work_already_succeeds(
    server: Server, begin_on_server: PostgresUnitOfWorkFactory
) -> None:
    # Two idle connections in the pool, both of them dead after this.
    with begin_on_server() as first, begin_on_server() as second:
        assert backend_of(first) != backend_of(second)
    server.kill()
    server.start_again()
    with begin_on_server() as first, begin_on_server() as second:
        assert backend_of(first) != backend_of(second)


def test_a_server_that_does_not_take_connections_is_an_outage_within_the_limit(
    server: Server, begin_on_server: PostgresUnitOfWorkFactory
) -> None:
    server.process.send_signal(signals.SIGSTOP)
    try:
        with (
            takes_at_most(CONNECT_SECONDS_MAX + SLACK_SECONDS),
            pytest.raises(DatabaseUnavailableError, match="timeout"),
            begin_on_server(),
        ):
            pass
    finally:
        server.process.send_signal(signals.SIGCONT)
    assert count_signals(begin_on_server) == 0


def test_a_server_that_freezes_in_mid_transaction_is_an_outage_within_the_limit(
    begin: PostgresUnitOfWorkFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "ANSWER_SECONDS_MAX", 0.5)
    with begin() as uow:
        frozen = backend_of(uow)
        os.kill(frozen, signals.SIGSTOP)
        try:
            with takes_at_most(0.5 + SLACK_SECONDS), pytest.raises(DatabaseUnavailableError, match="timeout"):
                uow.signals.get("s1")
        finally:
            os.kill(frozen, signals.SIGCONT)
    # Its answer, had it come late, would have been taken for the next statement's: another connection is used.
    with begin() as uow:
        assert backend_of(uow) != frozen
        assert uow.signals.get("s1") is None


def test_a_pool_with_nothing_free_is_an_outage_within_the_limit(fresh_database: str) -> None:
    engine = create_engine(fresh_database, application_name="test", pool_size=1)
    begin = PostgresUnitOfWorkFactory(engine, FakeEvents())
    with (
        begin() as uow,
        takes_at_most(POOL_WAIT_SECONDS_MAX + SLACK_SECONDS),
        pytest.raises(DatabaseUnavailableError, match="no free connection"),
        begin(),
    ):
        pass
    assert uow.signals is not None
    engine.dispose()


def test_a_statement_that_takes_too_long_is_an_outage(begin: PostgresUnitOfWorkFactory) -> None:
    with begin() as uow:
        transaction_of(uow).run(sa.text("SET LOCAL statement_timeout = '50ms'"))
        with takes_at_most(SLACK_SECONDS), pytest.raises(DatabaseUnavailableError, match="statement timeout"):
            transaction_of(uow).run(sa.text("SELECT pg_sleep(30)"))


def test_a_transaction_that_idled_too_long_was_ended_by_the_server(
    begin: PostgresUnitOfWorkFactory, fresh_database: str
) -> None:
    with begin() as uow:
        transaction_of(uow).run(sa.text("SET LOCAL idle_in_transaction_session_timeout = '50ms'"))
        backend = backend_of(uow)
        with psycopg.connect(fresh_database, autocommit=True) as other:

            def gone() -> bool:
                found = other.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [backend])
                return found.fetchone() is None

            wait_until(gone, seconds=5, what="the server to end the transaction")
        with pytest.raises(DatabaseUnavailableError):
            uow.signals.get("s1")


def test_a_standby_that_may_not_write_is_an_outage(begin: PostgresUnitOfWorkFactory) -> None:
    with begin() as uow:
        transaction_of(uow).run(sa.text("SET TRANSACTION READ ONLY"))
        with pytest.raises(DatabaseUnavailableError, match="read-only"):
            uow.signals.add_many([signal()])


class TimeLimitError(Exception):
    """What a task's soft time limit raises, from a signal handler, in the middle of anything."""


def test_a_time_limit_in_mid_statement_leaves_no_answer_for_the_next_one(begin: PostgresUnitOfWorkFactory) -> None:
    def interrupt(_number: int, _frame: object) -> None:
        raise TimeLimitError

    before = signals.signal(signals.SIGUSR1, interrupt)
    main = threading.get_ident()
    timer = threading.Timer(0.2, signals.pthread_kill, (main, signals.SIGUSR1))
    try:
        with pytest.raises(TimeLimitError), takes_at_most(SLACK_SECONDS), begin() as uow:
            interrupted = backend_of(uow)
            timer.start()
            transaction_of(uow).run(sa.text("SELECT pg_sleep(4)"))
    finally:
        timer.join()
        signals.signal(signals.SIGUSR1, before)
    with begin() as uow:
        assert backend_of(uow) != interrupted
        assert uow.signals.get("s1") is None


def test_a_connection_whose_wait_was_cut_off_is_of_no_further_use(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "ANSWER_SECONDS_MAX", 0.2)
    connection = BoundedConnection.connect(fresh_database)
    with pytest.raises(psycopg.OperationalError, match="timeout"):
        connection.execute("SELECT pg_sleep(3)")
    assert connection.closed


def test_every_limit_is_set_on_the_server_side_too(begin: PostgresUnitOfWorkFactory) -> None:
    with begin() as uow:
        shown = {
            name: transaction_of(uow).value(sa.text(f"SHOW {name}"))
            for name in (
                "statement_timeout",
                "lock_timeout",
                "idle_in_transaction_session_timeout",
                "transaction_isolation",
                "timezone",
                "application_name",
            )
        }
    assert shown == {
        "statement_timeout": "5s",
        "lock_timeout": "2s",
        "idle_in_transaction_session_timeout": "10s",
        "transaction_isolation": "read committed",
        "timezone": "UTC",
        "application_name": "test",
    }


@pytest.mark.parametrize(
    ("given", "host", "database"),
    [
        ("postgresql://u:p@h:5433/d", "h", "d"),
        ("postgres://u:p@h/d?sslmode=require", "h", "d"),
        ("postgresql+psycopg://u@h/d", "h", "d"),
        ("postgresql://u:p@/d?host=/run/socket", None, "d"),
    ],
)
def test_urls_are_taken_as_they_are_written(given: str, host: str | None, database: str) -> None:
    url = engine_module.sqlalchemy_url(given)
    assert (url.drivername, url.host, url.database) == ("postgresql+psycopg", host, database)
    if host is None:
        assert url.query["host"] == "/run/socket"


def test_another_databases_url_is_refused_without_showing_its_password() -> None:
    with pytest.raises(ValueError, match="not a PostgreSQL URL: mysql") as raised:
        engine_module.sqlalchemy_url("mysql://u:secret@h/d")
    assert "secret" not in str(raised.value)
