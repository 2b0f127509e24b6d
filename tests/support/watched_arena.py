"""What a test asks of a system in the arena while one of its servers is taken away under a flood."""

from __future__ import annotations

import time
from typing import Any

import httpx

from app.adapters.processes.records import read_record
from app.chaos.arena import Arena
from app.chaos.flood import Flood
from app.chaos.look import look_until_rest
from app.chaos.promises import Promise, check_promises
from tests.support.waiting import wait_until

BACK_SECONDS_MAX = 60.0
SETTLE_SECONDS_MAX = 120.0


def pids(arena: Arena) -> dict[str, int]:
    """Of every process, by name, as the supervisor knows them."""
    record = read_record(arena.state / "run" / "system.json")
    assert record is not None
    return {each.name: each.identity.pid for each in record.processes if each.identity}


def component(arena: Arena, name: str) -> dict[str, Any]:
    """What health says of it."""
    answer = httpx.get(f"{arena.urls['health']}/health", timeout=10).json()
    found: dict[str, Any] = next(each for each in answer["components"] if each["component"] == name)
    return found


def executed(arena: Arena) -> int:
    """Signals that became filled orders."""
    return sum(row.state == "EXECUTED" for row in arena.books().signals.values())


def seconds_to_work(arena: Arena, flood: Flood) -> float:
    """From now until a signal that is promised from now on was executed: what needs every server and every worker."""
    began = time.monotonic()
    first = len(flood.promised)

    def did_work() -> bool:
        signals = arena.books().signals
        return any(signals[name].state == "EXECUTED" for name in flood.promised[first:] if name in signals)

    wait_until(did_work, seconds=BACK_SECONDS_MAX, what="work to go on")
    return time.monotonic() - began


def settled_promises(arena: Arena, flood: Flood) -> list[Promise]:
    """Every promise, once nothing is under way any more."""
    books, ledger, why = look_until_rest(arena.books, arena.ledger, seconds=SETTLE_SECONDS_MAX)
    assert why is None, why
    return check_promises(books, ledger, promised_signals=flood.promised)
