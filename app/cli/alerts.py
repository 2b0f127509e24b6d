"""`./qt alerts`: what is wrong and what was, and proof that the channels reach somebody."""

from __future__ import annotations

import json
import sys
import uuid
from datetime import UTC, datetime

import click

from app.cli.connection import settings_of_running_system
from app.cli.failure import CommandFailure
from app.cli.settings import read_settings, state_directory

LISTED_DEFAULT = 20


@click.group(name="alerts")
def command() -> None:
    """What is wrong, what was, and whether anybody hears of it."""


@command.command(name="list")
@click.option("--open", "only_open", is_flag=True, help="Only those that are not cleared.")
@click.option("--limit", type=click.IntRange(1, 500), default=LISTED_DEFAULT, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def list_alerts(only_open: bool, limit: int, as_json: bool) -> None:
    """Alerts, newest first, straight from the history in Postgres."""
    from app.bootstrap import open_system
    from app.ports import DatabaseUnavailableError

    settings = read_settings()
    with open_system(settings_of_running_system(settings, state_directory(settings))) as system:
        try:
            page = system.console.list_alerts(only_open=only_open, after=None, limit=limit)
        except DatabaseUnavailableError as error:
            health = f"http://127.0.0.1:{settings.health_port}/health"
            raise CommandFailure(f"Postgres is away ({error}); what is open now: {health}") from error
    if as_json:
        click.echo(json.dumps({"items": list(page.items)}))
        return
    for item in page.items:
        state = "OPEN" if item["open"] else "cleared"
        times = f" x{item['occurrences']}" if item["occurrences"] > 1 else ""
        click.echo(f"{item['raised_at']:27} {state:8} {item['status']:9} {item['component']:20} {item['cause']}{times}")
    if not page.items:
        click.echo("no alerts")


@command.command(name="test")
def test() -> None:
    """Send one alert to every channel that the QT_ALERT_* variables name; exit code 0 when each took it."""
    from app.bootstrap.alerting import open_channels
    from app.domain.alerts import Alert
    from app.domain.health import Status
    from app.ports import AlertNotDeliveredError
    from app.settings import SettingsError

    try:
        channels = open_channels(read_settings())
    except SettingsError as error:
        raise CommandFailure(str(error)) from error
    if not channels:
        raise CommandFailure(
            "no channel: set QT_ALERT_WEBHOOK_URL, or QT_ALERT_SMTP_URL with _EMAIL_FROM and _EMAIL_TO"
        )
    now = datetime.now(UTC)
    alert = Alert(
        alert_id=uuid.uuid4().hex,
        component="test",
        status=Status.DEGRADED,
        cause="a test asked for with `./qt alerts test`; nothing is wrong",
        raised_at=now,
        changed_at=now,
    )
    failed = False
    for channel in channels:
        try:
            channel.deliver(alert)
        except AlertNotDeliveredError as error:
            failed = True
            click.echo(f"{channel.name:10} FAILED  {error}")
        else:
            click.echo(f"{channel.name:10} took it")
    sys.exit(1 if failed else 0)
