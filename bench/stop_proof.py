"""Sixteen workers under a flood, tripped at random moments while things die: after the acknowledgement nothing enters.

Boots a whole system with a paper exchange, adds two worker processes to its own, and trips the emergency stop again and
again: with nothing wrong, with an exchange that holds requests back, with Redis dead, with Postgres dead, with a worker
frozen between its durable attempt and the wire that is woken after the acknowledgement, and with every process killed
after the trip. The exchange's own ledger judges: an entry that it accepted or traded between an acknowledgement and
the next arming breaks the proof. Run:
`python -m bench.stop_proof --trips 200 [--seed N] [--first I | --cases 23,61] [--json]`; exit code 0 when it holds. A
case that cannot be carried to its end counts as broken; the system is brought to rest and the next case is played.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from app.chaos.arena import Arena, ArenaError, open_arena
from app.chaos.flood import Flood
from app.chaos.look import look_until_rest
from app.chaos.promises import Ledger, Promise, check_promises
from app.chaos.schedule import EXCHANGE_FAULTS
from bench.stop_cases import Case, Kind, case_of
from bench.stop_fleet import Fleet, held_down, open_fleet

REASON = "chaos"  # as every trip of an arena
IN_FLIGHT_MAX = 32
FLOW_SECONDS_MAX = 45.0
FREEZE_SECONDS_MAX = 10.0
SAFE_SECONDS_MAX = 150.0  # a flatten without Redis may have to wait for the next minute of its order budget
ARMED_SECONDS_MAX = 150.0  # longer than the minute after which an exhausted rate budget is whole again
REST_SECONDS_MAX = 90.0
BROKEN_MAX = 10  # then something is wrong with more than a case
POLL_SECONDS = 0.05
WATCH_SECONDS = 0.7  # under the flood, after the acknowledgement
WATCH_AFTER_WAKING_SECONDS = 3.0  # longer than a request is valid for
FREEZABLE = "worker-orders"
SLOW_KINDS = ("delay_reply", "delay_acceptance", "drop_reply", "timeout", "query_lag")


Stop = Mapping[str, Any]  # as `GET /api/ess` tells it


class BrokenError(Exception):
    """A case could not go on; the text says what did not come."""


@dataclass(slots=True, kw_only=True)
class Trip:
    """What one case did. Moments are the system's own; `asked_at` is when the operator first asked."""

    case: Case
    asked_at: datetime
    tripped_at: datetime
    safe_at: datetime
    flat_at: datetime | None
    armed_at: datetime
    tries: int  # how often the trip had to be asked for
    mid_send: str | None = None  # the attempt that a frozen worker held while the stop was acknowledged
    in_flight: int = 0  # attempts without an answer at the moment of the trip
    not_flat: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)  # entries after the acknowledgement: must be none
    last_entry_seconds: float = 0.0  # from the trip until the exchange took the last entry

    @property
    def holds(self) -> bool:
        """Whether stopped meant stopped."""
        return not self.late and not self.not_flat

    @property
    def seconds(self) -> Mapping[str, float | None]:
        """The latencies of this trip."""
        return {
            "tripped": (self.tripped_at - self.asked_at).total_seconds(),
            "no new entry": self.last_entry_seconds,
            "safe": (self.safe_at - self.tripped_at).total_seconds(),
            "flat": None if self.flat_at is None else (self.flat_at - self.tripped_at).total_seconds(),
        }


@dataclass(slots=True, kw_only=True)
class Proof:
    """Every trip, the promises at the end, and what came in between by itself."""

    seed: int
    trips: list[Trip] = field(default_factory=list)
    broken: dict[int, str] = field(default_factory=dict)  # cases that did not come to their end, and why
    promises: Sequence[Promise] = ()
    by_itself: list[str] = field(default_factory=list)
    problem: str | None = None
    seconds: float = 0.0
    load: tuple[float, float] = (0.0, 0.0)  # of the machine, one minute's average, before and after

    @property
    def holds(self) -> bool:
        """Whether every trip and every promise held."""
        each = [trip.holds for trip in self.trips] + [promise.holds for promise in self.promises]
        return self.problem is None and not self.broken and bool(self.trips) and all(each)


class Prover:
    """Plays cases on one arena."""

    def __init__(self, arena: Arena, fleet: Fleet, proof: Proof, per_second: float) -> None:
        self._arena = arena
        self._fleet = fleet
        self._proof = proof
        self._per_second = per_second
        self.promised: list[str] = []  # signals that got a 202

    def play(self, case: Case) -> Trip:
        """From flowing entries through one trip to an armed stop."""
        with contextlib.ExitStack() as faults:
            flood = self._flood(case)
            faults.callback(flood.stop)
            self._wait_flowing()
            time.sleep(case.flow_seconds)
            release = self._begin_fault(case, faults)
            faults.callback(release)  # also when the case breaks; a second time it changes nothing
            if case.lead_seconds > 0:
                time.sleep(case.lead_seconds)
            trip = self._trip(case)
            if case.kind is Kind.RESTART:
                self._restart()
            self._late_fault(case)
            stop = self._wait_stop("safe", lambda seen: bool(seen["safe"]), SAFE_SECONDS_MAX)
            trip.safe_at = datetime.fromisoformat(stop["safe_at"])
            steps = {each["step"]: each["at"] for each in stop["steps"]}
            trip.flat_at = datetime.fromisoformat(steps["flat"]) if case.flatten else None
            trip.mid_send = release()
            time.sleep(WATCH_AFTER_WAKING_SECONDS if trip.mid_send else WATCH_SECONDS)
            if case.flatten:
                trip.not_flat = [f"{name} {quantity}" for name, quantity in self._arena.ledger().positions().items()]
        self._arena.heal_exchange()
        trip.armed_at = self._arm()
        return trip

    def _flood(self, case: Case) -> Flood:
        """A flood of the case's own: between the cases the exchange's rate limits recover."""
        flood = Flood(
            base_url=self._arena.urls["web"],
            token=self._arena.token,
            seed=self._proof.seed * 1_000_000 + case.number,
            per_second=self._per_second,
        )
        flood.promised = self.promised
        flood.start()
        return flood

    def recover(self) -> None:
        """After a case that broke: nothing is wrong any more and the stop is armed, or `BrokenError`."""
        self._arena.heal_exchange()
        self._fleet.replace_dead()
        self._arm()

    # ---------------------------------------------------------------------------------------------- faults

    def _begin_fault(self, case: Case, faults: contextlib.ExitStack) -> Callable[[], str | None]:
        """What goes wrong before the trip; the answer ends it once the trip is safe, and tells whom it held."""
        if case.kind is Kind.SLOW_EXCHANGE:
            slow = [rule for rule in EXCHANGE_FAULTS if rule["kind"] in SLOW_KINDS]
            self._arena.add_exchange_fault({**slow[case.draw % len(slow)], "seed": case.draw})
        elif case.kind is Kind.REDIS_DEAD:
            faults.enter_context(held_down(self._arena, "redis", signal.SIGKILL))
        elif case.kind is Kind.POSTGRES_DEAD and case.lead_seconds > 0:
            threading.Thread(target=self._postgres_away, args=(case,), daemon=True).start()
        elif case.kind is Kind.FROZEN_MID_SEND:
            return self._freeze_mid_send(case)
        elif case.kind is Kind.FROZEN:
            return self._freeze()
        return lambda: None

    def _late_fault(self, case: Case) -> None:
        if case.kind is Kind.POSTGRES_DEAD and case.lead_seconds <= 0:
            self._postgres_away(case)

    def _postgres_away(self, case: Case) -> None:
        with held_down(self._arena, "postgres", signal.SIGQUIT):  # the server's own immediate stop: a crash
            time.sleep(case.held_seconds)

    def _freeze_mid_send(self, case: Case) -> Callable[[], str | None]:
        worker = self._fleet.workers[case.draw % len(self._fleet.workers)]
        worker.ask_to_freeze()
        deadline = time.monotonic() + FREEZE_SECONDS_MAX
        while not worker.is_frozen:
            if time.monotonic() > deadline:
                worker.wake()
                raise BrokenError("no worker came to a send in which it could freeze")
            time.sleep(POLL_SECONDS)

        def wake() -> str | None:
            held = worker.frozen_in
            worker.wake()
            return held

        return wake

    def _freeze(self) -> Callable[[], str | None]:
        self._arena.send_signal(FREEZABLE, signal.SIGSTOP)

        def wake() -> str | None:
            self._arena.send_signal(FREEZABLE, signal.SIGCONT)
            return "wherever it was"

        return wake

    def _restart(self) -> None:
        self._fleet.stop()
        self._arena.kill_everything()
        self._arena.start_again()
        self._fleet.start()

    # ---------------------------------------------------------------------------------------------- steps

    def _trip(self, case: Case) -> Trip:
        asked_at = datetime.now(UTC)
        deadline = time.monotonic() + SAFE_SECONDS_MAX
        tries = 1
        while not self._arena.trip(flatten=case.flatten):
            if time.monotonic() > deadline:
                raise BrokenError("the trip was not taken")
            tries += 1
            time.sleep(POLL_SECONDS)
        stop = self._wait_stop("tripped", lambda seen: seen["tripped_at"] is not None, SAFE_SECONDS_MAX)
        tripped_at = datetime.fromisoformat(stop["tripped_at"])
        return Trip(
            case=case,
            asked_at=min(asked_at, tripped_at),
            tripped_at=tripped_at,
            safe_at=tripped_at,
            flat_at=None,
            armed_at=tripped_at,
            tries=tries,
        )

    def _wait_flowing(self) -> None:
        """Entries reach the exchange; a stop that tripped by itself meanwhile is noted, carried through and reset."""
        began = datetime.now(UTC)
        deadline = time.monotonic() + FLOW_SECONDS_MAX
        while time.monotonic() < deadline:
            newest = self._get("/api/orders?limit=1")
            items = [] if newest is None else newest["items"]
            if items and datetime.fromisoformat(items[0]["created_at"]) > began:
                return
            stop = self._arena.ess()
            if stop is not None and stop["state"] != "ARMED":
                self._proof.by_itself.append(str(stop["trip_reason"]))
                self._arm()
            time.sleep(POLL_SECONDS)
        raise BrokenError(f"no entry was made within {FLOW_SECONDS_MAX:g} s; stop: {self._arena.ess()}")

    def _wait_stop(
        self, what: str, condition: Callable[[Mapping[str, Any]], bool], seconds: float
    ) -> Mapping[str, Any]:
        deadline = time.monotonic() + seconds
        stop = self._arena.ess()
        while stop is None or not condition(stop):
            if time.monotonic() > deadline:
                raise BrokenError(f"not {what} within {seconds:g} s: {stop}")
            time.sleep(POLL_SECONDS)
            stop = self._arena.ess()
        return stop

    def _arm(self) -> datetime:
        """Reset and cooled down; the moment since which entries are permitted again."""
        deadline = time.monotonic() + ARMED_SECONDS_MAX
        while True:
            stop = self._arena.ess()
            if stop is not None and stop["state"] == "ARMED":
                return datetime.fromisoformat(stop["updated_at"])
            if stop is not None and stop["state"] == "TRIPPED" and stop["safe"]:
                self._arena.reset()
            if time.monotonic() > deadline:
                raise BrokenError(f"not armed again within {ARMED_SECONDS_MAX:g} s: {stop}")
            time.sleep(POLL_SECONDS)

    def _get(self, path: str) -> Mapping[str, Any] | None:
        try:
            answer = self._arena.web.get(path)
        except httpx.HTTPError:
            return None
        return answer.json() if answer.status_code == 200 else None


def prove(
    *,
    seed: int,
    numbers: Sequence[int],
    per_second: float,
    with_restart: bool,
    keep: bool,
    tell: Callable[[str], None],
) -> Proof:
    """Play the cases of the seed that have these numbers on a system of their own, and judge them."""
    proof = Proof(seed=seed)
    began = time.monotonic()
    load_before = psutil.getloadavg()[0]
    with open_arena(seed=seed, keep=keep, settings={"QT_MAX_SIGNALS_IN_FLIGHT": str(IN_FLIGHT_MAX)}) as arena:
        tell(f"system in {arena.state}, ready after {time.monotonic() - began:.0f} s")
        with open_fleet(arena) as fleet:
            prover = Prover(arena, fleet, proof, per_second)
            try:
                for number in numbers:
                    _play(prover, case_of(seed, number, with_restart=with_restart), proof, tell)
                    if len(proof.broken) >= BROKEN_MAX:
                        raise BrokenError(f"{BROKEN_MAX} cases broken, the rest is not played")
            except (BrokenError, ArenaError, httpx.HTTPError, KeyboardInterrupt) as error:
                proof.problem = f"after {len(proof.trips)} trips: {error!r}"
            arena.heal_exchange()
            # The market goes on, and protective orders follow it: both records are of one moment, or judged wrongly.
            books, ledger, restless = look_until_rest(arena.books, arena.ledger, seconds=REST_SECONDS_MAX)
        proof.problem = proof.problem or restless
        judge(proof.trips, ledger)
        if restless is None:
            proof.promises = check_promises(books, ledger, promised_signals=prover.promised)
    proof.seconds = time.monotonic() - began
    proof.load = (load_before, psutil.getloadavg()[0])
    return proof


def _play(prover: Prover, case: Case, proof: Proof, tell: Callable[[str], None]) -> None:
    """One case; one that breaks is counted, and the system is brought back to an armed stop for the next."""
    try:
        proof.trips.append(prover.play(case))
        tell(_line(proof.trips[-1]))
    except (BrokenError, httpx.HTTPError) as error:
        proof.broken[case.number] = f"{case.kind}{' + flatten' if case.flatten else ''}: {error}"
        tell(f"case {case.number}: BROKEN: {proof.broken[case.number]}")
        prover.recover()


def judge(trips: Sequence[Trip], ledger: Ledger) -> None:
    """Fill in what the exchange's ledger says of each trip."""
    moments = sorted(
        (datetime.fromisoformat(moment), order["client_order_id"])
        for order in ledger.ours()
        if not order["reduce_only"]
        # A request that waited at the exchange came before it was accepted: its trades tell when that was.
        for moment in (order["received_at"], *(fill["at"] for fill in order["fills"]))
    )
    for trip in trips:
        between = [(at, name) for at, name in moments if trip.tripped_at < at < trip.armed_at]
        before = [at for at, _ in between if at <= trip.safe_at]
        trip.last_entry_seconds = max(((at - trip.tripped_at).total_seconds() for at in before), default=0.0)
        trip.late = [f"{name} at {at.isoformat()}" for at, name in between if at > trip.safe_at]


def _line(trip: Trip) -> str:
    seconds = ", ".join(f"{name} {value:.2f}" for name, value in trip.seconds.items() if value is not None)
    held = f", held {trip.mid_send}" if trip.mid_send else ""
    return f"case {trip.case.number}: {trip.case.kind}{' + flatten' if trip.case.flatten else ''}: {seconds}{held}"


# ------------------------------------------------------------------------------------------------ report


def at_share(values: Sequence[float], share: float) -> float:
    """The value below which that share of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def print_proof(proof: Proof, console: Console) -> None:
    """The table of cases and latencies, the promises, and what went wrong."""
    by_kind: dict[str, list[Trip]] = defaultdict(list)
    for trip in proof.trips:
        by_kind[trip.case.kind].append(trip)
    names = ("tripped", "no new entry", "safe", "flat")
    title = f"seed {proof.seed}: {len(proof.trips)} trips; seconds after the trip (its own: after being asked for)"
    table = Table("while", "trips", "late entries", *(f"{name} p50 / p95 / max" for name in names), title=title)
    for kind, trips in [*by_kind.items(), ("all", proof.trips)]:
        late = sum(len(trip.late) + len(trip.not_flat) for trip in trips)
        cells = []
        for name in names:
            values = [value for trip in trips if (value := trip.seconds[name]) is not None]
            cells.append(
                f"{at_share(values, 0.5):.2f} / {at_share(values, 0.95):.2f} / {max(values):.2f}" if values else "-"
            )
        table.add_row(kind, str(len(trips)), f"[{'red' if late else 'green'}]{late}[/]", *cells)
    console.print(table)
    for promise in proof.promises:
        console.print(f"{promise.name}: {promise.checked:,} checked, {len(promise.violations)} broken")
        for violation in promise.violations[:5]:
            console.print(f"  [red]{violation}[/]")
    for trip in proof.trips:
        for line in (*trip.late, *trip.not_flat):
            console.print(f"[red]case {trip.case.number} ({trip.case.kind}): {line}[/]")
    for number, why in proof.broken.items():
        console.print(f"[red]case {number} BROKEN: {why}[/]")
    for reason in proof.by_itself:
        console.print(f"tripped by itself: {reason}")
    held = sum(trip.mid_send is not None for trip in proof.trips)
    console.print(f"{held} trips were acknowledged while a worker was frozen; it was woken afterwards")
    console.print(f"{proof.seconds / 60:.1f} min; load of the machine {proof.load[0]:.1f}, then {proof.load[1]:.1f}")
    if proof.problem:
        console.print(f"[red]{proof.problem}[/]")
    console.print("[green]holds[/]" if proof.holds else "[red]BROKEN[/]")


def as_json(proof: Proof) -> Mapping[str, Any]:
    """Everything, for machines."""
    return {
        "seed": proof.seed,
        "holds": proof.holds,
        "problem": proof.problem,
        "broken": {str(number): why for number, why in proof.broken.items()},
        "seconds": proof.seconds,
        "load": proof.load,
        "by_itself": proof.by_itself,
        "trips": [
            {**asdict(trip.case), "seconds": trip.seconds, "late": trip.late, "not_flat": trip.not_flat}
            | {"mid_send": trip.mid_send, "tries": trip.tries}
            for trip in proof.trips
        ],
        "promises": {each.name: {"checked": each.checked, "violations": each.violations} for each in proof.promises},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trips", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the number of the first case, to run some again")
    parser.add_argument("--cases", help="these cases alone, by their numbers, e.g. 23,61")
    parser.add_argument("--rate", type=float, default=20.0, help="signals a second")
    parser.add_argument("--without-restart", action="store_true", help="kill no whole system")
    parser.add_argument("--keep", action="store_true", help="keep the state directory, logs and all")
    parser.add_argument("--json", action="store_true", help="the report as one JSON object")
    asked = parser.parse_args()
    # Also when it was started in the background, or is told to end: the system under test goes with it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    proof = prove(
        seed=asked.seed,
        numbers=(
            [int(number) for number in asked.cases.split(",")]
            if asked.cases
            else range(asked.first, asked.first + asked.trips)
        ),
        per_second=asked.rate,
        with_restart=not asked.without_restart,
        keep=asked.keep,
        tell=lambda line: print(line, file=sys.stderr, flush=True),
    )
    if asked.json:
        print(json.dumps(as_json(proof)))
    else:
        print_proof(proof, Console(width=160))
    sys.exit(0 if proof.holds else 1)


if __name__ == "__main__":
    main()
