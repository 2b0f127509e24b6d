"""`./qt replay`: recorded signals through the real intake, followed until each has come to its end."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from app.cli.api_client import open_client
from app.cli.failure import CommandFailure
from app.cli.recorded_signals import RecordedSignal, SkippedLine, read_recorded
from app.cli.replay_run import ReplayRun, Sent
from app.cli.replay_summary import print_summary, summarise


@click.command(name="replay")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--rate", type=click.FloatRange(0.01, 10_000), default=20.0, show_default=True, help="Signals a second.")
@click.option("--quote", default="USDT", show_default=True, help="Quote asset put in place of the recorded one.")
@click.option("--limit", type=click.IntRange(min=1), help="Send no more than this many.")
@click.option(
    "--wait-seconds", type=click.FloatRange(min=0), default=120.0, show_default=True, help="For the last end."
)
@click.option("--run", "run_id", help="Name of this run, part of the signal ids; the same name sends nothing twice.")
@click.option("--token", envvar="QT_TOKEN", help="Default: the operator's own token.")
@click.option("--url", help="Base URL of the web process; default: the one that runs here.")
@click.option("--json", "as_json", is_flag=True, help="The summary as one JSON object.")
def command(
    file: Path,
    rate: float,
    quote: str,
    limit: int | None,
    wait_seconds: float,
    run_id: str | None,
    token: str | None,
    url: str | None,
    as_json: bool,
) -> None:
    """Send recorded signals, stamped with the present time, and wait for what becomes of each.

    Exit code 0 when every signal that was sent has reached a terminal state.
    """
    run = run_id or datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    recorded, skipped = _read(file, quote.upper(), limit)
    if not recorded:
        raise CommandFailure(f"{file}: no signal to send ({len(skipped)} lines skipped)")
    file_digest = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    signals = [Sent(one, f"replay-{file_digest}-{one.line_number}-{run}") for one in recorded]
    with open_client(url=url, token=token) as client:
        replay = ReplayRun(client, signals, rate=rate)
        began = time.monotonic()
        replay.send_all()
        sending_seconds = time.monotonic() - began
        replay.wait_for_ends(seconds_max=wait_seconds)
    summary = summarise(signals, skipped, run=run, seconds=sending_seconds)
    if as_json:
        click.echo(json.dumps(summary))
    else:
        print_summary(summary)
    sys.exit(0 if summary["unfinished"] == 0 else 1)


def _read(file: Path, quote: str, limit: int | None) -> tuple[list[RecordedSignal], list[SkippedLine]]:
    recorded: list[RecordedSignal] = []
    skipped: list[SkippedLine] = []
    with file.open("rb") as lines:
        for one in read_recorded(lines, quote=quote):
            if isinstance(one, SkippedLine):
                skipped.append(one)
            else:
                recorded.append(one)
            if limit is not None and len(recorded) == limit:
                break
    return recorded, skipped
