"""The checks: each asks one component within a deadline and says OK, DEGRADED or CRITICAL, and why."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from app.bootstrap import System
from app.domain.ess import EssState
from app.domain.health import Finding, Status
from app.ports import (
    BufferUnavailableError,
    DatabaseUnavailableError,
    DurableBuffer,
    EventsUnavailableError,
    ProgressUnavailableError,
    UnreadablePolicyError,
    WindowUnavailableError,
)

MARKET_DATA_SECONDS_MAX = 5.0  # older, and the gates deny by default
POLICY_CHECK_LIMIT = 50
RECONCILED_SECONDS_MAX = 30.0  # six passes
DISK_FREE_DEGRADED_BYTES = 1 << 30  # what the buffers may hold, and room for the write-ahead log
DISK_FREE_CRITICAL_BYTES = 128 << 20
STRATEGIES_NAMED_MAX = 5
MEGABYTE = 1 << 20

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


def check_broker(system: System) -> Finding:
    """Does the broker of the tasks answer, where it is another than Redis?"""
    if system.settings.broker_url is None:
        return Finding(component="broker", status=Status.OK, cause="Redis carries the tasks")
    try:
        system.queue_lengths.waiting()
    except ProgressUnavailableError as error:
        return Finding(component="broker", status=Status.CRITICAL, cause=str(error))
    return Finding(component="broker", status=Status.OK)


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


def check_strategies(system: System) -> Finding:
    """Is a strategy disabled for repeated executions, and waits for a person?"""
    try:
        with system.unit_of_work() as uow:
            disabled = [each.strategy for each in uow.control.throttles() if each.disabled_at is not None]
    except DatabaseUnavailableError as error:
        return Finding(component="strategies", status=Status.CRITICAL, cause=f"unreadable: {error}")
    if disabled:
        cause = f"disabled for repeated executions: {', '.join(disabled[:STRATEGIES_NAMED_MAX])}"
        return Finding(component="strategies", status=Status.DEGRADED, cause=cause)
    return Finding(component="strategies", status=Status.OK)


def check_policy(system: System) -> Finding:
    """Is there a policy that can be read, and do workers decide by a fresh one?"""
    try:
        with system.unit_of_work() as uow:
            policy = uow.control.current_policy(now=system.clock.now())
    except DatabaseUnavailableError as error:
        return Finding(component="policy", status=Status.CRITICAL, cause=f"unreadable: {error}")
    except UnreadablePolicyError as error:
        return Finding(component="policy", status=Status.CRITICAL, cause=f"every entry is denied: {error}")
    if policy is None:
        return Finding(component="policy", status=Status.CRITICAL, cause="no policy: every entry is denied")
    return Finding(component="policy", status=Status.OK)


def check_event_bus(system: System) -> Finding:
    """Does the live event stream answer?"""
    try:
        system.events.bounds()
    except EventsUnavailableError as error:
        return Finding(component="event_bus", status=Status.CRITICAL, cause=str(error))
    return Finding(component="event_bus", status=Status.OK)


def check_ledger(system: System) -> Finding:
    """Did the newest comparison with the exchange's books find them equal, and is it recent?"""
    try:
        with system.unit_of_work() as uow:
            last = uow.control.last_reconciliation()
    except DatabaseUnavailableError as error:
        return Finding(component="ledger", status=Status.CRITICAL, cause=f"unreadable: {error}")
    if last is None:
        return Finding(component="ledger", status=Status.DEGRADED, cause="never compared with the exchange's books")
    age = (system.clock.now() - last.at).total_seconds()
    if last.differences:
        first = last.differences[0]
        cause = (
            f"{len(last.differences)} differences from the exchange, e.g. {first.subject}: "
            f"ours={first.ours}, theirs={first.theirs}"
        )
        return Finding(component="ledger", status=Status.CRITICAL, cause=cause, age_seconds=age)
    if age > RECONCILED_SECONDS_MAX:
        cause = f"last compared {age:.0f} s ago"
        return Finding(component="ledger", status=Status.DEGRADED, cause=cause, age_seconds=age)
    return Finding(component="ledger", status=Status.OK, age_seconds=age)


def disk_check(free_bytes: Callable[[Path], int]) -> Check:
    """The check of the file systems that hold our state."""

    def check_disk(system: System) -> Finding:
        state = system.settings.state_dir
        folders = [each for each in (state, state / "buffer", state / "postgres") if each.exists()]
        try:
            free = min(free_bytes(each) for each in folders)
        except (OSError, ValueError) as error:
            return Finding(component="disk", status=Status.CRITICAL, cause=f"unreadable: {error}")
        cause = f"{free // MEGABYTE} MB free in the state directory"
        if free < DISK_FREE_CRITICAL_BYTES:
            return Finding(component="disk", status=Status.CRITICAL, cause=cause)
        if free < DISK_FREE_DEGRADED_BYTES:
            return Finding(component="disk", status=Status.DEGRADED, cause=cause)
        return Finding(component="disk", status=Status.OK)

    return check_disk


def free_bytes(path: Path) -> int:
    """What an ordinary user may still write there."""
    return shutil.disk_usage(path).free


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
