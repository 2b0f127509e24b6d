"""Every check once, side by side: what is not well is asked again, for one slow answer is not an illness."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import replace

import structlog

from app.bootstrap import System
from app.checks.attribution import Attribution
from app.checks.check_list import DEPENDS_ON
from app.checks.components import Check
from app.domain.health import Finding, Status

ROUNDS_MAX = 2
ROUND_SECONDS_MAX = 7.0  # a statement on a frozen Postgres gives up after six
PAUSE_SECONDS = 1.0

log = structlog.get_logger(__name__)


def look_once(system: System, checks: Mapping[str, Check]) -> Sequence[Finding]:
    """A finding for each check, within `ROUNDS_MAX` times `ROUND_SECONDS_MAX` and the pauses."""
    found: dict[str, Finding] = {}
    pool = ThreadPoolExecutor(max_workers=2 * len(checks), thread_name_prefix="check")
    try:
        for number in range(ROUNDS_MAX):
            if number:
                time.sleep(PAUSE_SECONDS)
            found |= _round(pool, system, {name: checks[name] for name in checks if _is_open(found.get(name))})
            if not any(_is_open(finding) for finding in found.values()):
                break
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    attribute = Attribution(DEPENDS_ON)
    return attribute([found[name] for name in checks], now=system.clock.now())


def _is_open(finding: Finding | None) -> bool:
    return finding is None or finding.status is not Status.OK


def _round(pool: ThreadPoolExecutor, system: System, checks: Mapping[str, Check]) -> dict[str, Finding]:
    deadline = time.monotonic() + ROUND_SECONDS_MAX
    running = {name: pool.submit(_timed, check, system) for name, check in checks.items()}
    return {name: _answer(name, future, deadline) for name, future in running.items()}


def _timed(check: Check, system: System) -> Finding:
    began = time.monotonic()
    finding = check(system)
    return replace(finding, latency_ms=1000 * (time.monotonic() - began))


def _answer(name: str, future: Future[Finding], deadline: float) -> Finding:
    try:
        return future.result(timeout=max(0.0, deadline - time.monotonic()))
    except FutureTimeoutError:
        cause = f"no answer within {ROUND_SECONDS_MAX:g} s"
        return Finding(component=name, status=Status.CRITICAL, cause=cause)
    except Exception as error:
        # A check that fails is a finding.
        log.exception("check_failed", component=name)
        cause = f"the check failed: {type(error).__name__}: {error}"
        return Finding(component=name, status=Status.CRITICAL, cause=cause)
