"""`./qt chaos`: break a system of its own in every way the seed says, and check every promise."""

from __future__ import annotations

import json
import sys
import time

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app.chaos.arena import ArenaError, open_arena
from app.chaos.report import as_json, evidence, print_report
from app.chaos.round import Round, play
from app.cli.failure import CommandFailure


@click.command(name="chaos")
@click.option("--seed", default=1, show_default=True, help="The first seed; the same seed draws the same faults.")
@click.option(
    "--seeds", default=1, show_default=True, type=click.IntRange(1, 10_000), help="How many, one after another."
)
@click.option("--seconds", default=20.0, show_default=True, type=click.FloatRange(5, 3_600), help="Length of one seed.")
@click.option("--minutes", type=click.FloatRange(0.1, 600), help="Go on with further seeds until this time has passed.")
@click.option("--rate", default=20.0, show_default=True, type=click.FloatRange(1, 1_000), help="Signals a second.")
@click.option("--keep", is_flag=True, help="Keep the state directory, logs and all.")
@click.option("--json", "as_object", is_flag=True, help="The report as one JSON object.")
def command(
    seed: int, seeds: int, seconds: float, minutes: float | None, rate: float, keep: bool, as_object: bool
) -> None:
    """Boot a whole system, flood it, break it from the seed, then compare every record with the exchange's own.

    Exit code 0 when every promise held for every seed.
    """
    console = Console(stderr=True)
    rounds: list[Round] = []
    until = time.monotonic() + 60 * minutes if minutes is not None else None
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with open_arena(seed=seed, keep=keep) as arena, Progress(*columns, console=console) as progress:
            console.print(f"system in {arena.state}, page at {arena.urls['web']}")
            task = progress.add_task(f"seed {seed}", total=None if until else seeds)
            number = seed
            while (time.monotonic() < until) if until is not None else (number < seed + seeds):
                progress.update(task, description=f"seed {number}")
                played = play(arena, seed=number, seconds=seconds, per_second=rate, tell=progress.console.log)
                rounds.append(played)
                verdict = "[green]holds[/]" if played.holds else "[red]BROKEN[/]"
                progress.console.print(
                    f"seed {number}: {verdict}, {played.promised_signals} signals, rest {played.settle_seconds:.1f} s"
                )
                for line in evidence(played):
                    progress.console.print(f"  [red]{line}[/]")
                progress.advance(task)
                number += 1
                if played.problem is not None:
                    break  # a system that did not come to rest cannot be judged by a further seed
    except ArenaError as error:
        raise CommandFailure(str(error)) from error
    if as_object:
        click.echo(json.dumps(as_json(rounds)))
    else:
        print_report(rounds, Console())
    sys.exit(0 if rounds and all(each.holds for each in rounds) else 1)
