"""Three hosts share one account; one is cut off in the middle of its orders, half-open, and comes back later.

Host a: Postgres, Redis, exchange, web, beat, listener and the other workers; b and c: one worker for orders each.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import redis

from app.adapters.embedded import postgres, valkey
from app.adapters.redis.client import connect
from app.adapters.redis.progress import RedisProgressBoard
from app.bootstrap import open_system
from app.chaos.books import Books, read_books
from app.chaos.flood import Flood
from app.chaos.flowing_policy import flowing_policy
from app.chaos.look import look_until_rest
from app.chaos.promises import Ledger, check_promises
from app.domain.orders import AttemptState
from app.ports import ProgressUnavailableError
from app.settings import Settings
from tests.support.hosts import Host, hosts, network
from tests.support.servers import server_home
from tests.support.system import REPOSITORY
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.long, hosts, pytest.mark.timeout(300)]

START_SECONDS_MAX = 90.0
PER_SECOND = 12.0
REPLY_DELAY_MS = 1_200  # so that there is always an order on its way when the cable is pulled
BEFORE_SECONDS, AWAY_SECONDS = 4.0, 9.0
BACK_SECONDS_MAX = 20.0
SETTLE_SECONDS_MAX = 45.0
POSTGRES_PORT, EXCHANGE_PORT, WEB_PORT = 5432, 9080, 5000
ON_A = ("exchange", "web", "beat", "listener", "worker-critical", "worker-default")


class Cluster:
    """The three hosts with everything running, and both records."""

    def __init__(self, made: dict[str, Host], home: Path) -> None:
        self.a, self.b, self.c = (made[name] for name in "abc")
        self._home = home
        self._key, self._secret = secrets.token_hex(32), secrets.token_hex(32)
        self.database_url = self._start_postgres()
        self.redis_url = self._start_redis()
        self.exchange = httpx.Client(base_url=f"http://{self.a.address}:{EXCHANGE_PORT}", timeout=10)
        self.web_url = f"http://{self.a.address}:{WEB_PORT}"

    def environment(self, host: Host) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("QT_")}
        return {
            **kept,
            "PYTHONPATH": str(REPOSITORY),
            "QT_STATE_DIR": str(host.home / "state"),
            "QT_BIND_HOST": "0.0.0.0",
            "QT_DATABASE_URL": self.database_url,
            "QT_REDIS_URL": self.redis_url,
            "QT_EXCHANGE_URL": f"http://{self.a.address}:{EXCHANGE_PORT}",
            "QT_EXCHANGE_WS_URL": f"ws://{self.a.address}:{EXCHANGE_PORT}",
            "QT_EXCHANGE_KEY": self._key,
            "QT_EXCHANGE_SECRET": self._secret,
            "QT_RATE_BUDGET_MACHINES": "2",
        }

    def start(self, host: Host, name: str, *options: str) -> int:
        command = [sys.executable, "-P", "-m", "app.cli", "run", name, *options]
        return host.start(name, command, environment=self.environment(host)).pid

    def settings(self) -> Settings:
        return Settings.from_environment(self.environment(self.a))

    def books(self) -> Books:
        return read_books(self.database_url)

    def ledger(self) -> Ledger:
        return Ledger(self.exchange.get("/paper/ledger", timeout=30).json())

    def at_work(self, name: str) -> bool:
        """Whether a worker has ended a task in the last two seconds, by what it notes in Redis."""
        with contextlib.closing(connect(self.redis_url, answer_seconds_max=2.0)) as link:
            try:
                noted = RedisProgressBoard(link).all()
            except ProgressUnavailableError:
                return False
        return any(each.name == name and each.age_seconds < 2.0 for each in noted)

    def open_attempts(self, *, begun_within_ms: int = 3_600_000) -> set[str]:
        """Client order ids whose outcome is not known at this moment."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            rows = connection.execute(
                "SELECT client_order_id FROM attempts WHERE state IN (%s, %s)"
                " AND begun_at > clock_timestamp() - %s * interval '1 ms'",
                [AttemptState.SENDING.value, AttemptState.UNKNOWN.value, begun_within_ms],
            ).fetchall()
        return {row[0] for row in rows}

    def _start_postgres(self) -> str:
        cluster = postgres.prepare_postgres(self._home, throwaway=True)
        with (cluster.data_directory / "pg_hba.conf").open("a") as rules:
            rules.write("host all all 10.0.0.0/8 scram-sha-256\n")
        command = [*cluster.command, "-c", "listen_addresses=*", "-c", f"port={POSTGRES_PORT}"]
        self.a.start("postgres", command, environment=os.environ, user=cluster.user, stop_signal=postgres.DEATH_SIGNAL)
        name = f"{postgres.ROLE}:{cluster.password}@{self.a.address}:{POSTGRES_PORT}/{postgres.DATABASE}"
        return f"postgresql://{name}"

    def _start_redis(self) -> str:
        server = valkey.prepare_valkey(self._home, throwaway=True)
        with server.configuration.open("a") as configuration:
            configuration.write("bind * -::*\n")
        self.a.start("redis", server.command, environment=os.environ, stop_signal=valkey.DEATH_SIGNAL)
        return server.url().replace("127.0.0.1", self.a.address)


def answers(ask: Callable[[], Any], *errors: type[Exception]) -> Callable[[], bool]:
    """Whether asking works."""

    def check() -> bool:
        try:
            ask()
        except errors:
            return False
        return True

    return check


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    with server_home("qt-hosts-") as home, network(home, "abc") as made:
        cluster = Cluster(made, home)
        try:
            _boot(cluster)
            yield cluster
        except BaseException:
            for log in sorted(home.glob("*/*.log")):
                print(f"--- {log.relative_to(home)}\n{log.read_text()[-1500:]}")
            raise


def _boot(cluster: Cluster) -> None:
    wait_until(
        answers(lambda: psycopg.connect(cluster.database_url, connect_timeout=2).close(), psycopg.OperationalError),
        seconds=START_SECONDS_MAX,
        what="Postgres to answer over the network",
    )
    wait_until(
        answers(lambda: redis.Redis.from_url(cluster.redis_url).ping(), redis.RedisError),
        seconds=START_SECONDS_MAX,
        what="Redis to answer over the network",
    )
    cluster.start(cluster.a, "exchange", "--market", "seed:5")
    wait_until(
        answers(lambda: cluster.exchange.get("/fapi/v1/ping").raise_for_status(), httpx.HTTPError),
        seconds=START_SECONDS_MAX,
        what="the exchange to answer",
    )
    preparing = cluster.a.start(
        "database",
        [sys.executable, "-P", "-m", "app.cli", "run", "database"],
        environment=cluster.environment(cluster.a),
    )
    assert preparing.wait(START_SECONDS_MAX) == 0
    with open_system(cluster.settings()) as system, system.unit_of_work() as uow:
        uow.control.add_policy(flowing_policy(), author="hosts", reason="let orders flow", now=system.clock.now())
        uow.commit()
    for name in ON_A[1:]:
        cluster.start(cluster.a, name)
    for host in (cluster.b, cluster.c):
        cluster.start(host, "worker-orders")
    wait_until(
        answers(lambda: httpx.get(f"{cluster.web_url}/live").raise_for_status(), httpx.HTTPError),
        seconds=START_SECONDS_MAX,
        what="the web process to answer",
    )
    for worker in ("orders@b", "orders@c", "default@a", "critical@a"):
        wait_until(partial(cluster.at_work, worker), seconds=START_SECONDS_MAX, what=f"{worker} to be at work")


def test_a_host_that_is_cut_off_in_the_middle_of_its_orders_loses_nothing_and_doubles_nothing() -> None:
    with running_cluster() as cluster:
        token = (cluster.a.home / "state" / "operator.token").read_text().strip()
        workers_before = [process.pid for process in cluster.b.processes]
        cluster.exchange.post(
            "/paper/faults",
            json=[{"kind": "delay_reply", "endpoint": "POST /fapi/v1/order", "delay_ms": REPLY_DELAY_MS}],
        ).raise_for_status()
        flood = Flood(base_url=cluster.web_url, token=token, seed=5, per_second=PER_SECOND)
        flood.start()
        # Host c is away at first: what is on its way when b's cable is pulled is b's, and its reply is far.
        cluster.c.cut_off()
        time.sleep(BEFORE_SECONDS)
        stranded = wait_until(
            lambda: cluster.open_attempts(begun_within_ms=REPLY_DELAY_MS // 3),
            seconds=BACK_SECONDS_MAX,
            what="host b to be in the middle of an order",
        )
        cluster.b.cut_off()
        cut_at = time.monotonic()
        cluster.c.plug_in()
        wait_until(lambda: cluster.at_work("orders@c"), seconds=BACK_SECONDS_MAX, what="host c to take over")
        decided = len(cluster.books().orders)
        time.sleep(max(0.0, cut_at + AWAY_SECONDS - time.monotonic()))
        assert not cluster.at_work("orders@b")
        wait_until(
            lambda: len(cluster.books().orders) > decided, seconds=BACK_SECONDS_MAX, what="host c to go on alone"
        )
        cluster.b.plug_in()
        plugged_at = time.monotonic()
        wait_until(lambda: cluster.at_work("orders@b"), seconds=BACK_SECONDS_MAX, what="host b to be at work again")
        back_seconds = time.monotonic() - plugged_at
        flood.stop()
        cluster.exchange.delete("/paper/faults").raise_for_status()
        books, ledger, why = look_until_rest(cluster.books, cluster.ledger, seconds=SETTLE_SECONDS_MAX)
        assert why is None, why
        promises = check_promises(books, ledger, promised_signals=flood.promised)
        alive = [process.pid for process in cluster.b.processes if process.poll() is None]
        unresolved = cluster.open_attempts()
        print(f"cut off with {len(stranded)} orders on their way; at work {back_seconds:.1f} s after plugged in")
        print(f"{len(books.orders)} orders, {len(books.fills)} fills, {flood.verdicts}")
        for promise in promises:
            print(f"{promise.name}: {promise.checked} checked, {len(promise.violations)} violated")
    assert stranded <= books.attempts.keys()
    assert {each.name: each.violations for each in promises if not each.holds} == {}
    assert unresolved == set()
    assert alive == workers_before, "a worker of host b was started again, or died"
    assert set(flood.verdicts) <= {"QUEUED", "REPLACED", "DROPPED"}, flood.verdicts
