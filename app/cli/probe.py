"""`./qt probe NAME`: whether one process of this machine works, as a health check of a container asks."""

from __future__ import annotations

import asyncio

import click

from app.adapters.processes.specification import ProcessSpec
from app.cli.failure import CommandFailure
from app.cli.one_process import process_specification
from app.cli.settings import read_settings, state_directory

PROBE_SECONDS_MAX = 3.0


@click.command(name="probe")
@click.argument("name")
def command(name: str) -> None:
    """Ask the process NAME, started by `./qt run` with the same environment; exit code 0 or 1 with the reason."""
    settings = read_settings()
    reason = asyncio.run(_ask(process_specification(name, settings, state_directory(settings))))
    if reason is not None:
        raise CommandFailure(f"{name}: {reason}")


async def _ask(spec: ProcessSpec) -> str | None:
    if spec.probe is None:
        return "a step, not a service: it has nothing to ask"
    try:
        async with asyncio.timeout(PROBE_SECONDS_MAX):
            return await spec.probe()
    except TimeoutError:
        return f"no answer within {PROBE_SECONDS_MAX:g} s"
    except OSError as error:
        return error.strerror or str(error)
