"""Ten minutes of signals while Redis is killed for two of them and Postgres for another two: is anything lost?

A whole system on servers of its own, which are killed with SIGKILL, stay away, and come back with what is on their
disks; Redis once more, and then with nothing. Afterwards: every 202 has exactly one row and one end, every event was
delivered at least once and applied once, the events of a signal in their order, a dashboard was told of every gap, and
what an empty Redis had forgotten was told again. Exit code 0 when all of it holds and the pace was kept.
Run: `python -m bench.outage_proof [--seed N] [--rate 50] [--short] [--keep-redis]` (`--short`: one minute, not ten).
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import psycopg

from app.adapters.postgres import migrate
from app.chaos.arena import Arena, open_arena
from app.chaos.books import Books
from app.chaos.look import look_until_rest
from app.chaos.promises import check_promises
from app.domain.events import EventType
from app.domain.signals import SignalState
from app.services.mend_events import RECALL_SECONDS
from bench.outage_witnesses import (
    Dashboard,
    Follower,
    GroupReader,
    Health,
    Processors,
    Producers,
    Record,
    StreamReader,
)
from tests.integration.outages.servers import Mortal, mortal_postgres, mortal_valkey
from tests.support.waiting import wait_until

SETTLE_SECONDS_MAX = 180.0
BACK_SECONDS_MAX = 5.0  # from a server that answers again to a system that uses it
NOTICE_SECONDS_MAX = 5.0  # from a kill to health that says so
EVIDENCE_MAX = 3


LATE_SECONDS_MAX = 0.5  # what is posted later than that after its time was not posted in time
LATE_SHARE_MAX = 0.01
NOTICING_SECONDS = 3.0  # phases of an outage that are told apart: until all have noticed it, and
RETURNING_SECONDS = 5.0  # until all have noticed that it is over
TOLD_AGAIN_SECONDS = RECALL_SECONDS - 15.0  # what was delivered so long before an empty Redis came back comes again


@dataclass(frozen=True, slots=True)
class Absence:
    """Seconds from the first signal; `is_wiped`: the server's files are removed while it is away."""

    server: str
    begin: float
    end: float
    is_wiped: bool = False

    @property
    def name(self) -> str:
        return f"{self.server} (emptied)" if self.is_wiped else self.server


@dataclass(frozen=True, slots=True)
class Plan:
    """Seconds from the first signal."""

    seconds: float
    absences: tuple[Absence, ...]


LONG = Plan(
    600.0, (Absence("redis", 120, 240), Absence("redis", 300, 310, is_wiped=True), Absence("postgres", 360, 480))
)
SHORT = Plan(66.0, (Absence("redis", 8, 20), Absence("redis", 30, 34, is_wiped=True), Absence("postgres", 42, 54)))


@dataclass(frozen=True, slots=True)
class Outage:
    """When a server was killed and answered again, and how long until the system was at work again (None: never)."""

    absence: Absence
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
    for each in plan.absences:
        server = {"redis": redis, "postgres": postgres}[each.server]
        sleep_until(began + each.begin)
        killed_at = time.monotonic()
        server.kill()
        if each.is_wiped:
            server.wipe()
        print(f"{killed_at - began:6.1f} s  {each.name} killed, {len(producers.promised):,} promised", flush=True)
        sleep_until(began + each.end)
        server.start_again()
        back_at = time.monotonic()
        work_seconds = first_work_after(producers, back_at)
        print(f"{back_at - began:6.1f} s  {each.name} answers again; at work after {work_seconds} s", flush=True)
        outages.append(Outage(each, killed_at, back_at, work_seconds))
    sending.join()
    return outages


def first_work_after(producers: Producers, back_at: float) -> float | None:
    """Seconds until a signal was stored and ranked again: what needs both servers."""

    def ranked() -> list[float]:
        return [each.ended_at for each in list(producers.answers) if each.verdict in RANKED and each.began_at > back_at]

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


def every_event_is_delivered(record: Record, reader: Follower, to: str) -> Claim:
    missing = [
        f"{each.type} of {each.signal_id}" for name, each in record.events.items() if name not in reader.first_at
    ]
    return Claim(f"every event committed was delivered to {to}", len(record.events), missing)


def what_was_forgotten_is_told_again(reader: Follower, outage: Outage) -> Claim:
    """What was delivered shortly before a Redis was killed that came back empty is delivered once more."""
    begin = outage.back_at - TOLD_AGAIN_SECONDS
    forgotten = [name for name, at in reader.first_at.items() if begin <= at <= outage.killed_at]
    again = {name for at, name in reader.deliveries if at > outage.back_at}
    missing = [name for name in forgotten if name not in again]
    if not forgotten:
        missing = ["nothing was delivered before the kill: nothing could be forgotten"]
    return Claim("what an empty Redis had forgotten was told again", len(forgotten), missing)


def the_pace_was_kept(producers: Producers, rate: float) -> Claim:
    """Else less was proved than the rate says."""
    late = sorted(
        (each.late_seconds for each in producers.answers if each.late_seconds > LATE_SECONDS_MAX), reverse=True
    )
    is_kept = len(late) <= LATE_SHARE_MAX * producers.sent
    violations = [] if is_kept else [f"posted {seconds:.1f} s after its time" for seconds in late]
    return Claim(
        f"{rate:g} a second, 99 % posted within {LATE_SECONDS_MAX:g} s of their time", producers.sent, violations
    )


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


def order_is_kept(record: Record, reader: Follower, to: str) -> Claim:
    """First deliveries of a signal's events come in the order in which they were committed."""
    violations, checked = [], 0
    for signal_id, ids in reader.by_signal.items():
        if signal_id == "None":
            continue
        numbers = [record.events[each].number for each in ids if each in record.events]
        checked += len(numbers)
        if numbers != sorted(numbers):
            violations.append(f"{signal_id}: {[record.events[each].type for each in ids]}")
    return Claim(f"the events of a signal came in their order to {to}", checked, violations)


def health_told(health: Health, outages: list[Outage]) -> Claim:
    """During each outage not ready, the server CRITICAL with a cause and what waits DEGRADED; nothing of it before."""
    waits = {"redis": "event_buffer", "postgres": "signal_spool"}
    violations, checked = [], 0
    for outage in outages:
        begin, end = outage.killed_at + NOTICE_SECONDS_MAX, outage.back_at
        server = outage.absence.server
        if end - begin < 1.0:
            continue  # over before health had to say so
        wanted = {server: "CRITICAL", waits[server]: "DEGRADED"}
        for component, status in wanted.items():
            found = health.components[component].between(begin, end)
            checked += len(found)
            violations += [f"{component} {each[0]}: {each[1]}" for each in found if each[0] != status or not each[1]]
            if not found:
                violations.append(f"nothing heard of {component} while {server} was away")
        ready = [code for at, code in health.ready if begin <= at <= end]
        violations += [f"ready answered {code} while {server} was away" for code in set(ready) if code != 503]
    return Claim("health said so, with the cause", checked, violations)


def back_in_time(outages: list[Outage]) -> Claim:
    late = [
        f"{each.absence.name}: {each.work_seconds} s"
        for each in outages
        if each.work_seconds is None or each.work_seconds > BACK_SECONDS_MAX
    ]
    return Claim(f"at work within {BACK_SECONDS_MAX:g} s of recovery", len(outages), late)


def claims(
    arena: Arena, rate: float, producers: Producers, record: Record, reader: StreamReader, group: GroupReader,
    dashboard: Dashboard, health: Health, outages: list[Outage],
) -> list[Claim]:  # fmt: skip
    books, ledger, why = look_until_rest(arena.books, arena.ledger, seconds=SETTLE_SECONDS_MAX)
    if why is not None:
        raise TimeoutError(f"not at rest within {SETTLE_SECONDS_MAX:g} s: {why}")
    return [
        every_202_ends_once(producers, books),
        every_event_is_delivered(record, reader, "a reader"),
        every_event_is_delivered(record, group, "a consumer group"),
        every_signal_is_told(books, record, reader),
        every_end_is_applied_once(arena.connection["database_url"]),
        order_is_kept(record, reader, "a reader"),
        order_is_kept(record, group, "a consumer group"),
        *(what_was_forgotten_is_told_again(reader, each) for each in outages if each.absence.is_wiped),
        Claim("the dashboard was told of every gap", dashboard.frames, dashboard.untold),
        health_told(health, outages),
        back_in_time(outages),
        the_pace_was_kept(producers, rate),
        *(
            Claim(each.name, each.checked, each.violations)
            for each in check_promises(books, ledger, promised_signals=list(producers.promised))
        ),
    ]


def prove(plan: Plan, *, seed: int, rate: float) -> list[Claim]:
    with mortal_postgres() as postgres, mortal_valkey() as redis:
        migrate(postgres.url)
        urls: Mapping[str, str] = {"QT_DATABASE_URL": postgres.url, "QT_REDIS_URL": redis.url}
        with open_arena(seed=seed, settings=urls, small_disk=False) as arena:
            producers = Producers(base_url=arena.urls["web"], token=arena.token, seed=seed, per_second=rate)
            record, reader, group = Record(postgres.url), StreamReader(redis.url), GroupReader(redis.url)
            dashboard = Dashboard(url=arena.urls["web"], token=arena.token)
            health = Health(arena.urls["health"])
            processors = Processors(arena.pids)
            witnesses = (record, reader, group, dashboard, health, processors)
            for each in witnesses:
                each.start()
            outages = go_through(plan, producers, redis, postgres)
            wait_until(lambda: arena.books().under_way() is None, seconds=SETTLE_SECONDS_MAX, what="all to be at rest")
            caught_up_by = time.monotonic() + SETTLE_SECONDS_MAX
            while time.monotonic() < caught_up_by and (
                any(every_event_is_delivered(record, each, "").violations for each in (reader, group))
                or every_end_is_applied_once(postgres.url).violations
            ):
                time.sleep(1.0)
            for each in witnesses:
                each.stop()
            tell(producers, reader, dashboard, processors, outages)
            return claims(arena, rate, producers, record, reader, group, dashboard, health, outages)


def phases(began: float, ended: float, outages: list[Outage]) -> list[tuple[str, float, float]]:
    """Name, begin and end of each part of the proof, in the order of time."""
    begins = [("all well", began)]
    for each in outages:
        name = each.absence.name
        begins += [
            (f"{name} killed, first {NOTICING_SECONDS:g} s", each.killed_at),
            (f"{name} away", each.killed_at + NOTICING_SECONDS),
            (f"{name} back, first {RETURNING_SECONDS:g} s", each.back_at),
            (f"after {name}", each.back_at + RETURNING_SECONDS),
        ]
    # An outage may be over before the next part of it would begin.
    begins = [each for number, each in enumerate(begins) if all(each[1] < later[1] for later in begins[number + 1 :])]
    ends = [*(at for _, at in begins[1:]), ended]
    return [(name, begin, end) for (name, begin), end in zip(begins, ends, strict=True)]


def in_ms(seconds: Sequence[float]) -> str:
    """Median, 99 % and longest."""
    ordered = sorted(seconds)
    picked = (statistics.median(ordered), ordered[int(0.99 * len(ordered))], ordered[-1])
    return " ".join(f"{1000 * each:>7.0f}" for each in picked)


def tell(
    producers: Producers, reader: StreamReader, dashboard: Dashboard, processors: Processors, outages: list[Outage]
) -> None:
    """The figures beside the claims."""
    print(f"sent {producers.sent:,}, answers {dict(producers.verdicts.most_common())}")
    due = [each.due_at for each in producers.answers]
    parts = phases(min(due), max(each.ended_at for each in producers.answers), outages)
    print(f"\n{'milliseconds: median, 99 %, longest':<36}  posts  {'posted late':^23}  {'answered in':^23}  cores used")
    for name, begin, end in [("all", min(due), parts[-1][2]), *parts]:
        found = [each for each in producers.answers if begin <= each.due_at <= end]
        if found:
            late, took = in_ms([each.late_seconds for each in found]), in_ms([each.took_seconds for each in found])
            cores = sorted(processors.cores(begin, end).items(), key=lambda each: -each[1])
            used = f"{sum(each for _, each in cores):5.2f}: " + ", ".join(
                f"{who} {each:.2f}" for who, each in cores[:4]
            )
            print(f"{name:<36} {len(found):>6,}  {late}  {took}  {used}")
    for each in outages:
        away = each.back_at - each.killed_at
        print(f"{each.absence.name}: away for {away:.1f} s, at work again after {each.work_seconds} s")
    print(
        f"stream: {len(reader.deliveries):,} deliveries of {len(reader.first_at):,} events, {reader.jumps} jumps;"
        f" dashboard: {dashboard.frames:,} frames, {dashboard.events:,} events, {dashboard.dropped:,} counted as"
        f" dropped, told {dict(dashboard.told)}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=50.0, help="signals a second")
    parser.add_argument("--short", action="store_true", help="a minute instead of ten")
    parser.add_argument("--keep-redis", action="store_true", help="never let Redis come back empty")
    given = parser.parse_args()
    load = os.getloadavg()[0]
    plan = SHORT if given.short else LONG
    if given.keep_redis:
        plan = replace(plan, absences=tuple(each for each in plan.absences if not each.is_wiped))
    found = prove(plan, seed=given.seed, rate=given.rate)
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
