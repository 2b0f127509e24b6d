"""One run of `./qt bench`: which sections there are, what they share, and the report they make."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import psycopg
import redis
import structlog

from app.adapters.embedded.postgres import PostgresCluster
from app.adapters.embedded.valkey import ValkeyServer
from app.chaos.arena import Arena, ArenaError, open_arena
from bench.report import machine
from bench.report.document import document
from bench.report.rows import Missing, Row, Series, Told
from bench.report.turns import in_turn
from tests.support.servers import postgres_server, server_home, valkey_server

SYSTEM_SEED = 1
MEASUREMENT_SECONDS_MAX = 40.0


class UnknownRowError(Exception):
    """Nothing of that name is measured; the text is the name."""


# What a section may fail with; anything else is a mistake in a bench and ends the run.
FAILURES = (
    ArenaError,
    AssertionError,
    ImportError,
    OSError,
    RuntimeError,
    httpx.HTTPError,
    psycopg.Error,
    redis.RedisError,
    subprocess.SubprocessError,
)


@dataclass(frozen=True, slots=True)
class Section:
    """A module of this package whose `rows(bench)` yields what it measured; row names begin with the section's."""

    module: str
    what: str
    uses_system: bool = False


# In order; those that use the whole system stand together, for it is started for the first and stopped after the last.
SECTIONS: Mapping[str, Section] = {
    "window": Section("bench.redis_window", "offers to the admission window"),
    "budget": Section("bench.rate_budget", "acquiring rate budget"),
    "disk": Section("bench.disk_buffer", "appending to the disk buffer, replaying it"),
    "tasks": Section("bench.task_queues", "an empty task there and back"),
    "growth": Section("bench.growth", "stored rows, symbols and batches ten and a hundred times as many"),
    "dashboard": Section("bench.dashboard", "live events to websocket clients"),
    "latency": Section("bench.latency", "an idle system: from POST to the exchange", uses_system=True),
    "intake": Section("bench.intake", "signals over HTTP, durable before the 202", uses_system=True),
    "whole": Section("bench.whole_system", "recorded signals as fast as they are taken", uses_system=True),
    "orders": Section("bench.order_rate", "the exchange's order budget under sixteen processes"),
}


@dataclass
class Bench:
    """What sections share: how long to measure, throw-away servers, one whole system."""

    quick: bool
    tell: Callable[[str], None]
    folder: Path
    rounds_asked: int | None = None
    _servers: ExitStack = field(default_factory=ExitStack)
    _system: ExitStack = field(default_factory=ExitStack)

    def rounds(self, usual: int, *, quick: int) -> int:
        """How many rounds to take: what was asked for, else `usual`, or `quick` in a quick run."""
        return self.rounds_asked or (quick if self.quick else usual)

    def in_turn(
        self, contenders: Mapping[str, Callable[[], float]], *, usual: int, quick: int, warm: int = 1
    ) -> dict[str, Series]:
        """`bench.report.turns.in_turn` with as many rounds as this run takes, in bounded time."""
        rounds = self.rounds(usual, quick=quick)
        seconds_max = MEASUREMENT_SECONDS_MAX / 4 if self.quick else MEASUREMENT_SECONDS_MAX
        return in_turn(contenders, rounds=rounds, warm=warm, seconds_max=seconds_max)

    @cached_property
    def valkey(self) -> ValkeyServer:
        """A throw-away server for all sections; each keeps to keys of its own."""
        return self._servers.enter_context(valkey_server())

    @cached_property
    def postgres(self) -> PostgresCluster:
        """A throw-away cluster for all sections, fsync off; each makes databases of its own."""
        return self._servers.enter_context(postgres_server())

    @cached_property
    def arena(self) -> Arena:
        """A whole system as `./qt up` starts it (fsync on), under a policy that lets orders flow."""
        self.tell("starting a whole system")
        return self._system.enter_context(open_arena(seed=SYSTEM_SEED, small_disk=False))

    def stop_system(self) -> None:
        """Stop the whole system, if one was started."""
        self._system.close()
        self.__dict__.pop("arena", None)

    def close(self) -> None:
        """Stop everything that was started."""
        try:
            self.stop_system()
        finally:
            self._servers.close()


def chosen(names: Sequence[str]) -> Mapping[str, Section]:
    """The sections that `names` (of sections or of rows) ask for, all without any; `UnknownRowError` for another."""
    if not names:
        return SECTIONS
    for name in names:
        if name.split("-", 1)[0] not in SECTIONS:
            raise UnknownRowError(name)
    wanted = {name.split("-", 1)[0] for name in names}
    return {name: section for name, section in SECTIONS.items() if name in wanted}


def run(
    names: Sequence[str] = (), *, quick: bool, rounds: int | None, tell: Callable[[str], None]
) -> Mapping[str, Any]:
    """Measure and report; nothing that was started runs afterwards."""
    sections = chosen(names)
    leave_callers_system()
    log_to_stderr()
    at, where, began = machine.now_text(), machine.describe(), time.monotonic()
    told: dict[str, list[Told]] = {}
    with server_home("qt-bench-") as folder:
        bench = Bench(quick=quick, rounds_asked=rounds, tell=tell, folder=folder)
        try:
            for name, section in sections.items():
                if not section.uses_system:
                    bench.stop_system()
                started = time.monotonic()
                tell(f"{name}: {section.what}")
                told[name] = measure(bench, name, lambda section=section: import_module(section.module).rows(bench))
                tell(f"{name}: {time.monotonic() - started:.0f} s")
        finally:
            bench.close()
    kept = {name: [each for each in items if _is_wanted(each, name, names)] for name, items in told.items()}
    where["load_after"] = round(os.getloadavg()[0], 2)
    return document(kept, at=at, machine=where, quick=quick, seconds=time.monotonic() - began)


def leave_callers_system() -> None:
    """Settings of the caller's own system must not lead a bench into it."""
    for name in list(os.environ):
        if name.startswith("QT_") and name != "QT_TEST_DATA":
            del os.environ[name]


def log_to_stderr() -> None:
    """What parts of the product log while they are measured must not stand in the report on standard output."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def measure(bench: Bench, name: str, rows: Callable[[], Iterable[Told]]) -> list[Told]:
    """What a section yields; a failure ends the section and is told as a row that was not measured."""
    found: list[Told] = []
    try:
        for each in rows():
            found.append(each)
    except FAILURES as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        bench.tell(f"{name}: failed: {reason}")
        found.append(Row(name=f"{name}-failed", what=SECTIONS[name].what, unit="", ours=Missing("failed", reason)))
    return found


def _is_wanted(told: Told, section: str, names: Sequence[str]) -> bool:
    """Rows by the beginning of their names; what is no row comes with its section."""
    if not names or section in names:
        return True
    return isinstance(told, Row) and any(told.name.startswith(name) or told.name.endswith("-failed") for name in names)
