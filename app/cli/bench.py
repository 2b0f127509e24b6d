"""`./qt bench`: every performance target, measured beside its limit and beside what others take."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from app.cli.failure import CommandFailure
from app.cli.processes import REPOSITORY

WIDTH_WITHOUT_TERMINAL = 190


@click.command(name="bench")
@click.argument("rows", nargs=-1, metavar="[ROW]...")
@click.option("--quick", is_flag=True, help="Short rounds, in minutes: good for a look, not for quoting.")
@click.option("--rounds", type=click.IntRange(1, 1_000), help="Rounds of each measurement; default: by its length.")
@click.option("--json", "as_object", is_flag=True, help="The report as one JSON object (bench/report/schema.json).")
@click.option("--markdown", "as_markdown", is_flag=True, help="The table as Markdown.")
@click.option(
    "--chart", type=click.Path(dir_okay=False, path_type=Path), help="Also draw ratios and growth curves (SVG)."
)
@click.option(
    "--from",
    "stored",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Measure nothing: show a report that --json printed.",
)
@click.option("--docs", "into_docs", is_flag=True, help="Also write README.md, docs/performance.md and its chart.")
@click.option("--list", "only_list", is_flag=True, help="What can be measured.")
def command(
    rows: tuple[str, ...],
    quick: bool,
    rounds: int | None,
    as_object: bool,
    as_markdown: bool,
    chart: Path | None,
    stored: Path | None,
    into_docs: bool,
    only_list: bool,
) -> None:
    """Measure ROWs (sections such as `window`, or the beginning of a row's name); everything without any.

    Each row is a ratio of medians, ours against the limit, measured in turn. Servers are started for it and stopped
    again. Exit code 1 when a target was missed, or could not be measured.
    """
    if only_list:
        for name, section in _bench("run").SECTIONS.items():
            click.echo(f"{name:<10} {section.what}")
        return
    report = _stored(stored) if stored is not None else _measure(rows, quick, rounds)
    if chart is not None:
        chart.write_text(_bench("report.chart").draw(report))
    if into_docs:
        for path in _bench("report.docs").write_documents(report, REPOSITORY):
            click.echo(f"qt: written: {path}", err=True)
    if as_object:
        click.echo(json.dumps(report))
    elif as_markdown:
        click.echo(_bench("report.table").markdown(report))
    else:
        _bench("report.table").print_report(report, _wide_console())
    sys.exit(_bench("report.document").exit_code(report))


def _stored(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise CommandFailure(f"{path} is no report that --json printed: {error}") from error


def _measure(rows: tuple[str, ...], quick: bool, rounds: int | None) -> Any:
    console = Console(stderr=True)
    bench = _bench("run")
    try:
        return bench.run(rows, quick=quick, rounds=rounds, tell=lambda line: console.log(line, highlight=False))
    except bench.UnknownRowError as error:
        known = ", ".join(bench.SECTIONS)
        raise CommandFailure(f"nothing called {str(error)!r} is measured; there is: {known}") from error


def _wide_console() -> Console:
    """The terminal; where there is none, wide enough for the table."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_WITHOUT_TERMINAL)


def _bench(name: str) -> Any:
    """A module of the benches; they are part of the checkout, not of an installed image."""
    try:
        return import_module(f"bench.{name}")
    except ModuleNotFoundError as error:
        if error.name in ("bench", "tests"):
            raise CommandFailure("the benches are run from a checkout; they are not part of this image") from error
        raise
