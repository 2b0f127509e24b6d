"""`./qt chaos`: break a system of its own in every way the seed says, and check every promise."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app.chaos.arena import ArenaError, open_arena
from app.chaos.jobs import run_jobs, shares
from app.chaos.report import Report, as_json, evidence, is_whole, print_report
from app.chaos.round import Round, play
from app.cli.failure import CommandFailure

# A system starts once for so many seeds. The next has empty tables again: what one seed leaves behind is a part of what
# the next one meets, but no run of two hundred should be judged by what its first seeds did.
SEEDS_PER_SYSTEM_MAX = 25


@click.command(name="chaos")
@click.option("--seed", default=1, show_default=True, help="The first seed; the same seed draws the same faults.")
@click.option("--seeds", default=1, show_default=True, type=click.IntRange(1, 10_000), help="How many.")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1, 16), help="So many systems at a time.")
@click.option("--seconds", default=20.0, show_default=True, type=click.FloatRange(5, 3_600), help="Length of one seed.")
@click.option("--minutes", type=click.FloatRange(0.1, 600), help="Go on with further seeds until this time has passed.")
@click.option("--rate", default=20.0, show_default=True, type=click.FloatRange(1, 1_000), help="Signals a second.")
@click.option("--keep", is_flag=True, help="Keep the state directories, logs and all.")
@click.option("--json", "as_object", is_flag=True, help="The report as one JSON object.")
def command(
    seed: int,
    seeds: int,
    jobs: int,
    seconds: float,
    minutes: float | None,
    rate: float,
    keep: bool,
    as_object: bool,
) -> None:
    """Boot a whole system, flood it, break it from the seed, then compare every record with the exchange's own.

    Exit code 0 when every seed was run and every promise held for all of them.
    """
    # Also when it was started in the background, or is told to end: the system under test goes with it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    console = Console(stderr=True)
    if jobs > 1:
        if minutes is not None:
            raise click.UsageError("--jobs shares out --seeds; it cannot go with --minutes")
        arguments = ["--seconds", str(seconds), "--rate", str(rate), *(["--keep"] if keep else [])]
        report = run_jobs(
            shares(seed, seeds, jobs), arguments=arguments, environment=dict(os.environ), tell=_plainly(console)
        )
    else:
        report = _run(console, seed, None if minutes is not None else seeds, minutes or 0.0, seconds, rate, keep)
    if as_object:
        click.echo(json.dumps(report))
    else:
        print_report(report, Console())
    sys.exit(0 if is_whole(report, seeds=1 if minutes is not None else seeds) else 1)


def _plainly(console: Console) -> Callable[[str], None]:
    return lambda line: console.print(line, markup=False, highlight=False)


def _run(
    console: Console, seed: int, seeds: int | None, minutes: float, seconds: float, rate: float, keep: bool
) -> Report:
    """Seed after seed, `seeds` of them or as many as `minutes` have room for."""
    rounds: list[Round] = []
    until = time.monotonic() + 60 * minutes
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())

    def is_over() -> bool:
        return len(rounds) >= seeds if seeds is not None else time.monotonic() >= until

    with Progress(*columns, console=console) as progress:
        task = progress.add_task(f"seed {seed}", total=seeds)
        try:
            while not is_over():
                with open_arena(seed=seed + len(rounds), keep=keep) as arena:
                    progress.console.print(f"system in {arena.state}, page at {arena.urls['web']}")
                    for _ in range(SEEDS_PER_SYSTEM_MAX):
                        if is_over():
                            break
                        number = seed + len(rounds)
                        progress.update(task, description=f"seed {number}")
                        began = time.monotonic()
                        played = play(arena, seed=number, seconds=seconds, per_second=rate, tell=progress.console.log)
                        played.system, played.seconds = str(arena.state), time.monotonic() - began
                        rounds.append(played)
                        _tell(progress.console, played)
                        progress.advance(task)
                        if not played.holds:
                            break  # what is broken in a system stays so: a further seed could not be judged by it
        except ArenaError as error:
            if not rounds:
                raise CommandFailure(str(error)) from error
            console.print(f"[red]no further system:[/] {error}")
    return as_json(rounds)


def _tell(console: Console, played: Round) -> None:
    verdict = "[green]holds[/]" if played.holds else "[red]BROKEN[/]"
    console.print(
        f"seed {played.seed}: {verdict}, {played.promised_signals} signals, rest {played.settle_seconds:.1f} s, "
        f"all {played.seconds:.1f} s"
    )
    for line in evidence(played):
        console.print(f"  [red]{line}[/]")
