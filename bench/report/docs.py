"""Writes a report into the documentation: between two marks in a page, and as the chart beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.report.chart import draw
from bench.report.table import cells, headline, markdown, verdict_text

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
PAGE = Path("docs/performance.md")
README = Path("README.md")
CHART = Path("docs/images/performance.svg")


class MarkMissingError(Exception):
    """A page has no place for a report; the text is its path."""


def write_documents(report: Mapping[str, Any], root: Path) -> list[Path]:
    """The whole report into `docs/performance.md` and its chart, its targets into `README.md`; the paths written."""
    texts = {PAGE: markdown(report), README: short_table(report)}
    pages = {path: put_between((root / path).read_text(), text, path) for path, text in texts.items()}
    for path, page in pages.items():
        (root / path).write_text(page)
    (root / CHART).write_text(draw(report))
    return [*pages, CHART]


def put_between(page: str, text: str, path: Path) -> str:
    """The page with `text` in place of what is between its marks; `MarkMissingError` when it has none."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise MarkMissingError(str(path))
    return f"{before}{BEGIN}\n{text.strip()}\n{END}{after}"


def short_table(report: Mapping[str, Any]) -> str:
    """The rows that promise something: ours, by what, target, verdict; then machine and date."""
    lines = ["| what | measured | by the limit | target | |", "|---|---|---|---|---|"]
    for row in report["rows"]:
        if row["target"] is None:
            continue
        what, ours, limit, ratio, target, _ = cells(row)
        by = f"{ratio} of {limit.split(':', 1)[0]}" if ratio else limit
        lines.append(f"| {what} | {ours} | {by} | {target} | {verdict_text(row)} |")
    return "\n".join([*lines, "", headline(report)])
