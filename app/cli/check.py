"""`./qt check`: every part of the running system is asked, with deadlines; exit code 0 or 1."""

from __future__ import annotations

import asyncio
import json
import sys

import click

from app.cli.check_run import Finding, check_system
from app.cli.connection import settings_of_running_system
from app.cli.settings import read_settings, state_directory


@click.command(name="check")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def command(as_json: bool) -> None:
    """Ask every part whether it works, within 30 seconds. Exit code 0 when all do, 1 when one is CRITICAL."""
    settings = read_settings()
    state = state_directory(settings)
    completed = settings_of_running_system(settings, state)
    findings = asyncio.run(check_system(completed, state))
    works = all(finding.status == "OK" for finding in findings)
    if as_json:
        click.echo(json.dumps({"ok": works, "findings": [finding.as_json() for finding in findings]}))
    else:
        for finding in findings:
            click.echo(_line(finding))
        click.echo("everything works" if works else "CRITICAL")
    sys.exit(0 if works else 1)


def _line(finding: Finding) -> str:
    return f"{finding.component:16} {finding.status:9} {finding.latency_ms:7.1f} ms  {finding.detail}".rstrip()
