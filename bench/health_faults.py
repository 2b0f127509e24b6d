"""Sixteen faults put into a running system, and how soon health tells each with its cause, and its end.

    python -m bench.health_faults [--only NAME ...]

Boots `./qt up` with the paper exchange, then for each fault: inject, wait for the component's state (and for `/ready`
to say 503 when it is CRITICAL), heal, wait for both to be well again. Prints seconds; exit code 1 when one took longer
than `SECONDS_MAX`. The disk fault needs a root who may mount; it is left out, and counted as missing, otherwise.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg

from app.adapters.redis.client import connect
from app.adapters.redis.rate_budget import RedisRateBudget
from tests.support.system import RunningSystem, System, short_directory

SECONDS_MAX = 5.0
GIVE_UP_SECONDS = 30.0
POLL_SECONDS = 0.1
DISK_BYTES = 1400 << 20
DISK_TAKEN_BYTES = 1300 << 20
GATE_SECONDS = 8.0


@dataclass(frozen=True)
class Fault:
    """`inject` answers how to heal it. `component` and `status` are what health must say."""

    name: str
    component: str
    status: str
    inject: Callable[[Bed], Callable[[], None]]


class Bed:
    """The system under test, and what faults reach it by."""

    def __init__(self, running: RunningSystem) -> None:
        self.running = running
        self.state = Path(running.system.environment["QT_STATE_DIR"])
        self.connection = json.loads((self.state / "run" / "connection.json").read_text())
        self._health = httpx.Client(base_url=running.urls["health"], timeout=5)
        self._exchange = httpx.Client(base_url=running.urls["exchange"], timeout=5)

    def tells(self, component: str, status: str) -> bool:
        """Whether health says so, and readiness with it."""
        answer = self._health.get("/health").json()
        found = {each["component"]: each for each in answer["components"]}[component]["status"]
        ready = self._health.get("/ready").status_code == 200
        return found == status and ready == (status != "CRITICAL")

    def all_is_well(self) -> bool:
        return self._health.get("/health").json()["status"] == "OK" and self._health.get("/ready").status_code == 200

    def cause(self, component: str) -> str:
        answer = self._health.get("/health").json()
        return str({each["component"]: each for each in answer["components"]}[component]["cause"])

    def sql(self, statement: str, *parameters: Any) -> None:
        with psycopg.connect(self.connection["database_url"], autocommit=True) as connection:
            connection.execute(statement, parameters)

    def freeze(self, name: str) -> Callable[[], None]:
        leader = psutil.Process(self.running.system.pids()[name])
        leader.suspend()
        everybody = [leader, *leader.children(recursive=True)]
        for process in everybody:
            process.suspend()

        def thaw() -> None:
            for process in reversed(everybody):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()

        return thaw

    def exchange_rule(self, rule: dict[str, Any]) -> Callable[[], None]:
        self._exchange.post("/paper/faults", json=[rule]).raise_for_status()
        return lambda: self._exchange.delete("/paper/faults").raise_for_status() and None

    def exchange_clock(self, offset_ms: int) -> Callable[[], None]:
        self._exchange.post("/paper/clock", json={"offset_ms": offset_ms}).raise_for_status()
        return lambda: self._exchange.post("/paper/clock", json={"offset_ms": 0}).raise_for_status() and None


def frozen(name: str) -> Callable[[Bed], Callable[[], None]]:
    return lambda bed: bed.freeze(name)


def policy_unreadable(bed: Bed) -> Callable[[], None]:
    bed.sql("CREATE TABLE kept_policies AS SELECT version, body FROM policies")
    bed.sql("UPDATE policies SET body = '{}'")

    def heal() -> None:
        bed.sql("UPDATE policies SET body = kept.body FROM kept_policies kept WHERE kept.version = policies.version")
        bed.sql("DROP TABLE kept_policies")

    return heal


def stop_disabled(bed: Bed) -> Callable[[], None]:
    bed.sql("UPDATE ess SET state = 'DISABLED'")
    return lambda: bed.sql("UPDATE ess SET state = 'ARMED'")


def books_differ(bed: Bed) -> Callable[[], None]:
    """Every pass finds a difference: told again and again, because the system's own passes find none."""
    stop = threading.Event()
    difference = '[{"subject": "wallet", "ours": "10", "theirs": "9"}]'

    def tell() -> None:
        with psycopg.connect(bed.connection["database_url"], autocommit=True) as connection:
            while not stop.wait(0.02):
                connection.execute(
                    "INSERT INTO reconciliations (at, differences) VALUES (now(), %s::jsonb)", [difference]
                )

    thread = threading.Thread(target=tell)
    thread.start()

    def heal() -> None:
        stop.set()
        thread.join()
        bed.sql("DELETE FROM reconciliations WHERE differences @> %s::jsonb", difference)

    return heal


def gate_closed(bed: Bed) -> Callable[[], None]:
    """As if the exchange had said 429 and to come back later; only time opens it again."""
    link = connect(bed.connection["redis_url"])
    began = time.monotonic()
    RedisRateBudget(link).close(seconds=GATE_SECONDS, reason="429 for a test")
    link.close()
    return lambda: time.sleep(max(0.0, began + GATE_SECONDS - time.monotonic()))


def disk_full(bed: Bed) -> Callable[[], None]:
    junk = bed.state / "buffer" / "junk"
    with junk.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, DISK_TAKEN_BYTES)
    return junk.unlink


FAULTS = (
    Fault("postgres frozen", "postgres", "CRITICAL", frozen("postgres")),
    Fault("redis frozen", "redis", "CRITICAL", frozen("redis")),
    Fault("exchange frozen", "exchange", "CRITICAL", frozen("exchange")),
    Fault(
        "exchange answers 503",
        "exchange",
        "CRITICAL",
        lambda bed: bed.exchange_rule({"kind": "http_error", "endpoint": "GET /fapi/v1/time"}),
    ),
    Fault(
        "exchange slow",
        "exchange",
        "CRITICAL",
        lambda bed: bed.exchange_rule({"kind": "delay_reply", "endpoint": "GET /fapi/v1/time", "delay_ms": 4000}),
    ),
    Fault("clock 5 s off", "exchange", "DEGRADED", lambda bed: bed.exchange_clock(5_000)),
    Fault("rate gate closed", "rate_budget", "CRITICAL", gate_closed),
    Fault("worker-critical frozen", "worker-critical", "CRITICAL", frozen("worker-critical")),
    Fault("worker-orders frozen", "worker-orders", "CRITICAL", frozen("worker-orders")),
    Fault("worker-default frozen", "worker-default", "CRITICAL", frozen("worker-default")),
    Fault("beat frozen", "beat", "CRITICAL", frozen("beat")),
    Fault("listener frozen", "listener", "CRITICAL", frozen("listener")),
    Fault("policy unreadable", "policy", "CRITICAL", policy_unreadable),
    Fault("stop disabled", "emergency_stop", "DEGRADED", stop_disabled),
    Fault("books differ", "ledger", "CRITICAL", books_differ),
    Fault("disk nearly full", "disk", "CRITICAL", disk_full),
)


def seconds_until(condition: Callable[[], bool]) -> float | None:
    """How long it took; None when it never came."""
    began = time.monotonic()
    while time.monotonic() - began < GIVE_UP_SECONDS:
        if condition():
            return time.monotonic() - began
        time.sleep(POLL_SECONDS)
    return None


@contextlib.contextmanager
def small_disk(state: Path) -> Iterator[bool]:
    """A file system of its own under the buffers, where the fault may take the room."""
    buffer = state / "buffer"
    buffer.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(buffer)], check=False, capture_output=True
    )
    try:
        yield mounted.returncode == 0
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", "-l", str(buffer)], check=False, timeout=30)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=None)
    options = parser.parse_args()
    bad = 0
    with short_directory() as folder, small_disk(folder / "state") as has_disk:  # noqa: SIM117 - the disk goes last
        with System.of_checkout(folder / "state").up() as running:
            bed = Bed(running)
            if seconds_until(bed.all_is_well) is None:
                raise SystemExit(f"never well: {bed.running.system.call('check').stdout}")
            print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; at most {SECONDS_MAX:g} s each way")
            print(f"{'fault':24} {'component':18} {'told':>6} {'over':>6}  cause")
            for fault in FAULTS:
                if options.only is not None and fault.name not in options.only:
                    continue
                if fault.component == "disk" and not has_disk:
                    bad += 1
                    print(f"{fault.name:24} left out: no file system of its own could be mounted")
                    continue
                bad += not run(bed, fault)
            print(f"{bad} not within {SECONDS_MAX:g} s; load {os.getloadavg()[0]:.1f}")
    return 1 if bad else 0


def run(bed: Bed, fault: Fault) -> bool:
    """Whether health told the fault and its end in time."""
    heal = fault.inject(bed)
    told = seconds_until(lambda: bed.tells(fault.component, fault.status))
    cause = bed.cause(fault.component)
    heal()
    over = seconds_until(lambda: bed.tells(fault.component, "OK"))
    columns = [f"{'never' if each is None else format(each, '.1f'):>6}" for each in (told, over)]
    print(f"{fault.name:24} {fault.component:18} {' '.join(columns)}  {cause[:90]}", flush=True)
    seconds_until(bed.all_is_well)  # what hung on it comes back before the next one
    return all(each is not None and each <= SECONDS_MAX for each in (told, over))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
