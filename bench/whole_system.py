"""Recorded signals into a whole system as fast as it takes them: what is full first, and who uses the processors.

Run: `./qt bench whole`. The recording is looked for as in the tests (QT_TEST_DATA, else beside the checkout); without
it signals are drawn from a seed. Sent again and again with new ids until the time is over.
"""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path
from random import Random
from typing import Any

import httpx
import psutil
import psycopg
import redis

from app.adapters.processes.records import read_record
from app.chaos.arena import Arena
from app.cli.recorded_signals import RecordedSignal, read_recorded
from app.flow import Queue
from bench.report.rows import Finding, Row, Series, Told
from bench.run import Bench

REPOSITORY = Path(__file__).resolve().parents[1]
RECORDING = "signals-2025-11-22.jsonl"
SECONDS = 30.0
QUICK_SECONDS = 10.0
SENDERS = 2
BATCH = 25
SAMPLE_SECONDS = 0.25
WINDOW_MAX = 100
IN_FLIGHT_MAX = 10
ORDERS_PER_SECOND_MAX = 20.0  # 1,200 a minute
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT", "ADAUSDT", "DOGEUSDT", "LINKUSDT", "AVAXUSDT")
# From here on something counts as full.
FULL_SHARE = 0.9
# A busy machine says something of the system only when the system is what keeps it busy.
OWN_SHARE = 0.6

_numbers = count()


@dataclass
class Samples:
    """What was looked at every `SAMPLE_SECONDS`."""

    window: list[int] = field(default_factory=list)
    in_flight: list[int] = field(default_factory=list)
    queues: dict[str, list[int]] = field(default_factory=dict)
    machine: list[float] = field(default_factory=list)  # share of all cores


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One run under full load."""

    seconds: float
    source: str
    posted: int
    refused: Counter[str]
    states: Counter[str]
    orders: int
    cores: Mapping[str, float]  # used by each process of the system and by the load, in cores
    core_count: int
    samples: Samples


def rows(bench: Bench) -> Iterator[Told]:
    """Rates and shares as rows, and one sentence that says what was full first."""
    arena = bench.arena
    seen = observe(arena, QUICK_SECONDS if bench.quick else SECONDS)
    yield from told(seen)


def told(seen: Seen) -> Iterator[Told]:
    """What one run says."""
    yield Row(
        name="whole-posted",
        what=f"{seen.source}, arrays of {BATCH}: taken in",
        unit="signals/s",
        ours=Series("ours", [seen.posted / seen.seconds]),
    )
    yield Row(
        name="whole-orders",
        what="orders that the exchange received meanwhile",
        unit="orders/s",
        ours=Series("ours", [seen.orders / seen.seconds]),
        limit=Series("the exchange's limit", [ORDERS_PER_SECOND_MAX]),
    )
    yield Row(
        name="whole-window",
        what="window occupancy, samples over time",
        unit="signals",
        ours=Series("ours", seen.samples.window),
        limit=Series("its size", [WINDOW_MAX] * len(seen.samples.window)),
    )
    yield Finding("What is full first", saturation(seen))
    yield Finding("Where the processors went", spending(seen))


def saturation(seen: Seen) -> str:
    """The first of: the order budget, the cores, one process, the credit of dispatch, nothing."""
    orders_share = seen.orders / seen.seconds / ORDERS_PER_SECOND_MAX
    machine = statistics.median(seen.samples.machine) if seen.samples.machine else 0.0
    in_flight = _share(seen.samples.in_flight, IN_FLIGHT_MAX)
    window = _share(seen.samples.window, WINDOW_MAX)
    depths = {name: max(depth, default=0) for name, depth in seen.samples.queues.items()}
    busiest, cores = max(seen.cores.items(), key=lambda each: each[1], default=("nobody", 0.0))
    if orders_share >= FULL_SHARE:
        first = f"the exchange's order budget ({orders_share:.0%} of {ORDERS_PER_SECOND_MAX:.0f} orders a second)"
    elif machine >= FULL_SHARE and sum(seen.cores.values()) < OWN_SHARE * seen.core_count:
        first = f"not to be told: the machine was {machine:.0%} busy, most of it with other things"
    elif machine >= FULL_SHARE:
        first = f"the machine's cores ({machine:.0%} busy; most by {busiest}: {cores:.2f} of a core)"
    elif cores >= FULL_SHARE:
        first = f"one process, {busiest} ({cores:.2f} of a core)"
    elif in_flight >= FULL_SHARE:
        first = f"the credit of dispatch ({IN_FLIGHT_MAX} at work in {in_flight:.0%} of all samples)"
    else:
        first = "nothing: the producers were not fast enough"
    queues = ", ".join(f"{name} {depth}" for name, depth in sorted(depths.items()))
    return (
        f"{first}. The window was full in {window:.0%} of the samples and all of the dispatch credit in use in "
        f"{in_flight:.0%}; the deepest the Celery queues got: {queues}. {_states(seen)}"
    )


def spending(seen: Seen) -> str:
    """Processes by what they used of a core."""
    machine = statistics.median(seen.samples.machine) if seen.samples.machine else 0.0
    ranked = sorted(seen.cores.items(), key=lambda each: -each[1])
    parts = ", ".join(f"{name} {cores:.2f}" for name, cores in ranked if cores >= 0.005)
    return f"{machine:.0%} of the machine; in cores: {parts}."


def _states(seen: Seen) -> str:
    total = sum(seen.states.values())
    parts = ", ".join(f"{name} {number / total:.1%}" for name, number in seen.states.most_common())
    refused = f"; refused: {dict(seen.refused)}" if seen.refused else ""
    return f"{total:,} signals taken in: {parts}{refused}."


def _share(values: Sequence[int], full: int) -> float:
    return sum(value >= full for value in values) / len(values) if values else 0.0


# ------------------------------------------------------------------------------------------------ one run


def observe(arena: Arena, seconds: float) -> Seen:
    """Post for so long, looking at everything meanwhile."""
    source, bodies = bodies_of()
    run = f"whole-{os.getpid()}-{next(_numbers)}"
    orders_before = len(arena.ledger().ours())
    stopping = threading.Event()
    posted: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    lock = threading.Lock()

    def send(number: int) -> None:
        with httpx.Client(base_url=arena.urls["web"], headers={"Authorization": f"Bearer {arena.token}"}, timeout=10,
                          trust_env=False) as web:  # fmt: skip
            turn = 0
            while not stopping.is_set():
                chosen = [bodies[(number + SENDERS * (turn + index)) % len(bodies)] for index in range(BATCH)]
                now = datetime.now(UTC).isoformat()
                array = [
                    {**body, "signal_id": f"{run}-{number}-{turn + index}", "generated_at": now}
                    for index, body in enumerate(chosen)
                ]
                turn += BATCH
                answer = web.post("/api/signals", json=array)
                with lock:
                    if answer.status_code == 202:
                        posted["signals"] += BATCH
                    else:
                        refused[f"HTTP {answer.status_code}"] += 1

    processes = processes_of(arena)
    before = {name: cpu_seconds(found) for name, found in processes.items()}
    threads = [threading.Thread(target=send, args=(number,), daemon=True) for number in range(SENDERS)]
    me = psutil.Process()
    mine = cpu_seconds([me])
    began = time.monotonic()
    for thread in threads:
        thread.start()
    try:
        samples = look(arena, until=began + seconds)
    finally:
        stopping.set()
        for thread in threads:
            thread.join(15)
    taken = time.monotonic() - began
    cores = {name: (cpu_seconds(found) - before[name]) / taken for name, found in processes.items()}
    cores["this bench"] = (cpu_seconds([me]) - mine) / taken
    return Seen(
        seconds=taken,
        source=source,
        posted=posted["signals"],
        refused=refused,
        states=states_of(arena, run),
        orders=len(arena.ledger().ours()) - orders_before,
        cores=cores,
        core_count=psutil.cpu_count() or 1,
        samples=samples,
    )


def look(arena: Arena, *, until: float) -> Samples:
    """Occupancy, credit, queues and processors, until the time has come."""
    samples = Samples(queues={queue.value: [] for queue in Queue if queue is not Queue.AI})
    psutil.cpu_percent()
    with (
        redis.Redis.from_url(arena.connection["redis_url"]) as client,
        psycopg.connect(arena.connection["database_url"], autocommit=True) as database,
    ):
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(SAMPLE_SECONDS, left))
            samples.window.append(int(client.zcard("qt:{window}:ranking")))
            for queue, depths in samples.queues.items():
                depths.append(depth_of(client, queue))
            found = database.execute("SELECT count(*) FROM signals WHERE state = 'DISPATCHED'").fetchone()
            assert found is not None
            samples.in_flight.append(int(found[0]))
            samples.machine.append(psutil.cpu_percent() / 100)
    return samples


def depth_of(client: redis.Redis, queue: str) -> int:
    """Messages in a Celery queue, over all of its priorities (a list each)."""
    names = [f"qt:celery:{queue}" if step == 0 else f"qt:celery:{queue}:{step}" for step in range(10)]
    with client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.llen(name)
        return sum(pipe.execute())


def states_of(arena: Arena, run: str) -> Counter[str]:
    """Where this run's signals stand now."""
    with psycopg.connect(arena.connection["database_url"], autocommit=True) as database:
        found = database.execute(
            "SELECT state, count(*) FROM signals WHERE signal_id LIKE %s GROUP BY state", (f"{run}-%",)
        ).fetchall()
    return Counter({state: int(number) for state, number in found})


def processes_of(arena: Arena) -> Mapping[str, list[psutil.Process]]:
    """The system's processes by name, each with its children."""
    record = read_record(arena.state / "run" / "system.json")
    assert record is not None
    found: dict[str, list[psutil.Process]] = {}
    for each in record.processes:
        process = each.identity.find() if each.identity else None
        if process is not None:
            found[each.name] = [process, *process.children(recursive=True)]
    return found


def cpu_seconds(processes: Sequence[psutil.Process]) -> float:
    """User and system time of all of them; what has ended counts as nothing."""
    total = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def bodies_of() -> tuple[str, list[dict[str, Any]]]:
    """What to post, without ids and times, and where it is from."""
    given = os.environ.get("QT_TEST_DATA")
    path = (Path(given) if given else REPOSITORY.parent / "shared" / "data") / RECORDING
    if path.is_file():
        with path.open("rb") as lines:
            recorded = [one for one in read_recorded(lines, quote="USDT") if isinstance(one, RecordedSignal)]
        return "recorded signals", [one.request(signal_id="", generated_at=datetime.now(UTC)) for one in recorded]
    return "signals from a seed (no recording here)", list(islice(drawn(), 1_000))


def drawn() -> Iterator[dict[str, Any]]:
    """Signals of any confidence, from a seed."""
    chance = Random(7)
    while True:
        yield {
            "symbol": chance.choice(SYMBOLS),
            "side": chance.choice(("BUY", "SELL")),
            "confidence": f"0.{chance.randrange(20, 100)}",
            "strategy": "bench",
        }
