"""How soon 200 dashboards know what happened, with every tenth of them stalled, and whether the memory stays flat.

    python -m bench.live_clients [--seconds 60] [--rounds 3] [--clients 200] [--growth]

The real web process (gunicorn, its own settings) on a Postgres and a Valkey of its own. Events are published at the
rate that one client may be sent, one by one, by the product's own publisher; each carries the moment of its publishing,
and clients in processes of their own tell how old it was when they had read it. Rounds with and without stalled
clients, and of a bare websocket broadcast of the same frames, take turns, so that whatever else the machine does hits
all alike.
Exit code 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil

from app.adapters.postgres import migrate
from app.adapters.processes.free_ports import SYSTEM_PORTS, free_port
from app.adapters.redis.event_stream import RedisEventPublisher, connect_publisher
from app.bootstrap import open_system
from app.domain.events import Event, EventType
from app.settings import Settings
from tests.support.servers import postgres_server, valkey_server
from tests.support.waiting import wait_until
from web.live.limits import CLIENTS_MAX, EVENTS_PER_SECOND_MAX

P95_MS_MAX = 250.0
# One stalled client in ten changes nothing: beyond this the difference is not the machine's noise any more.
STALLED_RATIO_MAX = 1.25
MEMORY_GROWTH_MIB_MAX = 2.0
STALLED_SHARE = 10  # one in so many
LOAD_PROCESSES = 2
START_SECONDS_MAX = 60.0
SAMPLE_SECONDS = 0.5
# As long as a signal with the votes of four models: what a dashboard is sent most.
PADDING_CHARACTERS = 480
# Every second event is one of its own, every fourth an order's newest state, every fourth an account's.
TYPES = (
    EventType.SIGNAL_RECEIVED,
    EventType.ORDER_UPDATED,
    EventType.SIGNAL_DECIDED,
    EventType.PNL_UPDATED,
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; `target` says in words what `met` was judged by (None: a figure without a target)."""

    what: str
    value: float
    unit: str
    target: str | None = None
    met: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Who listens in one round, and for how long it is measured."""

    readers: int
    stalled: int = 0
    seconds: float = 20.0
    warm_seconds: float = 5.0  # of events before anything is measured
    wakes_stalled: bool = False
    events_per_second: int = EVENTS_PER_SECOND_MAX
    padding_characters: int = PADDING_CHARACTERS


@dataclass
class Round:
    """What the clients of one round saw, and what it cost the server."""

    load: Load
    published: int = 0
    given_up: int = 0
    readers: Counter[str] = field(default_factory=Counter)
    stalled: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    latencies: Counter[int] = field(default_factory=Counter)
    cpu_seconds: float = 0.0
    memory_mib: list[float] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """Milliseconds from publishing to reading that this share of the readers' events took at most."""
        wanted, seen = share * self.latencies.total(), 0
        for bucket in sorted(self.latencies):
            seen += self.latencies[bucket]
            if seen >= wanted:
                return float(bucket + 1)
        raise ValueError("nobody read anything")

    @property
    def cpu_ms_per_thousand_frames(self) -> float:
        """The server's processor time for what all readers were sent."""
        return 1_000_000 * self.cpu_seconds / max(1, self.readers["frames"])


@dataclass(frozen=True, slots=True)
class Server:
    """A running server of live events; `token` is empty where nobody is asked for one."""

    process: psutil.Process
    url: str
    token: str


class Publisher:
    """Publishes events at a rate until it is stopped; `newest` is known afterwards."""

    def __init__(self, redis_url: str, load: Load) -> None:
        self._link = connect_publisher(redis_url)
        self._publisher = RedisEventPublisher(self._link)
        self._gap = 1.0 / load.events_per_second
        self._padding = "x" * load.padding_characters
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.published = 0

    def __enter__(self) -> Publisher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._link.close()

    @property
    def given_up(self) -> int:
        """Events not confirmed in time: the product publishes such again later, here they are left out."""
        return self._publisher.unpublished_count

    def stop(self) -> None:
        """After this nothing more is published."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stopping.wait(max(0.0, due - time.monotonic())):
            self._publisher.publish([self._event()])
            self.published += 1
            # No catching up: a machine that was away for a moment must not look like a burst of the producer's.
            due = max(due + self._gap, time.monotonic())

    def _event(self) -> Event:
        number = self.published
        return Event(
            event_id=f"bench-{time.monotonic_ns()}",
            type=TYPES[number % len(TYPES)],
            at=datetime.now(UTC),
            payload={
                "published_ns": time.monotonic_ns(),
                "order_id": f"o{number % 40}",
                "symbol": f"S{number % 20}USDT",
                "padding": self._padding,
            },
        )


@contextmanager
def dashboard_server(folder: Path, environment: Mapping[str, str], token: str) -> Iterator[Server]:
    """The real web process; its worker is what is measured."""
    port = free_port(SYSTEM_PORTS)
    ready = folder / "web.ready"
    settings = {"QT_WEB_PORT": str(port), "QT_READY_FILE": str(ready), "QT_LOG_LEVEL": "WARNING"}
    command = [sys.executable, "-m", "gunicorn", "--config", "python:web.gunicorn_conf"]
    with _started(command, {**environment, **settings}, folder / "web.log") as process:
        wait_until(ready.exists, seconds=START_SECONDS_MAX, what="the web process")
        [worker] = psutil.Process(process.pid).children()
        yield Server(worker, f"ws://127.0.0.1:{port}/ws/dashboard", token)


@contextmanager
def raw_server(folder: Path, environment: Mapping[str, str]) -> Iterator[Server]:
    """A bare broadcast of the same stream."""
    port = free_port(SYSTEM_PORTS)
    command = [sys.executable, "-m", "bench.raw_broadcast", str(port)]
    with _started(command, environment, folder / "raw.log") as process:
        server = Server(psutil.Process(process.pid), f"ws://127.0.0.1:{port}/", "")
        wait_until(lambda: _listens(port), seconds=START_SECONDS_MAX, what="the bare broadcast")
        yield server


def _listens(port: int) -> bool:
    try:
        httpx.get(f"http://127.0.0.1:{port}/", trust_env=False)
    except httpx.ConnectError:
        return False
    return True


@contextmanager
def _started(
    command: Sequence[str], environment: Mapping[str, str], log_path: Path
) -> Iterator[subprocess.Popen[bytes]]:
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)
    try:
        yield process
        if process.poll() is not None:
            raise RuntimeError(f"{command[2]} ended with {process.returncode}: {log_path.read_text()[-2000:]}")
    finally:
        process.terminate()
        process.wait(START_SECONDS_MAX)


@contextmanager
def bench_servers(*, with_raw: bool = True) -> Iterator[tuple[Server, Server | None, str]]:
    """The dashboard's server, the bare one, and the URL of the Valkey that both follow."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qt-live-")))
        cluster = stack.enter_context(postgres_server())
        valkey = stack.enter_context(valkey_server())
        migrate(cluster.url())
        environment = {
            "QT_STATE_DIR": str(folder / "state"),
            "QT_DATABASE_URL": cluster.url(),
            "QT_REDIS_URL": valkey.url(),
            "QT_EXCHANGE_URL": "http://127.0.0.1:1",
            "QT_EXCHANGE_KEY": "key",
            "QT_EXCHANGE_SECRET": "secret",
        }
        (folder / "state").mkdir(mode=0o700)
        with open_system(Settings.from_environment(environment)) as system:
            system.set_up()
            system.mend_events()
            token = system.issue_token(name="bench", scopes=["read"])
        server = stack.enter_context(dashboard_server(folder, environment, token))
        raw = stack.enter_context(raw_server(folder, environment)) if with_raw else None
        yield server, raw, valkey.url()


def measure(server: Server, load: Load, redis_url: str) -> Round:
    """One round: connect everybody, warm up, measure, and wait until everybody knows of the last event."""
    result = Round(load)
    with ExitStack() as stack:
        crowds = [stack.enter_context(_crowd(server, load, index)) for index in range(LOAD_PROCESSES)]
        for crowd in crowds:
            _say(crowd, None, expect="ready")
        with Publisher(redis_url, load) as publisher:
            time.sleep(load.warm_seconds)
            for crowd in crowds:
                _say(crowd, "begin")
            before, cpu = publisher.published, _cpu_seconds(server.process)
            ends_at = time.monotonic() + load.seconds
            while time.monotonic() < ends_at:
                time.sleep(SAMPLE_SECONDS)
                result.memory_mib.append(server.process.memory_info().rss / 2**20)
            result.cpu_seconds = _cpu_seconds(server.process) - cpu
            result.published = publisher.published - before
            publisher.stop()
            result.given_up = publisher.given_up
            newest = _newest(redis_url)
            for crowd in crowds:
                _say(crowd, f"end {newest}")
            for crowd in crowds:
                _add(result, json.loads(_answer(crowd)))
    return result


@contextmanager
def _crowd(server: Server, load: Load, index: int) -> Iterator[subprocess.Popen[str]]:
    def part(whole: int) -> int:
        return whole // LOAD_PROCESSES + (index < whole % LOAD_PROCESSES)

    task = {
        "url": server.url,
        "token": server.token,
        "readers": part(load.readers),
        "stalled": part(load.stalled),
        "wake": load.wakes_stalled,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.live_readers"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        _say(process, json.dumps(task))
        yield process
    finally:
        process.kill()
        process.communicate()


def _say(process: subprocess.Popen[str], line: str | None, *, expect: str | None = None) -> None:
    assert process.stdin is not None
    if line is not None:
        process.stdin.write(f"{line}\n")
        process.stdin.flush()
    if expect is not None and (said := _answer(process).strip()) != expect:
        raise RuntimeError(f"a process full of clients said {said!r} instead of {expect!r}")


def _answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def _newest(redis_url: str) -> int:
    link = connect_publisher(redis_url)
    try:
        return int(link.call(lambda client: client.get("qt:{events}:sequence")))
    finally:
        link.close()


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _add(result: Round, told: Mapping[str, Any]) -> None:
    for kind, into in (("readers", result.readers), ("stalled", result.stalled)):
        into.update({name: count for name, count in told[kind].items() if name != "latencies"})
    result.refused.update(told["refused"])
    result.latencies.update({int(bucket): count for bucket, count in told["readers"]["latencies"].items()})


def growth_of(memory_mib: Sequence[float]) -> float:
    """MiB between the medians of the first and the last third."""
    third = max(1, len(memory_mib) // 3)
    return statistics.median(memory_mib[-third:]) - statistics.median(memory_mib[:third])


def merged(rounds: Sequence[Round]) -> Round:
    """Rounds of one kind as one."""
    whole = Round(rounds[0].load)
    for each in rounds:
        whole.published += each.published
        whole.given_up += each.given_up
        whole.cpu_seconds += each.cpu_seconds
        whole.memory_mib += each.memory_mib
        for name in ("readers", "stalled", "refused", "latencies"):
            getattr(whole, name).update(getattr(each, name))
    return whole


def compare(*, clients: int = 200, seconds: float = 60.0, rounds: int = 3) -> list[Row]:
    """The promise: with one client in ten stalled, without, and a bare broadcast, in turns."""
    stalled = clients // STALLED_SHARE
    readers = clients - stalled
    kinds: dict[str, list[Round]] = {"stalled": [], "none stalled": [], "bare": []}
    with bench_servers() as (server, raw, redis_url):
        assert raw is not None
        for number in range(rounds):
            turns = [
                ("stalled", server, Load(readers=readers, stalled=stalled, seconds=seconds / rounds)),
                ("none stalled", server, Load(readers=readers, seconds=seconds / rounds)),
                ("bare", raw, Load(readers=readers, seconds=seconds / rounds)),
            ]
            for name, where, load in turns if number % 2 else reversed(turns):
                kinds[name].append(measure(where, load, redis_url))
    ours, alone, bare = (merged(each) for each in kinds.values())
    growth = growth_of(ours.memory_mib)
    by_p95 = {name: statistics.median([each.percentile(0.95) for each in kind]) for name, kind in kinds.items()}
    ratio = by_p95["stalled"] / by_p95["none stalled"]
    to_bare = by_p95["stalled"] / by_p95["bare"]
    cpu = ours.cpu_ms_per_thousand_frames / bare.cpu_ms_per_thousand_frames
    return [
        *reading_rows(f"{clients} clients, {stalled} stalled", ours),
        *reading_rows(f"{readers} clients, none stalled", alone),
        Row("p95 of a bare broadcast", by_p95["bare"], "ms"),
        Row("p95 against the bare broadcast", to_bare, "x"),
        Row(
            "p95 with stalled clients against without",
            ratio,
            "x",
            f"<= {STALLED_RATIO_MAX}",
            ratio <= STALLED_RATIO_MAX,
        ),
        Row("processor time a frame against the bare broadcast", cpu, "x"),
        Row(
            "memory, last third less first",
            growth,
            "MiB",
            f"<= {MEMORY_GROWTH_MIB_MAX}",
            growth <= MEMORY_GROWTH_MIB_MAX,
        ),
        Row("memory of the web process", ours.memory_mib[-1], "MiB"),
    ]


def reading_rows(name: str, seen: Round) -> list[Row]:
    """How soon readers knew, and that nothing was missing without being told."""
    p95 = seen.percentile(0.95)
    wrong = sum(seen.readers[fault] for fault in ("lost", "reordered", "behind", "cut_off", "snapshots"))
    rate = seen.readers["events"] / seen.load.readers / max(1, seen.published) * seen.load.events_per_second
    return [
        Row(f"{name}: p50 from event to reader", seen.percentile(0.5), "ms"),
        Row(f"{name}: p95 from event to reader", p95, "ms", f"<= {P95_MS_MAX:g}", p95 <= P95_MS_MAX),
        Row(f"{name}: p99 from event to reader", seen.percentile(0.99), "ms"),
        Row(f"{name}: lost, reordered, cut off", wrong, "events", "none", wrong == 0),
        Row(f"{name}: merged or dropped, and told so", seen.readers["dropped"], "events"),
        Row(f"{name}: events a reader a second", rate, "1/s"),
        Row(f"{name}: not confirmed to their publisher in time", seen.given_up, "events"),
    ]


def grow(*, seconds: float = 20.0) -> list[Row]:
    """Few clients, as many as are let in, and more: those beyond are refused and take nothing from the rest."""
    rows: list[Row] = []
    with bench_servers(with_raw=False) as (server, _, redis_url):
        for readers in (20, CLIENTS_MAX):
            rows += reading_rows(
                f"{readers} clients", measure(server, Load(readers=readers, seconds=seconds), redis_url)
            )
        crowded = measure(server, Load(readers=2_000, seconds=seconds), redis_url)
        let_in = 2_000 - crowded.refused.total()
        crowded = Round(Load(readers=let_in), **{k: v for k, v in vars(crowded).items() if k != "load"})
        rows += reading_rows(f"2000 come, {let_in} let in", crowded)
        rows.append(Row("refused with 503", crowded.refused["503"], "clients", "the rest", let_in == CLIENTS_MAX))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0, help="measured, of each kind")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--growth", action="store_true", help="20, as many as are let in, and 2,000 clients instead")
    options = parser.parse_args()
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    rows = (
        grow() if options.growth else compare(clients=options.clients, seconds=options.seconds, rounds=options.rounds)
    )
    for row in rows:
        verdict = "" if row.met is None else f"  (target {row.target}: {'met' if row.met else 'MISSED'})"
        print(f"{row.what:<62} {row.value:>10,.2f} {row.unit}{verdict}")
    print(f"{load} before, {os.getloadavg()[0]:.1f} after")
    return 1 if any(row.met is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
