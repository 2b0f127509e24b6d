"""What stored rows, open symbols and signals a call cost: intake, dispatch and snapshot, of much against of little.

Run: `./qt bench growth`. Databases of every size on one Postgres (fsync off: it would hide what is measured) and one
Valkey; each round does the same work on all of them in turn. The empty system holds `EMPTY` signals and orders, so that
every snapshot has a page to show.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path

import psycopg
import redis

from app.adapters.celery.task_queue import producer
from app.adapters.postgres import migrate
from app.bootstrap import System, open_system
from app.domain.signals import Side, Signal
from app.settings import Settings
from bench.report.rows import Better, Curve, Point, Row, Series, Told, ratio_at_most
from bench.run import Bench

RATIO_MAX = 1.5
EMPTY = 100
SIGNALS = (10_000, 100_000, 1_000_000)  # an order for every tenth
SYMBOLS = (10, 100, 1_000)
SIGNALS_OF_SYMBOLS = 20_000
CALLS = (1, 10, 100, 500)  # signals a call; 500 is the most that the API takes
BATCH = 50
WARM_ROUNDS = 5
USUAL_SYMBOLS = 50
_numbers = count()

FILL = (
    """
    INSERT INTO signals (signal_id, symbol, side, confidence, strategy, generated_at, received_at, expires_at, models,
        producer, correlation_id, state, dispatched_at, decided_at)
    SELECT 'old-' || n, 'S' || n % %(symbols)s || 'USDT',
        CASE WHEN n % 2 = 0 THEN 'BUY' ELSE 'SELL' END, (n % 100) / 100.0, 'x',
        now() - n * interval '0.1 s', now() - n * interval '0.1 s', now() - n * interval '0.1 s', '{}', 'p', 'c' || n,
        (ARRAY['EXECUTED', 'DENIED', 'DROPPED', 'EVICTED', 'EXPIRED'])[1 + n % 5],
        now() - n * interval '0.1 s', now() - n * interval '0.1 s'
    FROM generate_series(1, %(signals)s) AS n""",
    """
    INSERT INTO orders (order_id, signal_id, symbol, side, purpose, quantity, reference_price, limit_price, state,
        executed_quantity, booked_quantity, attempts_made, policy_version, correlation_id, created_at, ended_at)
    SELECT md5(n::text)::uuid, 'old-' || n, 'S' || n % %(symbols)s || 'USDT',
        'BUY', 'ENTRY', 1, 1, 1, 'FILLED', 1, 1, 1, 1,
        'c' || n, now() - n * interval '1 s', now() - n * interval '1 s'
    FROM generate_series(1, %(orders)s) AS n""",
    """
    INSERT INTO attempts (client_order_id, order_id, number, symbol, side, order_type, quantity, reduce_only,
        signed_at_ms, recv_window_ms, state, begun_at, executed_quantity, not_found_count, exchange_order_id)
    SELECT 'a' || n, md5(n::text)::uuid, 1, 'S' || n % %(symbols)s || 'USDT', 'BUY', 'LIMIT', 1, false, 1, 1, 'FILLED',
        now() - n * interval '1 s', 1, 0, n
    FROM generate_series(1, %(orders)s) AS n""",
    """
    INSERT INTO fills (symbol, trade_id, exchange_order_id, client_order_id, order_id, side, price, quantity, fee,
        fee_asset, realised_pnl, is_maker, traded_at, source, adopted)
    SELECT 'S' || n % %(symbols)s || 'USDT', n, n, 'a' || n, md5(n::text)::uuid, 'BUY', 1, 1, 0.001, 'USDT', 0, false,
        now() - n * interval '1 s', 'STREAM', false
    FROM generate_series(1, %(orders)s) AS n""",
    """
    INSERT INTO equity_points (at, equity, wallet, unrealised)
    SELECT now() - n * interval '2 s', 1, 1, 0 FROM generate_series(1, %(orders)s) AS n""",
    """
    INSERT INTO positions (symbol, quantity, entry_price, entry_cost, realised_pnl, fees, updated_at)
    SELECT 'S' || n || 'USDT', 1, 1, 1, 0, 0, now() FROM generate_series(1, %(positions)s) AS n""",
    "VACUUM ANALYZE",
)


@dataclass(frozen=True, slots=True)
class Stock:
    """What lies in a database before it is measured."""

    signals: int
    orders: int
    symbols: int = USUAL_SYMBOLS
    positions: int = 0


def rows(bench: Bench) -> Iterator[Told]:
    """The promise as rows, then a curve for each thing that grows."""
    sizes = SIGNALS[:2] if bench.quick else SIGNALS
    stocks = {EMPTY: Stock(EMPTY, EMPTY), **{size: Stock(size, size // 10) for size in sizes}}
    with systems(bench, "rows", stocks) as opened_systems:
        taken = {work: measured(bench, opened_systems, work) for work in WORK}
        calls = by_call(bench, opened_systems[EMPTY])
    for work, by_size in taken.items():
        yield Row(
            name=f"growth-{work}",
            what=f"{work}, {sizes[-1]:,} signals and {sizes[-1] // 10:,} orders stored",
            unit="ms",
            better=Better.LOWER,
            ours=Series("full", by_size[sizes[-1]].rounds),
            limit=Series("the same, empty", by_size[EMPTY].rounds),
            target=ratio_at_most(RATIO_MAX),
        )
    yield curve("growth-rows", "What stored rows cost", "signals stored", taken)
    few = SYMBOLS[:2] if bench.quick else SYMBOLS
    stocks = {size: Stock(SIGNALS_OF_SYMBOLS, SIGNALS_OF_SYMBOLS // 10, symbols=size, positions=size) for size in few}
    with systems(bench, "symbols", stocks) as opened_systems:
        taken = {work: measured(bench, opened_systems, work) for work in WORK}
    yield curve("growth-symbols", "What open symbols cost", "symbols with a position", taken)
    yield Curve(
        name="growth-calls",
        what="Intake by signals a call (beneath HTTP)",
        x="signals a call",
        unit="signals/s",
        lines={"admit": [Point(size, calls[size].rounds) for size in CALLS]},
    )


def curve(name: str, what: str, x: str, taken: Mapping[str, Mapping[int, Series]]) -> Curve:
    """A line for each kind of work."""
    lines = {work: [Point(size, series.rounds) for size, series in sizes.items()] for work, sizes in taken.items()}
    return Curve(name=name, what=what, x=x, unit="ms", lines=lines)


def measured(bench: Bench, opened_systems: Mapping[int, System], work: str) -> Mapping[int, Series]:
    """Milliseconds of one kind of work on every system, in turn."""

    def working(system: System) -> Callable[[], float]:
        def measure() -> float:
            prepared = PREPARE[work](system)
            began = time.perf_counter()
            WORK[work](system, prepared)
            return 1000 * (time.perf_counter() - began)

        return measure

    contenders = {str(size): working(system) for size, system in opened_systems.items()}
    taken = bench.in_turn(contenders, usual=40, quick=10, warm=WARM_ROUNDS)
    return {size: taken[str(size)] for size in opened_systems}


def by_call(bench: Bench, system: System) -> Mapping[int, Series]:
    """Signals a second into the system by how many come at once."""

    def admitting(size: int) -> Callable[[], float]:
        def measure() -> float:
            signals = batch(system, size)
            began = time.perf_counter()
            system.admit_signals(signals)
            return size / (time.perf_counter() - began)

        return measure

    taken = bench.in_turn({str(size): admitting(size) for size in CALLS}, usual=10, quick=3)
    return {size: taken[str(size)] for size in CALLS}


@contextmanager
def systems(bench: Bench, name: str, stocks: Mapping[int, Stock]) -> Iterator[Mapping[int, System]]:
    """One system for every stock, on databases of their own."""
    with ExitStack() as stack:
        found: dict[int, System] = {}
        for index, (size, stock) in enumerate(stocks.items()):
            bench.tell(f"growth: filling {name} {size:,}")
            database = f"growth_{name}_{size}"
            with psycopg.connect(bench.postgres.url(), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {database}")
            url = bench.postgres.url(database)
            migrate(url)
            with psycopg.connect(url, autocommit=True) as connection:
                for statement in FILL:
                    connection.execute(filled(statement, stock))
            # Database 0 belongs to the other sections; what a former system left in its window would be taken here.
            redis_url = bench.valkey.url(1 + index)
            with redis.Redis.from_url(redis_url) as client:
                client.flushdb()
            found[size] = stack.enter_context(opened(bench.folder / database, url, redis_url))
        yield found


@contextmanager
def opened(folder: Path, database_url: str, redis_url: str) -> Iterator[System]:
    """A system on these servers; it never talks to an exchange here."""
    environment = {
        "QT_STATE_DIR": str(folder),
        "QT_DATABASE_URL": database_url,
        "QT_REDIS_URL": redis_url,
        "QT_EXCHANGE_URL": "http://127.0.0.1:1",
        "QT_EXCHANGE_KEY": "key",
        "QT_EXCHANGE_SECRET": "secret",
        "QT_MAX_SIGNALS_IN_FLIGHT": "1000",
        "QT_SIGNAL_QUEUE_MAX": "1000",
    }
    folder.mkdir()
    broker = producer()
    broker.conf.broker_url = redis_url
    with open_system(Settings.from_environment(environment), celery=broker) as system:
        system.set_up()
        system.mend_events()  # the first is about a stream that nobody knows yet
        yield system


def batch(system: System, how_many: int) -> list[Signal]:
    """Signals that were never seen before."""
    now = system.clock.now()
    names = [f"new-{next(_numbers)}" for _ in range(how_many)]
    return [
        Signal(
            signal_id=name,
            symbol="BTCUSDT",
            side=Side.BUY,
            confidence=Decimal(index % 100) / 100,
            strategy="bench",
            generated_at=now,
            received_at=now,
            expires_at=now + timedelta(seconds=300),
            reference_price=None,
            models={},
            correlation_id=name,
            producer="bench",
        )
        for index, name in enumerate(names)
    ]


# What is measured, and what is made ready for it before.
PREPARE: Mapping[str, Callable[[System], Sequence[Signal]]] = {
    "intake": lambda system: batch(system, BATCH),
    "dispatch": lambda system: (),
    "snapshot": lambda system: (),
}
WORK: Mapping[str, Callable[[System, Sequence[Signal]], object]] = {
    "intake": lambda system, signals: system.admit_signals(list(signals)),
    "dispatch": lambda system, _: system.dispatch_signals(),
    "snapshot": lambda system, _: system.console.snapshot(),
}


def filled(statement: str, stock: Stock) -> str:
    """The counts in; every other per cent sign is the modulo of SQL."""
    for name in ("signals", "orders", "symbols", "positions"):
        statement = statement.replace(f"%({name})s", str(getattr(stock, name)))
    return statement
