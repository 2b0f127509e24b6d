"""The questions behind `./qt check`: put to the parts themselves, not to the supervisor's opinion of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.adapters.processes.probes import answers_http, answers_postgres, answers_redis
from app.adapters.processes.records import ProcessState, SystemRecord
from app.adapters.processes.specification import Probe
from app.cli.failure import redact
from app.cli.processes import WORKERS
from app.cli.state_directory import StateDirectory
from app.settings import Settings

ANSWER_SECONDS_MAX = 5.0
WORKER_PING_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One part's answer. `latency_ms` is how long it took."""

    component: str
    status: str  # OK or CRITICAL
    latency_ms: float
    detail: str = ""

    def as_json(self) -> Mapping[str, Any]:
        return {
            "component": self.component,
            "status": self.status,
            "latency_ms": round(self.latency_ms, 1),
            "detail": self.detail,
        }


async def check_system(settings: Settings, state: StateDirectory) -> list[Finding]:
    """Ask everything at once; each question has its own deadline, so the whole takes no longer than the slowest."""
    record = state.read_record()
    questions: dict[str, Probe] = {}
    if settings.database_url is not None:
        questions["postgres"] = answers_postgres(settings.database_url.get_secret_value())
    if settings.redis_url is not None:
        questions["redis"] = answers_redis(settings.redis_url.get_secret_value())
        questions |= await _worker_questions(settings.redis_url.get_secret_value())
    if record is not None and record.is_running:
        urls = record.urls
        questions["exchange"] = answers_http(f"{urls['exchange']}/fapi/v1/ping")
        questions["web"] = answers_http(f"{urls['web']}/")
        questions["health"] = answers_http(f"{urls['health']}/live")
        questions["flower"] = answers_http(f"{urls['flower']}/healthcheck")
        questions |= {name: _alive(record, name) for name in ("beat", "listener")}
    return list(await asyncio.gather(*(_ask(component, probe) for component, probe in questions.items())))


async def _ask(component: str, probe: Probe) -> Finding:
    began = time.monotonic()
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            reason = await probe()
    except TimeoutError:
        reason = f"no answer within {ANSWER_SECONDS_MAX:g} s"
    except OSError as error:
        reason = error.strerror or str(error)
    latency_ms = (time.monotonic() - began) * 1000
    return Finding(component, "OK" if reason is None else "CRITICAL", latency_ms, redact(reason or ""))


async def _worker_questions(redis_url: str) -> dict[str, Probe]:
    """One broadcast ping answers for all workers: one that hangs does not, whatever its process looks like."""
    replies = asyncio.create_task(asyncio.to_thread(_ping_workers, redis_url))

    def question(queue: str) -> Probe:
        async def probe() -> str | None:
            names = await asyncio.shield(replies)
            return None if any(name.startswith(f"{queue}@") for name in names) else "does not answer a ping"

        return probe

    return {f"worker-{queue}": question(queue) for queue in WORKERS}


def _ping_workers(redis_url: str) -> list[str]:
    """The names of the workers that answer a ping."""
    from celery import Celery

    app = Celery("check")
    # The workers' own settings: the broker's keys carry a prefix, and whoever does not know it talks to nobody.
    app.config_from_object("celeryconfig")
    app.conf.broker_url = redis_url
    app.conf.broker_connection_retry = False
    try:
        answers = app.control.ping(timeout=WORKER_PING_SECONDS, limit=len(WORKERS))
    except app.connection_for_read().connection_errors as error:
        raise OSError(str(error)) from error
    return [name for answer in answers for name in answer]


def _alive(record: SystemRecord, name: str) -> Probe:
    """For processes without a socket: alive, and ready by the supervisor's record."""

    async def probe() -> str | None:
        for one in record.processes:
            if one.name == name:
                if one.identity is None or one.identity.find() is None:
                    return "does not run"
                return None if one.state is ProcessState.READY else f"{one.state}: {one.detail}"
        return "is not part of this system"

    return probe
