"""Signals a second over HTTP, durable before the 202, beside a route that only parses and beside bare inserts.

Run: `./qt bench intake`. The whole system runs on the same machine (Postgres with fsync, every worker), and so does the
load, a process of its own (`bench.intake_load`): the figures are those of a machine that is also its own load.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import httpx
import psycopg

from bench.report.rows import Better, Row, Series, Told, ours_at_least, ours_at_most
from bench.run import Bench
from tests.support.system import REPOSITORY
from tests.support.waiting import wait_until

SINGLES_PER_SECOND_TARGET = 500
SINGLES_P99_MS_TARGET = 50.0
BATCHED_PER_SECOND_TARGET = 3_000
CONNECTIONS = 64
BATCH = 500
BATCH_CONNECTIONS = 4
SECONDS = 6.0
QUICK_SECONDS = 2.0
# A clock that is late now and then: what counts as "kept up with the target's rate".
KEPT_UP_SHARE = 0.98

_numbers = count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What a load got answered."""

    refused: int  # anything but 202, and what was never answered
    signals_per_second: float
    p99_ms: float


def rows(bench: Bench) -> Iterator[Told]:
    """As fast as answers come, at the target's rate by the clock, and in arrays."""
    arena = bench.arena
    seconds = QUICK_SECONDS if bench.quick else SECONDS
    paced: list[Posted] = []

    def posting(url: str, **options: int | float) -> Posted:
        run = f"rates-{os.getpid()}-{next(_numbers)}"
        return post(url, arena.token, run=run, seconds=seconds, **options)  # type: ignore[arg-type]

    def at_the_clock() -> float:
        paced.append(posting(arena.urls["web"], connections=CONNECTIONS, per_second=SINGLES_PER_SECOND_TARGET))
        return paced[-1].p99_ms

    with bare_web() as bare_url:
        contenders: dict[str, Callable[[], float]] = {
            "bare": lambda: posting(bare_url, connections=CONNECTIONS).signals_per_second,
            "singles": lambda: posting(arena.urls["web"], connections=CONNECTIONS).signals_per_second,
            "inserts": lambda: insert_rate(arena.connection["database_url"], seconds=min(seconds, 3.0)),
            "paced": at_the_clock,
            "batched": lambda: (
                posting(arena.urls["web"], connections=BATCH_CONNECTIONS, batch=BATCH).signals_per_second
            ),
        }
        taken = bench.in_turn(contenders, usual=3, quick=1, warm=0)
    yield from told(taken, paced)


def told(taken: dict[str, Series], paced: list[Posted]) -> Iterator[Told]:
    """The rows; each rate beside one connection that makes a row durable at a time."""
    inserts = Series("bare INSERT, one commit each", taken["inserts"].rounds)
    yield Row(
        name="intake-single",
        what=f"single posts, {CONNECTIONS} connections, durable before 202",
        unit="signals/s",
        ours=taken["singles"],
        limit=inserts,
        peers=[Series("a route that only parses", taken["bare"].rounds)],
        target=ours_at_least(SINGLES_PER_SECOND_TARGET),
    )
    rate = sorted(each.signals_per_second for each in paced)[len(paced) // 2]
    refused = sum(each.refused for each in paced)
    kept_up = rate >= KEPT_UP_SHARE * SINGLES_PER_SECOND_TARGET and refused == 0
    yield Row(
        name="intake-p99",
        what=f"single posts, {SINGLES_PER_SECOND_TARGET} a second by the clock: p99",
        unit="ms",
        better=Better.LOWER,
        ours=taken["paced"],
        target=ours_at_most(SINGLES_P99_MS_TARGET),
        note=f"{rate:.0f} a second answered, {refused} refused{'' if kept_up else ': did not keep up'}",
    )
    yield Row(
        name="intake-batch",
        what=f"arrays of {BATCH}, {BATCH_CONNECTIONS} connections",
        unit="signals/s",
        ours=taken["batched"],
        limit=inserts,
        target=ours_at_least(BATCHED_PER_SECOND_TARGET),
    )


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
    answered = json.loads(done.stdout)
    latencies = answered["latencies_ms"]
    accepted = answered["statuses"].get("202", 0)
    return Posted(
        refused=answered["requests"] - accepted + answered["unanswered"],
        signals_per_second=accepted * batch / answered["seconds"],
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
        done = 0
        while (taken := time.perf_counter() - began) < seconds:
            connection.execute(statement, (f"bare-{began}-{done}",), prepare=True)
            done += 1
        connection.execute("DROP TABLE bench_signals")
    return done / taken


def quantile(ascending: Sequence[float], share: float) -> float:
    """The value below which that share lies; NaN of nothing."""
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))] if ascending else float("nan")
