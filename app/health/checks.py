"""The checks: each asks one component within a deadline and says OK, DEGRADED or CRITICAL, and why."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import structlog

from app.bootstrap import System
from app.domain.ess import EssState
from app.ports import (
    BufferUnavailableError,
    DatabaseUnavailableError,
    DurableBuffer,
    ExchangeError,
    WindowUnavailableError,
)

log = structlog.get_logger(__name__)

DEADLINE_SECONDS = 2.0
HEARTBEAT_SECONDS_MAX = 10.0
MARKET_DATA_SECONDS_MAX = 10.0
POLICY_CHECK_LIMIT = 50


class Status(StrEnum):
    """How a component is; CRITICAL makes the system not ready."""

    OK = "OK"
    DEGRADED = "DEGRADED"
    CRITICAL = "CRITICAL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check found. `age_seconds` is how old the fact behind it is, None when it was asked just now."""

    component: str
    status: Status
    cause: str | None = None
    latency_ms: float | None = None
    age_seconds: float | None = None

    def as_json(self) -> Mapping[str, Any]:
        """The shape of `/health`."""
        return {
            "component": self.component,
            "status": self.status.value,
            "cause": self.cause,
            "latency_ms": None if self.latency_ms is None else round(self.latency_ms, 2),
            "age_seconds": None if self.age_seconds is None else round(self.age_seconds, 3),
        }


Check = Callable[[System], Finding]


def check_postgres(system: System) -> Finding:
    """Can a transaction be opened and the emergency stop be read?"""
    try:
        with system.unit_of_work() as uow:
            stop = uow.control.ess()
    except DatabaseUnavailableError as error:
        return Finding(component="postgres", status=Status.CRITICAL, cause=str(error))
    if stop is None:
        return Finding(component="postgres", status=Status.CRITICAL, cause="never set up: no emergency-stop row")
    return Finding(component="postgres", status=Status.OK)


def check_redis(system: System) -> Finding:
    """Does the admission window answer?"""
    try:
        system.window.status()
    except WindowUnavailableError as error:
        return Finding(component="redis", status=Status.CRITICAL, cause=str(error))
    return Finding(component="redis", status=Status.OK)


def check_exchange(system: System) -> Finding:
    """Does the exchange answer, by its own clock?"""
    try:
        offset_ms = system.exchange.now_ms() - int(system.clock.now().timestamp() * 1000)
    except ExchangeError as error:
        return Finding(component="exchange", status=Status.CRITICAL, cause=str(error))
    if abs(offset_ms) > 1_000:
        cause = f"our clock differs from the exchange's by {offset_ms} ms (corrected for)"
        return Finding(component="exchange", status=Status.DEGRADED, cause=cause)
    return Finding(component="exchange", status=Status.OK)


def check_emergency_stop(system: System) -> Finding:
    """Is the emergency stop letting entries through?"""
    try:
        with system.unit_of_work() as uow:
            stop = uow.control.ess()
    except DatabaseUnavailableError as error:
        return Finding(component="emergency_stop", status=Status.CRITICAL, cause=f"unreadable: {error}")
    if stop is None or not stop.state.permits_entries:
        state = "missing" if stop is None else stop.state.value
        return Finding(component="emergency_stop", status=Status.DEGRADED, cause=f"state={state}")
    if stop.state is EssState.DISABLED:
        return Finding(component="emergency_stop", status=Status.DEGRADED, cause="DISABLED: nothing trips it")
    return Finding(component="emergency_stop", status=Status.OK)


def check_policy(system: System) -> Finding:
    """Is there a policy, and how long ago was it read?"""
    try:
        with system.unit_of_work() as uow:
            policy = uow.control.current_policy(now=system.clock.now())
    except DatabaseUnavailableError as error:
        return Finding(component="policy", status=Status.CRITICAL, cause=f"unreadable: {error}")
    if policy is None:
        return Finding(component="policy", status=Status.CRITICAL, cause="no policy: every entry is denied")
    return Finding(component="policy", status=Status.OK)


def check_market_data(system: System) -> Finding:
    """How old is the newest quote that the listener brought?"""
    quotes = system.market.quotes()
    if not quotes:
        return Finding(component="market_data", status=Status.CRITICAL, cause="no quote is known")
    age = (system.clock.now() - max(quote.observed_at for quote in quotes.values())).total_seconds()
    if age > MARKET_DATA_SECONDS_MAX:
        cause = f"the newest quote is {age:.1f} s old"
        return Finding(component="market_data", status=Status.CRITICAL, cause=cause, age_seconds=age)
    return Finding(component="market_data", status=Status.OK, age_seconds=age)


def check_unresolved_attempts(system: System) -> Finding:
    """Is there an attempt whose outcome has been unknown for longer than the policy allows?"""
    now = system.clock.now()
    try:
        with system.unit_of_work() as uow:
            policy = uow.control.current_policy(now=now)
            limit = 30 if policy is None else policy.policy.unknown_seconds_max
            stuck = uow.orders.open_attempts(begun_before=now - timedelta(seconds=limit), limit=POLICY_CHECK_LIMIT)
    except DatabaseUnavailableError as error:
        return Finding(component="unresolved_attempts", status=Status.CRITICAL, cause=f"unreadable: {error}")
    if stuck:
        cause = f"{len(stuck)} attempts without an outcome for more than {limit} s, e.g. {stuck[0].client_order_id}"
        return Finding(component="unresolved_attempts", status=Status.CRITICAL, cause=cause)
    return Finding(component="unresolved_attempts", status=Status.OK)


def check_event_buffer(system: System) -> Finding:
    """Do events wait on this machine's disk, or were some lost?"""
    return _buffer_finding("event_buffer", system.event_buffer, system)


def check_signal_spool(system: System) -> Finding:
    """Do promised signals wait on this machine's disk?"""
    return _buffer_finding("signal_spool", system.signal_spool, system)


def _buffer_finding(component: str, buffer: DurableBuffer[Any], system: System) -> Finding:
    """Nothing of this is CRITICAL: that the server behind it is away says so itself."""
    try:
        status = buffer.status()
        buffer.probe()
    except BufferUnavailableError as error:
        return Finding(component=component, status=Status.DEGRADED, cause=f"no last resort: {error}")
    causes = [f"{status.depth} wait on the disk"] if status.depth else []
    lost = {"fell off": status.fell_off, "damaged": status.corrupt, "set aside": status.set_aside}
    causes += [f"{count} {what} since the buffer was made" for what, count in lost.items() if count]
    age = None if status.oldest_at is None else max(0.0, (system.clock.now() - status.oldest_at).total_seconds())
    if causes:
        since = "" if age is None else f", the oldest for {age:.1f} s"
        return Finding(component=component, status=Status.DEGRADED, cause="; ".join(causes) + since, age_seconds=age)
    return Finding(component=component, status=Status.OK)


def heartbeat_check(name: str, path: Path) -> Check:
    """The check of a process of this machine, by the file it keeps touching."""

    def check(system: System) -> Finding:
        try:
            touched_at = path.stat().st_mtime
        except FileNotFoundError:
            return Finding(component=name, status=Status.CRITICAL, cause="not started")
        age = system.clock.now().timestamp() - touched_at
        if age > HEARTBEAT_SECONDS_MAX:
            return Finding(component=name, status=Status.CRITICAL, cause=f"silent for {age:.1f} s", age_seconds=age)
        return Finding(component=name, status=Status.OK, age_seconds=age)

    return check


class Examination:
    """Runs all checks side by side; one that hangs costs its own deadline and is reported as such."""

    def __init__(self, system: System, checks: Mapping[str, Check]) -> None:
        self._system = system
        self._checks = checks
        self._pool = ThreadPoolExecutor(max_workers=2 * len(checks), thread_name_prefix="check")
        self._running: dict[str, Future[Finding]] = {}

    def __call__(self) -> list[Finding]:
        """Every finding, in the order of the checks, within `DEADLINE_SECONDS`."""
        began = time.monotonic()
        for name, check in self._checks.items():
            previous = self._running.get(name)
            # A check that still hangs from last time is not started again: threads are bounded.
            if previous is None or previous.done():
                self._running[name] = self._pool.submit(self._timed, check)
        return [self._answer(name, began + DEADLINE_SECONDS) for name in self._checks]

    def _timed(self, check: Check) -> Finding:
        began = time.monotonic()
        finding = check(self._system)
        return replace(finding, latency_ms=1000 * (time.monotonic() - began))

    def _answer(self, name: str, deadline: float) -> Finding:
        try:
            return self._running[name].result(timeout=max(0.0, deadline - time.monotonic()))
        except FutureTimeoutError:
            cause = f"no answer within {DEADLINE_SECONDS:g} s"
            return Finding(component=name, status=Status.CRITICAL, cause=cause)
        except Exception as error:
            # A check that fails is a finding, never an outage of health itself.
            log.exception("check_failed", component=name)
            return Finding(component=name, status=Status.CRITICAL, cause=f"the check failed: {type(error).__name__}")
