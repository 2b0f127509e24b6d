"""Ten minutes of signals while Redis is killed for two of them and Postgres for another two: is anything lost?

A whole system on servers of its own, which are killed with SIGKILL, stay away, and come back with what is on their
disks. Afterwards: every 202 has exactly one row and one end, every event was delivered at least once and applied once,
the events of a signal in their order, and a dashboard was told of every gap. Exit code 0 when all of it holds.
Run: `python -m bench.outage_proof [--seed N] [--rate 50] [--short]` (`--short`: a minute instead of ten).
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg

from app.adapters.postgres import migrate
from app.chaos.arena import Arena, open_arena
from app.chaos.books import Books
from app.chaos.promises import check_promises
from app.domain.events import EventType
from app.domain.signals import SignalState
from bench.outage_witnesses import Dashboard, Health, Producers, Record, StreamReader
from tests.integration.outages.servers import Mortal, mortal_postgres, mortal_valkey
from tests.support.waiting import wait_until

SETTLE_SECONDS_MAX = 180.0
BACK_SECONDS_MAX = 5.0  # from a server that answers again to a system that uses it
NOTICE_SECONDS_MAX = 5.0  # from a kill to health that says so
EVIDENCE_MAX = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """Seconds from the first signal."""

    seconds: float
    redis_away: tuple[float, float]
    postgres_away: tuple[float, float]


LONG = Plan(600.0, (120.0, 240.0), (360.0, 480.0))
SHORT = Plan(60.0, (10.0, 22.0), (34.0, 46.0))


@dataclass(frozen=True, slots=True)
class Outage:
    """When a server was killed and answered again, and how long until the system was at work again (None: never)."""

    name: str
    killed_at: float
    back_at: float
    work_seconds: float | None


@dataclass
class Claim:
    """One line of the table."""

    name: str
    checked: int
    violations: list[str]


def sleep_until(moment: float) -> None:
    """The plan is one of times."""
    time.sleep(max(0.0, moment - time.monotonic()))


def go_through(plan: Plan, producers: Producers, redis: Mortal, postgres: Mortal) -> list[Outage]:
    """Let the producers run and take the servers away, one after the other."""
    began = time.monotonic()
    sending = threading.Thread(target=producers.run, args=(plan.seconds,))
    sending.start()
    outages = []
    for name, server, (begin, end) in (("redis", redis, plan.redis_away), ("postgres", postgres, plan.postgres_away)):
        sleep_until(began + begin)
        killed_at = time.monotonic()
        server.kill()
        print(f"{killed_at - began:6.1f} s  {name} killed, {len(producers.promised):,} promised so far", flush=True)
        sleep_until(began + end)
        server.start_again()
        back_at = time.monotonic()
        work_seconds = first_work_after(producers, back_at)
        print(f"{back_at - began:6.1f} s  {name} answers again; at work after {work_seconds} s", flush=True)
        outages.append(Outage(name, killed_at, back_at, work_seconds))
    sending.join()
    return outages


def first_work_after(producers: Producers, back_at: float) -> float | None:
    """Seconds until a signal was stored and ranked again: what needs both servers."""

    def ranked() -> list[float]:
        return [at for at, verdict, took in list(producers.answers) if verdict in RANKED and at - took > back_at]

    try:
        return round(min(wait_until(ranked, seconds=60, what="work to go on")) - back_at, 2)
    except AssertionError:
        return None


RANKED = ("QUEUED", "REPLACED", "DROPPED")


def every_202_ends_once(producers: Producers, books: Books) -> Claim:
    """One row (signal_id is unique in the table) and one terminal state."""
    violations = [f"{name} has no row" for name in producers.promised if name not in books.signals]
    violations += [
        f"{name} is {row.state}, reason {row.reason_code}"
        for name, row in books.signals.items()
        if not SignalState(row.state).is_terminal or not row.reason_code
    ]
    return Claim("every 202 has one row and one end with a reason", len(producers.promised), violations)


def every_event_is_delivered(record: Record, reader: StreamReader) -> Claim:
    missing = [f"{each.type} of {each.signal_id}" for name, each in record.events.items() if name not in reader.applied]
    return Claim("every event committed was delivered", len(record.events), missing)


def every_signal_is_told(books: Books, record: Record, reader: StreamReader) -> Claim:
    """Beside our own record: each row of a signal was received once and decided once, as the reader saw it."""
    violations = []
    for name in books.signals:
        seen = [record.events[each] for each in reader.by_signal.get(name, []) if each in record.events]
        received = sum(each.type == EventType.SIGNAL_RECEIVED for each in seen)
        ended = sum(each.type == EventType.SIGNAL_DECIDED and SignalState(str(each.state)).is_terminal for each in seen)
        if (received, ended) != (1, 1):
            violations.append(f"{name}: received {received} times, ended {ended} times")
    return Claim("every signal was told received once and ended once", len(books.signals), violations)


def every_end_is_applied_once(database_url: str) -> Claim:
    """What the consumer group counted, against the signals themselves."""
    with psycopg.connect(database_url) as connection:
        counted = dict(connection.execute("SELECT (strategy, state)::text, signals FROM strategy_outcomes").fetchall())
        ended = dict(
            connection.execute(
                "SELECT (strategy, state)::text, count(*) FROM signals GROUP BY strategy, state"
            ).fetchall()
        )
    violations = [
        f"{key}: counted {counted.get(key, 0)}, there are {ended.get(key, 0)}"
        for key in sorted({*counted, *ended})
        if counted.get(key, 0) != ended.get(key, 0)
    ]
    return Claim("every end was applied once by its consumer", sum(ended.values()), violations)


def order_is_kept(record: Record, reader: StreamReader) -> Claim:
    """First deliveries of a signal's events come in the order in which they were committed."""
    violations, checked = [], 0
    for signal_id, ids in reader.by_signal.items():
        if signal_id == "None":
            continue
        numbers = [record.events[each].number for each in ids if each in record.events]
        checked += len(numbers)
        if numbers != sorted(numbers):
            violations.append(f"{signal_id}: {[record.events[each].type for each in ids]}")
    return Claim("the events of a signal came in their order", checked, violations)


def health_told(health: Health, outages: list[Outage]) -> Claim:
    """During each outage not ready, the server CRITICAL with a cause and what waits DEGRADED; nothing of it before."""
    waits = {"redis": "event_buffer", "postgres": "signal_spool"}
    violations, checked = [], 0
    for outage in outages:
        begin, end = outage.killed_at + NOTICE_SECONDS_MAX, outage.back_at
        wanted = {outage.name: "CRITICAL", waits[outage.name]: "DEGRADED"}
        for component, status in wanted.items():
            found = health.components[component].between(begin, end)
            checked += len(found)
            violations += [f"{component} {each[0]}: {each[1]}" for each in found if each[0] != status or not each[1]]
            if not found:
                violations.append(f"nothing heard of {component} while {outage.name} was away")
        ready = [code for at, code in health.ready if begin <= at <= end]
        violations += [f"ready answered {code} while {outage.name} was away" for code in set(ready) if code != 503]
    return Claim("health said so, with the cause", checked, violations)


def back_in_time(outages: list[Outage]) -> Claim:
    late = [f"{each.name}: {each.work_seconds} s" for each in outages if (each.work_seconds or 999) > BACK_SECONDS_MAX]
    return Claim(f"at work within {BACK_SECONDS_MAX:g} s of recovery", len(outages), late)


def claims(
    arena: Arena, producers: Producers, record: Record, reader: StreamReader, dashboard: Dashboard, health: Health,
    outages: list[Outage],
) -> list[Claim]:  # fmt: skip
    books = arena.books()
    return [
        every_202_ends_once(producers, books),
        every_event_is_delivered(record, reader),
        every_signal_is_told(books, record, reader),
        every_end_is_applied_once(arena.connection["database_url"]),
        order_is_kept(record, reader),
        Claim("the dashboard was told of every gap", dashboard.frames, dashboard.untold),
        health_told(health, outages),
        back_in_time(outages),
        *(
            Claim(each.name, each.checked, each.violations)
            for each in check_promises(books, arena.ledger(), promised_signals=list(producers.promised))
        ),
    ]


def prove(plan: Plan, *, seed: int, rate: float) -> list[Claim]:
    with mortal_postgres() as postgres, mortal_valkey() as redis:
        migrate(postgres.url)
        urls: Mapping[str, str] = {"QT_DATABASE_URL": postgres.url, "QT_REDIS_URL": redis.url}
        with open_arena(seed=seed, settings=urls, small_disk=False) as arena:
            producers = Producers(base_url=arena.urls["web"], token=arena.token, seed=seed, per_second=rate)
            record, reader = Record(postgres.url), StreamReader(redis.url)
            dashboard = Dashboard(url=arena.urls["web"], token=arena.token)
            health = Health(arena.urls["health"])
            witnesses = (record, reader, dashboard, health)
            for each in witnesses:
                each.start()
            outages = go_through(plan, producers, redis, postgres)
            wait_until(lambda: arena.books().under_way() is None, seconds=SETTLE_SECONDS_MAX, what="all to be at rest")
            caught_up_by = time.monotonic() + SETTLE_SECONDS_MAX
            while time.monotonic() < caught_up_by and (
                every_event_is_delivered(record, reader).violations
                or every_end_is_applied_once(postgres.url).violations
            ):
                time.sleep(1.0)
            for each in witnesses:
                each.stop()
            tell(producers, reader, dashboard, outages)
            return claims(arena, producers, record, reader, dashboard, health, outages)


def tell(producers: Producers, reader: StreamReader, dashboard: Dashboard, outages: list[Outage]) -> None:
    """The figures beside the claims."""
    seconds = sorted(took for _, _, took in producers.answers)
    print(f"sent {producers.sent:,}, answers {dict(producers.verdicts.most_common())}")
    print(
        f"answered in {1000 * statistics.median(seconds):.0f} ms (median),"
        f" {1000 * seconds[int(0.99 * len(seconds))]:.0f} ms (99 %), {1000 * seconds[-1]:.0f} ms (longest)"
    )
    for each in outages:
        print(f"{each.name}: away for {each.back_at - each.killed_at:.1f} s, at work again after {each.work_seconds} s")
    print(
        f"stream: {reader.deliveries:,} deliveries of {len(reader.applied):,} events, {reader.jumps} jumps; dashboard:"
        f" {dashboard.frames:,} frames, {dashboard.events:,} events, {dashboard.dropped:,} counted as dropped,"
        f" told {dict(dashboard.told)}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=50.0, help="signals a second")
    parser.add_argument("--short", action="store_true", help="a minute instead of ten")
    given = parser.parse_args()
    load = os.getloadavg()[0]
    found = prove(SHORT if given.short else LONG, seed=given.seed, rate=given.rate)
    print(f"load average {load:.1f} before, {os.getloadavg()[0]:.1f} after, {os.cpu_count()} cores\n")
    width = max(len(each.name) for each in found)
    print(f"{'claim':<{width}}  {'checked':>8}  broken")
    for each in found:
        print(f"{each.name:<{width}}  {each.checked:>8,}  {len(each.violations):>6}")
        for violation in each.violations[:EVIDENCE_MAX]:
            print(f"    {violation}")
    return 1 if any(each.violations for each in found) else 0


if __name__ == "__main__":
    sys.exit(main())
