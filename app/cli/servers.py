"""Postgres and Redis for a system: those named by the environment, else embedded ones in the state directory."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.adapters.embedded.failures import EmbeddedServerError
from app.adapters.embedded.postgres import DEATH_SIGNAL as POSTGRES_DEATH_SIGNAL
from app.adapters.embedded.postgres import STOP_SIGNAL as POSTGRES_STOP_SIGNAL
from app.adapters.embedded.postgres import clear_stale_locks, prepare_postgres
from app.adapters.embedded.valkey import DEATH_SIGNAL as VALKEY_DEATH_SIGNAL
from app.adapters.embedded.valkey import STOP_SIGNAL as VALKEY_STOP_SIGNAL
from app.adapters.embedded.valkey import prepare_valkey
from app.adapters.processes.probes import answers_postgres, answers_rabbitmq, answers_redis
from app.adapters.processes.specification import Probe, ProcessSpec
from app.cli.failure import CommandFailure
from app.cli.state_directory import StateDirectory
from app.settings import Settings

REACH_SECONDS_MAX = 5.0


@dataclass(frozen=True, slots=True)
class Servers:
    """How to reach Postgres and Redis, and the processes to run for it (none for those that were given)."""

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    specs: tuple[ProcessSpec, ...]
    notices: tuple[str, ...]
    broker_url: str = field(default="", repr=False)  # empty: Redis carries the hints


async def choose_servers(settings: Settings, state: StateDirectory) -> Servers:
    """Check the given servers and prepare the embedded ones; what is wrong ends the command with one line."""
    specs: list[ProcessSpec] = []
    notices: tuple[str, ...] = ()
    try:
        if settings.database_url is not None:
            database_url = settings.database_url.get_secret_value()
            _require_scheme("QT_DATABASE_URL", database_url, ("postgresql",))
            await _require_reachable("QT_DATABASE_URL", database_url, answers_postgres(database_url))
        else:
            spec, database_url, notices = _embedded_postgres(state)
            specs.append(spec)
        if settings.redis_url is not None:
            redis_url = settings.redis_url.get_secret_value()
            _require_scheme("QT_REDIS_URL", redis_url, ("redis", "rediss", "sentinel"))
            await _require_reachable("QT_REDIS_URL", redis_url, answers_redis(redis_url))
        else:
            spec, redis_url = _embedded_redis(state)
            specs.append(spec)
        broker_url = "" if settings.broker_url is None else settings.broker_url.get_secret_value()
        if broker_url:
            _require_scheme("QT_BROKER_URL", broker_url, ("amqp", "amqps"))
            await _require_reachable("QT_BROKER_URL", broker_url, answers_rabbitmq(broker_url))
    except EmbeddedServerError as error:
        raise CommandFailure(str(error)) from error
    return Servers(database_url, redis_url, tuple(specs), notices, broker_url)


def _embedded_postgres(state: StateDirectory) -> tuple[ProcessSpec, str, tuple[str, ...]]:
    cluster = prepare_postgres(state.root)
    spec = ProcessSpec(
        name="postgres",
        command=cluster.command,
        probe=answers_postgres(cluster.url()),
        log_path=state.log("postgres"),
        environment=_plain_environment(),
        user=cluster.user,
        stop_signal=POSTGRES_STOP_SIGNAL,
        stop_grace_seconds=20.0,
        death_signal=POSTGRES_DEATH_SIGNAL,
        before_start=lambda: clear_stale_locks(cluster),
    )
    return spec, cluster.url(), cluster.notices


def _embedded_redis(state: StateDirectory) -> tuple[ProcessSpec, str]:
    server = prepare_valkey(state.root)
    spec = ProcessSpec(
        name="redis",
        command=server.command,
        probe=answers_redis(server.url()),
        log_path=state.log("redis"),
        environment=_plain_environment(),
        stop_signal=VALKEY_STOP_SIGNAL,
        death_signal=VALKEY_DEATH_SIGNAL,
    )
    return spec, server.url()


def _plain_environment() -> Mapping[str, str]:
    """What a server needs of ours: no QT_ secrets, no PG settings of the caller that would bend it."""
    return {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR") if name in os.environ}


async def _require_reachable(variable: str, url: str, probe: Probe) -> None:
    try:
        async with asyncio.timeout(REACH_SECONDS_MAX):
            reason = await probe()
    except TimeoutError:
        reason = f"no answer within {REACH_SECONDS_MAX:g} s"
    except OSError as error:
        reason = error.strerror or str(error)
    if reason is not None:
        raise CommandFailure(f"{variable}: cannot use {url}: {reason}")


def _require_scheme(variable: str, url: str, schemes: tuple[str, ...]) -> None:
    if url.partition("://")[0] not in schemes:
        raise CommandFailure(f"{variable}: must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
