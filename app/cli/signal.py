"""`./qt signal`: one signal by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click

from app.cli.api_client import call, open_client


@click.command(name="signal")
@click.argument("symbol")
@click.argument("side", type=click.Choice(["BUY", "SELL"], case_sensitive=False))
@click.argument("confidence", type=click.FloatRange(0.0, 1.0))
@click.option("--strategy", default="manual", show_default=True)
@click.option("--token", envvar="QT_TOKEN", help="Default: the operator's own token.")
@click.option("--url", help="Base URL of the web process; default: the one that runs here.")
def command(symbol: str, side: str, confidence: float, strategy: str, token: str | None, url: str | None) -> None:
    """Send one signal and print what intake says of it, as JSON."""
    body = {
        "symbol": symbol.upper(),
        "side": side.upper(),
        "confidence": confidence,
        "strategy": strategy,
        "generated_at": datetime.now(UTC).isoformat(),
    }
    with open_client(url=url, token=token) as client:
        click.echo(json.dumps(call(client, "POST", "/api/signals", body)["results"][0]))
