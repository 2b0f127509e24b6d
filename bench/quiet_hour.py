"""An hour in which nothing is wrong: does health say so all the time, without one false alarm?

    python -m bench.quiet_hour [--minutes 60] [--rate 5] [--market seed:7]

Boots `./qt up` with the paper exchange, waits until `/ready` says 200 for the first time, and posts a few signals a
second, as usual producers do. Looks at `/ready` and `/health` every second. Exit code 0 when no alert was raised,
`/ready` never left 200, every look and every signal was answered and no process was started again; whatever else was
seen (a component not OK for a moment) is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg

from app.adapters.processes.records import read_record
from app.cli.run_demo_producer import demo_signals
from tests.support.system import RunningSystem, System, short_directory
from tests.support.waiting import wait_until

LOOK_SECONDS = 1.0
ANSWER_SECONDS_MAX = 5.0
READY_SECONDS_MAX = 60.0
TELL_SECONDS = 60.0
EVIDENCE_MAX = 20


@dataclass
class Seen:
    """What was seen; each line of `wrong` is one reason to fail."""

    looks: int = 0
    look_seconds: list[float] = field(default_factory=list)
    post_seconds: list[float] = field(default_factory=list)
    verdicts: Counter[str] = field(default_factory=Counter)
    not_ok_looks: Counter[str] = field(default_factory=Counter)
    causes: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def blame(self, text: str) -> None:
        """Note what must not be, with its time, and say it at once."""
        line = f"{datetime.now(UTC):%H:%M:%S} {text}"
        self.wrong.append(line)
        print(f"  WRONG {line}", flush=True)


class Load:
    """Posts signals at a steady rate until stopped."""

    def __init__(self, running: RunningSystem, seen: Seen, *, per_second: float) -> None:
        state = Path(running.system.environment["QT_STATE_DIR"])
        token = (state / "operator.token").read_text().strip()
        self._client = httpx.Client(
            base_url=running.urls["web"], headers={"Authorization": f"Bearer {token}"}, timeout=ANSWER_SECONDS_MAX
        )
        self._seen = seen
        self._pause = 1.0 / per_second
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(2 * ANSWER_SECONDS_MAX)
        self._client.close()

    def _run(self) -> None:
        due = time.monotonic()
        for body in demo_signals(random.Random(7)):
            self._post(body | {"generated_at": datetime.now(UTC).isoformat()})
            due = max(due + self._pause, time.monotonic() - 1.0)  # what a hang held up is not caught up with as a flood
            if self._stop.wait(max(0.0, due - time.monotonic())):
                return

    def _post(self, body: Mapping[str, Any]) -> None:
        began = time.monotonic()
        try:
            answer = self._client.post("/api/signals", json=dict(body))
        except httpx.HTTPError as error:
            self._seen.blame(f"a signal was not answered: {error!r}")
            return
        self._seen.post_seconds.append(time.monotonic() - began)
        if answer.status_code != 202:
            self._seen.blame(f"a signal was answered {answer.status_code}: {answer.text[:200]}")
            return
        verdict = answer.json()["results"][0]["verdict"]
        self._seen.verdicts[verdict] += 1
        if verdict == "SPOOLED":
            self._seen.blame("a signal had to wait on the disk")


class Watcher:
    """Looks at health as a load balancer and an operator would, and at the supervisor's record."""

    def __init__(self, running: RunningSystem, seen: Seen) -> None:
        self._state = Path(running.system.environment["QT_STATE_DIR"])
        self._client = httpx.Client(base_url=running.urls["health"], timeout=ANSWER_SECONDS_MAX)
        self._seen = seen
        self._pids = self._read_pids()
        self._told_alerts: set[tuple[str, int]] = set()
        self._database_url = json.loads((self._state / "run" / "connection.json").read_text())["database_url"]

    def is_ready(self) -> bool:
        """Whether a load balancer would send requests."""
        return self._client.get("/ready").status_code == 200

    def look(self) -> None:
        """One look at everything."""
        self._seen.looks += 1
        began = time.monotonic()
        try:
            ready = self._client.get("/ready")
            health = self._client.get("/health").json()
        except httpx.HTTPError as error:
            self._seen.blame(f"health did not answer: {error!r}")
            return
        self._seen.look_seconds.append(time.monotonic() - began)
        if ready.status_code != 200:
            self._seen.blame(f"/ready said {ready.status_code}: {ready.json()['reasons']}")
        for each in health["components"]:
            if each["status"] != "OK":
                self._seen.not_ok_looks[f"{each['component']} {each['status']}"] += 1
                self._seen.causes[f"{each['component']} {each['status']}"] = each["cause"]
        self._look_at_alerts(health["alerts"])
        self._look_at_processes()

    def kept_alerts(self) -> None:
        """Every alert of the history, those that opened and cleared between two looks too."""
        with psycopg.connect(self._database_url, autocommit=True) as connection:
            rows = connection.execute(
                "SELECT raised_at, component, status, cause, occurrences FROM alerts ORDER BY raised_at"
            ).fetchall()
        for raised_at, component, status, cause, occurrences in rows[:EVIDENCE_MAX]:
            self._seen.blame(f"alert of {raised_at:%H:%M:%S}: {component} {status}, {occurrences} times: {cause}")

    def outcomes(self) -> Mapping[str, int]:
        """Signals by state and reason, orders by state: the load was one that trades."""
        with psycopg.connect(self._database_url, autocommit=True) as connection:
            rows = connection.execute(
                "SELECT state || coalesce(' ' || reason_code, ''), count(*) FROM signals GROUP BY 1 ORDER BY 2 DESC"
            ).fetchall()
        return dict(rows)

    def _look_at_alerts(self, alerts: list[dict[str, Any]]) -> None:
        for alert in alerts:
            if alert["alert_id"] not in self._told_alerts:
                self._told_alerts.add(alert["alert_id"])
                self._seen.blame(f"alert open: {alert['component']} {alert['status']}: {alert['cause']}")

    def _look_at_processes(self) -> None:
        now = self._read_pids()
        for name in sorted(self._pids.keys() | now.keys()):
            if self._pids.get(name) != now.get(name):
                self._seen.blame(f"{name} is another process: {self._pids.get(name)} -> {now.get(name)}")
        self._pids = now

    def _read_pids(self) -> dict[str, int]:
        record = read_record(self._state / "run" / "system.json")
        assert record is not None
        return {each.name: each.identity.pid for each in record.processes if each.identity}


def watch(running: RunningSystem, seen: Seen, *, seconds: float, rate: float) -> Watcher:
    """Look for that long, under that many signals a second."""
    watcher = Watcher(running, seen)
    began = time.monotonic()
    wait_until(watcher.is_ready, seconds=READY_SECONDS_MAX, what="/ready to say 200 for the first time")
    print(f"ready {time.monotonic() - began:.1f} s after the processes were", flush=True)
    ends = time.monotonic() + seconds
    tell_at = time.monotonic() + TELL_SECONDS
    with Load(running, seen, per_second=rate):
        while time.monotonic() < ends:
            due = time.monotonic() + LOOK_SECONDS
            watcher.look()
            if time.monotonic() >= tell_at:
                tell_at += TELL_SECONDS
                print(f"{datetime.now(UTC):%H:%M:%S} {_so_far(seen)}", flush=True)
            time.sleep(max(0.0, min(due, ends) - time.monotonic()))
    watcher.kept_alerts()
    return watcher


def _so_far(seen: Seen) -> str:
    signals, load = sum(seen.verdicts.values()), os.getloadavg()[0]
    return f"{seen.looks} looks, {signals} signals, {len(seen.wrong)} wrong, load {load:.1f}"


def _milliseconds(seconds: list[float]) -> str:
    if len(seconds) < 2:
        return "not measured"
    cuts = statistics.quantiles(seconds, n=1000, method="inclusive")
    return f"p50 {1e3 * cuts[499]:.1f}, p99 {1e3 * cuts[989]:.1f}, most {1e3 * max(seconds):.1f} ms"


def report(seen: Seen, outcomes: Mapping[str, int]) -> None:
    """Everything seen, wrong or not."""
    print(_so_far(seen))
    print(f"looks:   {_milliseconds(seen.look_seconds)} for /ready and /health together")
    print(f"signals: {_milliseconds(seen.post_seconds)}; {dict(seen.verdicts)}")
    for name, count in outcomes.items():
        print(f"  {count:6} {name}")
    print("components not OK, in looks:" + ("" if seen.not_ok_looks else " none"))
    for name, count in seen.not_ok_looks.most_common():
        print(f"  {count:6} {name}: {seen.causes[name]}")
    print(f"{len(seen.wrong)} wrong" + ("" if seen.wrong else ": no alert, always ready"))
    for line in seen.wrong[:EVIDENCE_MAX]:
        print(f"  {line}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=5.0, help="signals a second")
    parser.add_argument("--market", default="seed:7")
    options = parser.parse_args()
    seen = Seen()
    with short_directory() as folder, System.of_checkout(folder / "state").up("--market", options.market) as running:
        watcher = watch(running, seen, seconds=60 * options.minutes, rate=options.rate)
        report(seen, watcher.outcomes())
    return 1 if seen.wrong else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
