"""The questions behind `./qt check`: put to the parts themselves, not to what another process says of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from app.adapters.processes.probes import answers_http
from app.adapters.processes.specification import Probe
from app.bootstrap import open_system
from app.checks.check_list import all_checks
from app.checks.once import look_once
from app.cli.failure import redact
from app.cli.state_directory import StateDirectory
from app.domain.health import Finding, Status
from app.settings import Settings

ANSWER_SECONDS_MAX = 5.0


async def check_system(settings: Settings, state: StateDirectory) -> Sequence[Finding]:
    """Ask everything at once; each question has its own deadline, so the whole takes no longer than the slowest."""
    record = state.read_record()
    doors: dict[str, Probe] = {}
    if record is not None and record.is_running:
        urls = record.urls
        doors = {
            "web": answers_http(f"{urls['web']}/live"),
            "health": answers_http(f"{urls['health']}/live"),
            "flower": answers_http(f"{urls['flower']}/healthcheck"),
        }
    components, at_the_doors = await asyncio.gather(
        asyncio.to_thread(_look, settings),
        asyncio.gather(*(_ask(component, probe) for component, probe in doors.items())),
    )
    return [*components, *at_the_doors]


def _look(settings: Settings) -> Sequence[Finding]:
    with open_system(settings) as system:
        return look_once(system, all_checks())


async def _ask(component: str, probe: Probe) -> Finding:
    began = time.monotonic()
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            reason = await probe()
    except TimeoutError:
        reason = f"no answer within {ANSWER_SECONDS_MAX:g} s"
    except OSError as error:
        reason = error.strerror or str(error)
    return Finding(
        component=component,
        status=Status.OK if reason is None else Status.CRITICAL,
        cause=None if reason is None else redact(reason),
        latency_ms=(time.monotonic() - began) * 1000,
    )
