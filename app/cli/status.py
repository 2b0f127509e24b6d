"""`./qt status`: what runs, and where."""

from __future__ import annotations

import json
import sys

import click

from app.cli.settings import read_settings, state_directory


@click.command(name="status")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def command(as_json: bool) -> None:
    """What runs, and where. Exit code 0 when everything is ready, 1 when not or when nothing runs."""
    state = state_directory(read_settings())
    record = state.read_record()
    running = record is not None and record.is_running
    ready = record is not None and running and record.ready
    if as_json:
        answer = {
            "ready": ready,
            "urls": dict(record.urls) if record is not None and running else dict.fromkeys(URL_NAMES),
            "processes": [
                {"name": one.name, "pid": one.pid, "state": str(one.state)}
                for one in (record.processes if record is not None and running else ())
            ],
        }
        click.echo(json.dumps(answer))
    elif record is None or not running:
        click.echo(f"nothing runs on {state.root}")
    else:
        for one in record.processes:
            restarts = f"restarts {one.restarts}" if one.restarts else ""
            click.echo(f"{one.name:16} {one.pid or '-':>8}  {one.state:11} {restarts:12} {one.detail}".rstrip())
        click.echo("ready" if ready else "not ready")
        for name, url in record.urls.items():
            click.echo(f"{name:9} {url}")
    sys.exit(0 if ready else 1)


URL_NAMES = ("web", "health", "flower", "exchange")
