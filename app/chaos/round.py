"""One round: a flood under the faults of a seed, then healing, then every promise checked."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from app.chaos.arena import Arena
from app.chaos.books import Books
from app.chaos.flood import Flood
from app.chaos.look import look_until_rest
from app.chaos.promises import Ledger, Promise, check_promises
from app.chaos.schedule import Fault, draw

SETTLE_SECONDS_MAX = 90.0
READY_SECONDS_MAX = 60.0
LOOK_SECONDS = 0.5


@dataclass(slots=True)
class Round:
    """What one seed did and found. `injected` counts faults by name, those that did not take are left out; `hit` counts
    how often those at the exchange met a request or an event."""

    seed: int
    promises: Sequence[Promise] = ()
    injected: Counter[str] = field(default_factory=Counter)
    hit: Counter[str] = field(default_factory=Counter)
    promised_signals: int = 0
    orders: int = 0
    settle_seconds: float = 0.0
    problem: str | None = None
    system: str = ""  # whose rounds add up
    seconds: float = 0.0  # all of it

    @property
    def holds(self) -> bool:
        """Whether every promise held and the system came back."""
        return self.problem is None and all(promise.holds for promise in self.promises)


def play(arena: Arena, *, seed: int, seconds: float, per_second: float, tell: Callable[[str], None]) -> Round:
    """Flood, break, heal, wait, compare. Rounds of one arena add up: every promise is about everything so far."""
    result = Round(seed)
    flood = Flood(base_url=arena.urls["web"], token=arena.token, seed=seed, per_second=per_second)
    thaws: list[threading.Timer] = []
    began = time.monotonic()
    flood.start()
    try:
        for fault in draw(seed, seconds=seconds):
            time.sleep(max(0.0, began + fault.at_seconds - time.monotonic()))
            if _inject(arena, fault, thaws):
                result.injected[fault.name] += 1
                tell(str(fault))
        time.sleep(max(0.0, began + seconds - time.monotonic()))
    finally:
        flood.stop()
        for thaw in thaws:
            thaw.join()
    result.hit = _hits(arena)
    arena.heal_exchange()
    result.promised_signals = len(flood.promised)
    books, ledger, result.problem = _come_to_rest(arena, result, tell)
    result.orders = len(ledger.ours())
    result.promises = check_promises(books, ledger, promised_signals=flood.promised)
    if result.problem is None:
        result.problem = _rearm(arena)
    return result


def _hits(arena: Arena) -> Counter[str]:
    """How often the rules in force at the exchange really fired."""
    hits: Counter[str] = Counter()
    for rule in arena.exchange_faults():
        hits[f"exchange: {rule['kind']}"] += int(rule["fired"])
    return hits


def _inject(arena: Arena, fault: Fault, thaws: list[threading.Timer]) -> bool:
    """Do it; whether it took. What it froze thaws by itself."""
    seconds = float(fault.details.get("for_seconds", 0.0))

    def later(action: Callable[[], object]) -> None:
        timer = threading.Timer(seconds, action)
        timer.start()
        thaws.append(timer)

    match fault.kind:
        case "exchange":
            rule = {name: value for name, value in fault.details.items() if name != "for_seconds"}
            return arena.add_exchange_fault(rule)
        case "kill":
            return arena.send_signal(fault.target, signal.SIGKILL)
        case "freeze":
            later(lambda: arena.send_signal(fault.target, signal.SIGCONT))
            return arena.send_signal(fault.target, signal.SIGSTOP)
        case "freeze_then_kill":
            later(lambda: arena.send_signal(fault.target, signal.SIGKILL))
            return arena.send_signal(fault.target, signal.SIGSTOP)
        case "redis_kill":
            return arena.send_signal("redis", signal.SIGKILL)
        case "redis_flush":
            return arena.flush_redis()
        case "redis_freeze":
            later(lambda: arena.send_signal("redis", signal.SIGCONT))
            return arena.send_signal("redis", signal.SIGSTOP)
        case "disk_full":
            later(arena.free_disk)
            return arena.fill_disk()
        case "postgres_kill":
            return arena.send_signal("postgres", signal.SIGQUIT)  # the server's own immediate stop: a crash
        case "postgres_restart":
            return arena.send_signal("postgres", signal.SIGINT)
        case "trip":
            return arena.trip(flatten=bool(fault.details["flatten"]))
    raise ValueError(f"no such fault: {fault.kind}")


def _come_to_rest(arena: Arena, result: Round, tell: Callable[[str], None]) -> tuple[Books, Ledger, str | None]:
    """Both records once the system is ready again and nothing is under way; and what it did not get done."""
    began = time.monotonic()
    while True:
        left = SETTLE_SECONDS_MAX - (time.monotonic() - began)
        unready = arena.unready()
        if unready is None or left <= 0:
            books, ledger, why = look_until_rest(arena.books, arena.ledger, seconds=left, tell=tell)
            # Health may have looked while the exchange moved: that is no end of it, unless it stays.
            why = unready or arena.unready() or why
            if why is None:
                result.settle_seconds = time.monotonic() - began
                return books, ledger, None
            if left <= 0:
                return books, ledger, f"not at rest {SETTLE_SECONDS_MAX:g} s after the last fault: {why}"
            unready = why
        tell(f"not at rest after {time.monotonic() - began:.1f} s: {unready}")
        time.sleep(LOOK_SECONDS)


def _rearm(arena: Arena) -> str | None:
    """After a trip: acknowledged safe, reset, cooled down, armed. The next round begins as this one did."""
    deadline = time.monotonic() + READY_SECONDS_MAX
    stop = arena.ess()
    while time.monotonic() < deadline:
        stop = arena.ess()
        if stop is not None:
            if stop["state"] == "ARMED":
                return None
            if stop["state"] == "TRIPPED" and str(stop["trip_reason"]) != "chaos":
                return f"tripped by itself: {stop['trip_reason']}"
            if stop["state"] == "TRIPPED" and stop["safe"]:
                arena.reset()
        time.sleep(LOOK_SECONDS)
    return f"not armed again: {stop}"
