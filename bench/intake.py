"""What signal intake takes over HTTP, durable before the 202, and how long a lone signal needs to the exchange.

    python -m bench.intake [--seconds 10] [--rounds 3] [--lone 40]

A whole system is started (`./qt up`: Postgres with fsync, Valkey, every worker, the paper exchange), and beside it, on
the same servers, the limits that its figures are compared with: autocommit inserts of the same rows, a Flask route that
parses the same bodies and answers 202, a Celery task that does nothing. Rounds are interleaved; figures are medians.
The load is a process of its own on the same cores, so absolute figures are those of a machine that is also its own
load. Exit code 1 when a target of the design is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import redis
from celery import Celery

from app.adapters.celery.task_queue import producer
from app.bootstrap import open_system
from app.chaos.flowing_policy import flowing_policy
from app.settings import Settings
from bench.echo_worker import QUEUE, REPLIES, REPLIES_SECONDS_MAX, TASK
from tests.support.system import REPOSITORY, System, short_directory
from tests.support.waiting import wait_until

SINGLES_PER_SECOND_TARGET = 500
SINGLES_P99_MS_TARGET = 50.0
BATCHED_PER_SECOND_TARGET = 3_000
LATENCY_RATIO_TARGET = 3.0
CONNECTIONS = 64
BATCH = 500
BATCH_CONNECTIONS = 4
ARRIVAL_SECONDS_MAX = 10.0
LONE_SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT", "ADAUSDT", "DOGEUSDT", "LINKUSDT", "AVAXUSDT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What a load got answered."""

    requests: int
    refused: int  # anything but 202, and what was never answered
    signals_per_second: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """Signals a second over HTTP, beside the limits of the same minutes."""

    singles: Posted  # as fast as answers come, on `CONNECTIONS` connections
    paced: Posted  # at the target's rate by the clock
    batched: Posted  # arrays of `BATCH`
    bare_singles: Posted  # a route that only parses
    inserts_per_second: float  # one connection, one row, one commit each

    @property
    def of_bare_route(self) -> float:
        return self.singles.signals_per_second / self.bare_singles.signals_per_second

    @property
    def of_bare_inserts(self) -> float:
        return self.singles.signals_per_second / self.inserts_per_second


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """From the first byte of a POST to the exchange's receipt of its order, with nothing else to do."""

    arrived: int
    p50_ms: float
    p95_ms: float
    empty_task_p50_ms: float

    @property
    def ratio(self) -> float:
        return self.p50_ms / self.empty_task_p50_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A running system and how to reach its parts."""

    web_url: str
    exchange_url: str
    token: str
    database_url: str
    redis_url: str


# ------------------------------------------------------------------------------------------------ what is started


@contextmanager
def whole_system() -> Iterator[Place]:
    """`./qt up` in a directory of its own, under a policy that lets orders flow."""
    with short_directory() as folder:
        system = System.of_checkout(folder / "state", QT_LOG_LEVEL="INFO")
        with system.up("--market", "seed:1") as running:
            state = folder / "state"
            connection = json.loads((state / "run" / "connection.json").read_text())
            place = Place(
                web_url=running.urls["web"],
                exchange_url=running.urls["exchange"],
                token=(state / "operator.token").read_text().strip(),
                database_url=connection["database_url"],
                redis_url=connection["redis_url"],
            )
            _let_orders_flow(place, folder / "operator")
            yield place


def _let_orders_flow(place: Place, folder: Path) -> None:
    folder.mkdir()
    settings = Settings.from_environment(
        {
            "QT_STATE_DIR": str(folder),
            "QT_DATABASE_URL": place.database_url,
            "QT_REDIS_URL": place.redis_url,
            "QT_EXCHANGE_URL": place.exchange_url,
            "QT_EXCHANGE_KEY": "none",
            "QT_EXCHANGE_SECRET": "none",
        }
    )
    with open_system(settings) as system, system.unit_of_work() as uow:
        uow.control.add_policy(flowing_policy(), author="bench", reason="let orders flow", now=system.clock.now())
        uow.commit()


@contextmanager
def bare_web() -> Iterator[str]:
    """The URL of `bench.bare_web` under our own server and its configuration."""
    with tempfile.TemporaryDirectory(prefix="qt-bench-") as name:
        log = Path(name) / "web.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "gunicorn", "--config", "python:web.gunicorn_conf"),
                    *("--bind", "127.0.0.1:0", "--log-level", "info", "bench.bare_web:app"),
                ],
                cwd=REPOSITORY,
                env={**os.environ, "QT_STATE_DIR": name},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_until(lambda: b"Listening at" in log.read_bytes(), seconds=30, what="the bare server")
            match = re.search(r"Listening at: (http://127\.0\.0\.1:\d+)", log.read_text())
            assert match is not None
            url = match.group(1)
            wait_until(lambda: _answers(url), seconds=30, what="the bare server's worker")
            yield url
        finally:
            process.terminate()
            process.wait(15)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 404
    except httpx.HTTPError:
        return False


@contextmanager
def echo_worker(redis_url: str) -> Iterator[Celery]:
    """A worker that runs empty tasks; a publisher of our own kind for them."""
    command = (
        *("celery", "--quiet", "-A", "bench.echo_worker", "worker", "--queues", QUEUE, "--hostname", f"{QUEUE}@%h"),
        *("--pool", "threads", "--concurrency", "4", "--without-gossip", "--without-mingle", "--loglevel", "WARNING"),
    )
    process = subprocess.Popen(
        [sys.executable, "-m", *command], cwd=REPOSITORY, env={**os.environ, "QT_REDIS_URL": redis_url}
    )
    publisher = producer()
    publisher.conf.broker_url = redis_url
    try:
        with redis.Redis.from_url(redis_url) as client:
            publisher.send_task(TASK, queue=QUEUE)
            if client.blpop([REPLIES], timeout=60) is None:
                raise AssertionError("the echo worker does not answer")
        yield publisher
    finally:
        process.terminate()
        process.wait(30)


# ------------------------------------------------------------------------------------------------ what is measured


def post(
    url: str, token: str, *, run: str, seconds: float, connections: int, batch: int = 1, per_second: float = 0.0
) -> Posted:
    """One load from a process of its own; `per_second` requests by the clock, 0 for as many as get answered."""
    arguments = (url, token, str(connections), str(seconds), str(batch), str(per_second), run)
    done = subprocess.run(
        [sys.executable, "-m", "bench.intake_load", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 60,
    )
    told = json.loads(done.stdout)
    latencies = told["latencies_ms"]
    accepted = told["statuses"].get("202", 0)
    return Posted(
        requests=told["requests"],
        refused=told["requests"] - accepted + told["unanswered"],
        signals_per_second=accepted * batch / told["seconds"],
        p50_ms=quantile(latencies, 0.5),
        p99_ms=quantile(latencies, 0.99),
    )


def insert_rate(database_url: str, *, seconds: float) -> float:
    """Rows a second that one connection makes durable one by one: same columns and indexes, prepared, autocommit."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS bench_signals (LIKE signals INCLUDING ALL)")
        statement = (
            "INSERT INTO bench_signals (signal_id, symbol, side, confidence, strategy, generated_at, received_at,"
            " expires_at, models, producer, correlation_id, state)"
            " VALUES (%s, 'BTCUSDT', 'BUY', 0.9, 'bench', now(), now(), now(), '{}', 'bench', 'bench', 'QUEUED')"
        )
        began = time.perf_counter()
        count = 0
        while (taken := time.perf_counter() - began) < seconds:
            connection.execute(statement, (f"bare-{began}-{count}",), prepare=True)
            count += 1
        connection.execute("DROP TABLE bench_signals")
    return count / taken


def measure_intake(place: Place, bare_url: str, *, seconds: float, rounds: int) -> Intake:
    """All rates, interleaved; of each the median round."""
    taken: dict[str, list[Any]] = {}

    def load(url: str, name: str, number: int, **options: Any) -> None:
        taken.setdefault(name, []).append(post(url, place.token, run=f"{name}-{number}-{os.getpid()}", **options))

    for number in range(rounds):
        load(bare_url, "bare", number, seconds=seconds, connections=CONNECTIONS)
        load(place.web_url, "singles", number, seconds=seconds, connections=CONNECTIONS)
        taken.setdefault("inserts", []).append(insert_rate(place.database_url, seconds=min(seconds, 3.0)))
        load(
            *(place.web_url, "paced", number),
            seconds=seconds,
            connections=CONNECTIONS,
            per_second=SINGLES_PER_SECOND_TARGET,
        )
        load(place.web_url, "batched", number, seconds=seconds, connections=BATCH_CONNECTIONS, batch=BATCH)
    return Intake(
        singles=_middle(taken["singles"], lambda each: each.signals_per_second),
        paced=_middle(taken["paced"], lambda each: each.p99_ms),
        batched=_middle(taken["batched"], lambda each: each.signals_per_second),
        bare_singles=_middle(taken["bare"], lambda each: each.signals_per_second),
        inserts_per_second=statistics.median(taken["inserts"]),
    )


def measure_latency(place: Place, publisher: Celery, *, lone: int) -> Latency:
    """`lone` signals one after the other, an empty task between each two."""
    to_exchange: list[float] = []
    round_trips: list[float] = []
    with (
        httpx.Client(
            base_url=place.web_url, headers={"Authorization": f"Bearer {place.token}"}, trust_env=False, timeout=10
        ) as web,
        httpx.Client(base_url=place.exchange_url, trust_env=False, timeout=10) as exchange,
        redis.Redis.from_url(place.redis_url) as client,
    ):
        for number in range(lone):
            round_trips.append(_round_trip(publisher, client))
            symbol = LONE_SYMBOLS[number % len(LONE_SYMBOLS)]
            signal_id = f"lone-{os.getpid()}-{number}"
            side = ("BUY", "SELL")[number // len(LONE_SYMBOLS) % 2]
            began = datetime.now(UTC)
            answer = web.post(
                "/api/signals",
                json={
                    "signal_id": signal_id,
                    "symbol": symbol,
                    "side": side,
                    "confidence": "0.95",
                    "strategy": "bench",
                    "generated_at": began.isoformat(),
                },
            )
            answer.raise_for_status()
            received_at = _received_at(web, exchange, signal_id)
            if received_at is not None:
                to_exchange.append(1000 * (received_at - began).total_seconds())
    return Latency(
        arrived=len(to_exchange),
        p50_ms=quantile(sorted(to_exchange), 0.5),
        p95_ms=quantile(sorted(to_exchange), 0.95),
        empty_task_p50_ms=quantile(sorted(round_trips), 0.5),
    )


def _round_trip(publisher: Celery, client: redis.Redis) -> float:
    """Milliseconds from publishing an empty task to hearing that it ran."""
    began = time.perf_counter()
    publisher.send_task(TASK, queue=QUEUE, priority=0)
    if client.blpop([REPLIES], timeout=REPLIES_SECONDS_MAX) is None:
        raise AssertionError("an empty task was not answered")
    return 1000 * (time.perf_counter() - began)


def _received_at(web: httpx.Client, exchange: httpx.Client, signal_id: str) -> datetime | None:
    """When the exchange received the signal's first order, by the exchange's ledger; None for one that was denied."""
    deadline = time.monotonic() + ARRIVAL_SECONDS_MAX
    while time.monotonic() < deadline:
        # Looked at seldom, so that looking does not stand in the way.
        time.sleep(0.15)
        told = web.get(f"/api/signals/{signal_id}").json()
        if told["signal"]["state"] in ("EXECUTED", "FAILED"):
            client_order_id = told["attempts"][0]["client_order_id"]
            for order in exchange.get("/paper/ledger").json()["orders"]:
                if order["client_order_id"] == client_order_id:
                    return datetime.fromisoformat(order["received_at"])
        if told["signal"]["state"] in ("DENIED", "DROPPED", "EVICTED", "EXPIRED"):
            return None
    return None


def quantile(ascending: Sequence[float], share: float) -> float:
    """The value below which that share lies; NaN of nothing."""
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))] if ascending else float("nan")


def _middle(found: list[Any], key: Callable[[Any], float]) -> Any:
    return sorted(found, key=key)[len(found) // 2]


# ------------------------------------------------------------------------------------------------ what is told


def told(name: str, posted: Posted) -> str:
    return (
        f"{name:<46} {posted.signals_per_second:>8,.0f} signals/s   p50 {posted.p50_ms:7.1f} ms  "
        f"p99 {posted.p99_ms:7.1f} ms  refused {posted.refused}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lone", type=int, default=40)
    options = parser.parse_args()
    with ExitStack() as stack:
        place = stack.enter_context(whole_system())
        with echo_worker(place.redis_url) as publisher:
            latency = measure_latency(place, publisher, lone=options.lone)
        bare_url = stack.enter_context(bare_web())
        intake = measure_intake(place, bare_url, seconds=options.seconds, rounds=options.rounds)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(told(f"single posts, {CONNECTIONS} connections", intake.singles))
    print(told(f"single posts, {SINGLES_PER_SECOND_TARGET} a second by the clock", intake.paced))
    print(told(f"arrays of {BATCH}, {BATCH_CONNECTIONS} connections", intake.batched))
    print(told("limit: a route that only parses", intake.bare_singles))
    print(f"{'limit: autocommit inserts, one connection':<46} {intake.inserts_per_second:>8,.0f} rows/s")
    print(f"single posts: {intake.of_bare_route:.2f} of the bare route, {intake.of_bare_inserts:.2f} of bare inserts")
    print(
        f"POST to the exchange, idle: p50 {latency.p50_ms:.1f} ms, p95 {latency.p95_ms:.1f} ms "
        f"({latency.arrived} of {options.lone} sent); an empty task {latency.empty_task_p50_ms:.1f} ms; "
        f"ratio {latency.ratio:.1f}"
    )
    targets = (
        ("500 a second", intake.paced.signals_per_second >= 0.98 * SINGLES_PER_SECOND_TARGET),
        ("p99 within 50 ms", intake.paced.p99_ms <= SINGLES_P99_MS_TARGET),
        ("3,000 a second in arrays", intake.batched.signals_per_second >= BATCHED_PER_SECOND_TARGET),
        ("three empty tasks to the exchange", latency.ratio <= LATENCY_RATIO_TARGET),
    )
    for name, is_met in targets:
        print(f"{name:<46} {'met' if is_met else 'MISSED'}")
    return 0 if all(is_met for _, is_met in targets) else 1


if __name__ == "__main__":
    sys.exit(main())
