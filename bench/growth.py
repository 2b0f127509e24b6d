"""What a million stored signals and a hundred thousand orders cost: intake, dispatch and snapshot, full against empty.

    python -m bench.growth [--signals 1000000] [--orders 100000] [--rounds 60]

Two databases on one Postgres (fsync off: it would hide what is measured), two numbered databases on one Valkey; each
round does the same work on both, one after the other, so that whatever else the machine does hits both. The "empty"
system holds `BASELINE` signals and orders, so that both snapshots have a page to show. Exit code 1 when a median is
above `RATIO_MAX`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import psycopg

from app.adapters.celery.task_queue import producer
from app.adapters.postgres import migrate
from app.bootstrap import System, open_system
from app.domain.signals import Side, Signal
from app.settings import Settings
from tests.support.servers import postgres_server, valkey_server

RATIO_MAX = 1.5
BASELINE = 100
BATCH = 50
WARM_ROUNDS = 5

FILL = (
    """
    INSERT INTO signals (signal_id, symbol, side, confidence, strategy, generated_at, received_at, expires_at, models,
        producer, correlation_id, state, dispatched_at, decided_at)
    SELECT 'old-' || n, 'S' || n % 50 || 'USDT', CASE WHEN n % 2 = 0 THEN 'BUY' ELSE 'SELL' END, (n % 100) / 100.0, 'x',
        now() - n * interval '0.1 s', now() - n * interval '0.1 s', now() - n * interval '0.1 s', '{}', 'p', 'c' || n,
        (ARRAY['EXECUTED', 'DENIED', 'DROPPED', 'EVICTED', 'EXPIRED'])[1 + n % 5],
        now() - n * interval '0.1 s', now() - n * interval '0.1 s'
    FROM generate_series(1, %(signals)s) AS n""",
    """
    INSERT INTO orders (order_id, signal_id, symbol, side, purpose, quantity, reference_price, limit_price, state,
        executed_quantity, booked_quantity, attempts_made, policy_version, correlation_id, created_at, ended_at)
    SELECT md5(n::text)::uuid, 'old-' || n, 'S' || n % 50 || 'USDT', 'BUY', 'ENTRY', 1, 1, 1, 'FILLED', 1, 1, 1, 1,
        'c' || n, now() - n * interval '1 s', now() - n * interval '1 s'
    FROM generate_series(1, %(orders)s) AS n""",
    """
    INSERT INTO attempts (client_order_id, order_id, number, symbol, side, order_type, quantity, reduce_only,
        signed_at_ms, recv_window_ms, state, begun_at, executed_quantity, not_found_count, exchange_order_id)
    SELECT 'a' || n, md5(n::text)::uuid, 1, 'S' || n % 50 || 'USDT', 'BUY', 'LIMIT', 1, false, 1, 1, 'FILLED',
        now() - n * interval '1 s', 1, 0, n
    FROM generate_series(1, %(orders)s) AS n""",
    """
    INSERT INTO fills (symbol, trade_id, exchange_order_id, client_order_id, order_id, side, price, quantity, fee,
        fee_asset, realised_pnl, is_maker, traded_at, source, adopted)
    SELECT 'S' || n % 50 || 'USDT', n, n, 'a' || n, md5(n::text)::uuid, 'BUY', 1, 1, 0.001, 'USDT', 0, false,
        now() - n * interval '1 s', 'STREAM', false
    FROM generate_series(1, %(orders)s) AS n""",
    """
    INSERT INTO equity_points (at, equity, wallet, unrealised)
    SELECT now() - n * interval '2 s', 1, 1, 0 FROM generate_series(1, %(orders)s) AS n""",
    "VACUUM ANALYZE",
)


@contextmanager
def opened(folder: Path, name: str, database_url: str, redis_url: str) -> Iterator[System]:
    """A system on these servers; it never talks to an exchange here."""
    environment = {
        "QT_STATE_DIR": str(folder / name),
        "QT_DATABASE_URL": database_url,
        "QT_REDIS_URL": redis_url,
        "QT_EXCHANGE_URL": "http://127.0.0.1:1",
        "QT_EXCHANGE_KEY": "key",
        "QT_EXCHANGE_SECRET": "secret",
        "QT_MAX_SIGNALS_IN_FLIGHT": "1000",
        "QT_SIGNAL_QUEUE_MAX": "1000",
    }
    (folder / name).mkdir()
    broker = producer()
    broker.conf.broker_url = redis_url
    with open_system(Settings.from_environment(environment), celery=broker) as system:
        system.set_up()
        yield system


def batch(system: System, number: int) -> list[Signal]:
    """Signals that were never seen before."""
    now = system.clock.now()
    return [
        Signal(
            signal_id=f"new-{number}-{index}",
            symbol="BTCUSDT",
            side=Side.BUY,
            confidence=Decimal(index) / 100,
            strategy="bench",
            generated_at=now,
            received_at=now,
            expires_at=now + timedelta(seconds=300),
            reference_price=None,
            models={},
            correlation_id=f"c-{number}-{index}",
            producer="bench",
        )
        for index in range(BATCH)
    ]


WORK: dict[str, Callable[[System, int], object]] = {
    "intake": lambda system, number: system.admit_signals(batch(system, number)),
    "dispatch": lambda system, number: system.dispatch_signals(),
    "snapshot": lambda system, number: system.console.snapshot(),
}


def measure(systems: dict[str, System], rounds: int) -> dict[str, dict[str, list[float]]]:
    """Seconds, by work and system."""
    taken: dict[str, dict[str, list[float]]] = {work: {name: [] for name in systems} for work in WORK}
    for number in range(WARM_ROUNDS + rounds):
        # Now one first, now the other.
        order = list(systems.items()) if number % 2 else list(reversed(systems.items()))
        for work, do in WORK.items():
            for name, system in order:
                began = time.perf_counter()
                do(system, number)
                if number >= WARM_ROUNDS:
                    taken[work][name].append(time.perf_counter() - began)
    return taken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--signals", type=int, default=1_000_000)
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    started = time.perf_counter()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qt-growth-")))
        cluster = stack.enter_context(postgres_server())
        valkey = stack.enter_context(valkey_server())
        systems = {}
        for index, name in enumerate(("empty", "full")):
            with psycopg.connect(cluster.url(), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE growth_{name}")
            url = cluster.url(f"growth_{name}")
            migrate(url)
            counts = (options.signals, options.orders) if name == "full" else (BASELINE, BASELINE)
            with psycopg.connect(url, autocommit=True) as connection:
                for statement in FILL:
                    connection.execute(_filled(statement, *counts))
            systems[name] = stack.enter_context(opened(folder, name, url, valkey.url(index)))
        print(
            f"{options.signals} signals, {options.orders} orders in {time.perf_counter() - started:.0f} s; "
            f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        )
        taken = measure(systems, options.rounds)
    worst = 0.0
    print(f"{'work':10} {'empty ms':>10} {'full ms':>10} {'ratio':>7}")
    for work, by_system in taken.items():
        empty, full = (1000 * statistics.median(by_system[name]) for name in ("empty", "full"))
        worst = max(worst, full / empty)
        print(f"{work:10} {empty:10.2f} {full:10.2f} {full / empty:7.2f}")
    print(f"worst ratio {worst:.2f}, at most {RATIO_MAX}; load {os.getloadavg()[0]:.1f}")
    return 0 if worst <= RATIO_MAX else 1


def _filled(statement: str, signals: int, orders: int) -> str:
    """The counts in; every other per cent sign is the modulo of SQL."""
    return statement.replace("%(signals)s", str(signals)).replace("%(orders)s", str(orders))


if __name__ == "__main__":
    sys.exit(main())
