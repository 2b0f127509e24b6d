"""The report for people: a table on the terminal, the same as Markdown to paste."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.report.document import figure, target_text

COLOURS = {"met": "green", "missed": "red", "not measured": "yellow", "no target": "dim"}


def print_report(report: Mapping[str, Any], console: Console) -> None:
    """Rows, curves, findings, machine."""
    table = Table("what", "ours", "limit of the same run", "ratio", "target", "", "others", title=headline(report))
    section = None
    for row in report["rows"]:
        if section not in (None, row["section"]):
            table.add_section()
        section = row["section"]
        table.add_row(*cells(row)[:-1], f"[{COLOURS[row['verdict']]}]{verdict_text(row)}[/]", others(row))
    console.print(table)
    for curve in report["curves"]:
        console.print(f"[bold]{curve['what']}[/] ({curve['unit']} by {curve['x']})")
        for line in curve["lines"]:
            points = ", ".join(f"{figure(each['x'])}: {figure(each['median'])}" for each in line["points"])
            console.print(f"  {line['name']}: {points}")
    for finding in report["findings"]:
        console.print(f"[bold]{finding['what']}[/]: {finding['text']}")


def markdown(report: Mapping[str, Any]) -> str:
    """A table to paste, with machine and date under it."""
    lines = ["| what | ours | limit of the same run | ratio | target | | others |", "|---|---|---|---|---|---|---|"]
    for row in report["rows"]:
        lines.append("| " + " | ".join([*cells(row)[:-1], verdict_text(row), others(row)]) + " |")
    for curve in report["curves"]:
        lines += ["", f"**{curve['what']}** ({curve['unit']} by {curve['x']})", ""]
        sizes = [figure(point["x"]) for point in curve["lines"][0]["points"]]
        lines += ["| | " + " | ".join(sizes) + " |", "|---|" + "---|" * len(sizes)]
        lines += [
            f"| {line['name']} | " + " | ".join(figure(point["median"]) for point in line["points"]) + " |"
            for line in curve["lines"]
        ]
    for finding in report["findings"]:
        lines += ["", f"**{finding['what']}.** {finding['text']}"]
    return "\n".join([*lines, "", headline(report), ""])


def headline(report: Mapping[str, Any]) -> str:
    """When, on what, for how long."""
    machine = report["machine"]
    commit = f", commit {machine['commit']}" if machine["commit"] else ""
    return (
        f"{report['at']}: {machine['cores']} x {machine['cpu']}, {machine['memory_gib']:g} GiB, {machine['system']}, "
        f"Python {machine['python']}{commit}; load {machine['load_before']:g} before; "
        f"{report['seconds']:.0f} s{' (quick)' if report['quick'] else ''}. Medians; in brackets the quartiles."
    )


def cells(row: Mapping[str, Any]) -> list[str]:
    """what, ours, limit, ratio, target, verdict."""
    ratio = row["ratio"]
    limit = row["limit"]
    return [
        row["what"] + (f" ({row['note']})" if row["note"] else ""),
        "-" if "missing" in row["ours"] else contender_text(row["ours"], row["unit"], spread=True),
        "" if limit is None else f"{limit['name']}: {contender_text(limit, row['unit'], spread=False)}",
        "" if ratio is None else f"{ratio['of_medians']:.2f} ({ratio['low']:.2f}..{ratio['high']:.2f})",
        target_text(row["target"], row["unit"]),
        verdict_text(row),
    ]


def verdict_text(row: Mapping[str, Any]) -> str:
    """met, MISSED, or why there is none."""
    if row["verdict"] == "no target":
        return ""
    return {"met": "met", "missed": "MISSED"}.get(row["verdict"], f"not measured: {row['reason']}")


def others(row: Mapping[str, Any]) -> str:
    """Each peer with its own figure."""
    return "; ".join(f"{peer['name']} {contender_text(peer, row['unit'], spread=False)}" for peer in row["peers"])


def contender_text(contender: Mapping[str, Any], unit: str, *, spread: bool) -> str:
    """A figure with its unit, or why there is none."""
    if "missing" in contender:
        return str(contender["missing"])
    text = f"{figure(contender['median'])} {unit}".rstrip()
    if spread and len(contender["rounds"]) > 1:
        text += f" ({figure(contender['low'])}..{figure(contender['high'])})"
    return text
