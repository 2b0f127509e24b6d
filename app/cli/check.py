"""`./qt check`: every part of the running system is asked, with deadlines; exit code 0 or 1."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
import structlog

from app.cli.check_run import check_system
from app.cli.connection import settings_of_running_system
from app.cli.failure import CommandFailure, redact
from app.cli.settings import read_settings, state_directory
from app.domain.health import Finding, Status, worst
from app.settings import SettingsError


@click.command(name="check")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def command(as_json: bool) -> None:
    """Ask every part whether it works, within 30 seconds. Exit code 1 when one is CRITICAL, else 0."""
    settings = read_settings()
    state = state_directory(settings)
    completed = settings_of_running_system(settings, state)
    try:
        with _silent_logs():
            findings = asyncio.run(check_system(completed, state))
    except SettingsError as error:
        raise CommandFailure(str(error)) from error
    status = worst(findings)
    works = status is not Status.CRITICAL
    if as_json:
        answer = {"ok": works, "status": status.value, "findings": [_as_json(finding) for finding in findings]}
        click.echo(json.dumps(answer))
    else:
        for finding in findings:
            click.echo(_line(finding))
        click.echo("everything works" if status is Status.OK else status.value)
    sys.exit(0 if works else 1)


@contextmanager
def _silent_logs() -> Iterator[None]:
    """What there is to say is in the findings; nothing else may come between them."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)


def _as_json(finding: Finding) -> Mapping[str, Any]:
    return {
        "component": finding.component,
        "status": finding.status.value,
        "latency_ms": None if finding.latency_ms is None else round(finding.latency_ms, 1),
        "age_seconds": None if finding.age_seconds is None else round(finding.age_seconds, 1),
        "detail": redact(finding.cause or ""),
        "because_of": finding.because_of,
    }


def _line(finding: Finding) -> str:
    latency = "" if finding.latency_ms is None else f"{finding.latency_ms:.1f} ms"
    because = "" if finding.because_of is None else f" (because of {finding.because_of})"
    cause = redact(finding.cause or "")
    return f"{finding.component:20} {finding.status.value:9} {latency:>11}  {cause}{because}".rstrip()
