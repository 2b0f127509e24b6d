"""The report as one SVG: every target as a bar, ours beside the other libraries, and what grows as curves.

Drawn by hand, so that no plotting library is needed; plain shapes and text, readable on a light and on a dark page.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from bench.report.document import figure, target_text
from bench.report.table import headline

WIDTH = 1160
MARGIN = 32
LABEL_WIDTH = 430
BAR_HEIGHT = 16
BAR_STEP = 26
TITLE_HEIGHT = 18
PANEL_COLUMNS = 3
PANEL_HEIGHT = 210
COLOURS = ("#2563eb", "#d97706", "#059669", "#7c3aed")
MET, MISSED, QUIET, INK, FAINT = "#059669", "#dc2626", "#94a3b8", "#0f172a", "#64748b"
SCORE_MAX = 8.0  # what is more than so many times better than its target ends at the edge, with an arrow


def draw(report: Mapping[str, Any]) -> str:
    """The picture of one report; sections that were not measured are not in it."""
    parts: list[str] = []
    y = MARGIN + 14
    parts.append(text(MARGIN, y, "Quantum Trader: measured against limits and peers", size=20, weight=600))
    y += 20
    parts.append(text(MARGIN, y, headline(report), size=11, fill=FAINT))
    for title, block in (
        ("Targets: right of the line is better than promised (logarithmic)", list(targets(report))),
        ("Beside what others take (each row by its own scale)", list(peers(report))),
    ):
        if block:
            y += 40
            parts.append(text(MARGIN, y, title, size=15, weight=600))
            y += 12
            for height, drawn in block:
                parts.append(f'<g transform="translate(0,{y})">{drawn}</g>')
                y += height
    if report["curves"]:
        y += 40
        parts.append(text(MARGIN, y, "Growth (both axes logarithmic; bars are quartiles)", size=15, weight=600))
        y += 12
        column = (WIDTH - 2 * MARGIN) / PANEL_COLUMNS
        for number, curve in enumerate(report["curves"]):
            x = MARGIN + column * (number % PANEL_COLUMNS)
            top = y + (PANEL_HEIGHT + 24) * (number // PANEL_COLUMNS)
            parts.append(f'<g transform="translate({x:.0f},{top})">{panel(curve, column - 24)}</g>')
        y += (PANEL_HEIGHT + 24) * -(-len(report["curves"]) // PANEL_COLUMNS)
    height = y + MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
        f'viewBox="0 0 {WIDTH} {height:.0f}" font-family="system-ui, sans-serif">'
        f'<rect width="100%" height="100%" rx="8" fill="#ffffff"/>{"".join(parts)}</svg>\n'
    )


def targets(report: Mapping[str, Any]) -> Iterator[tuple[float, str]]:
    """A bar for each row that has a target: how many times better than asked for."""
    left, right = MARGIN + LABEL_WIDTH, WIDTH - MARGIN - 200
    middle = (left + right) / 2
    reach = (right - left) / 2
    for row in report["rows"]:
        if row["target"] is None:
            continue
        score = score_of(row)
        drawn = text(MARGIN, BAR_HEIGHT - 3, row["what"], size=12)
        drawn += line(middle, -4, middle, BAR_STEP, INK, 1)
        if score is None:
            drawn += text(middle + 8, BAR_HEIGHT - 3, f"not measured: {row['reason']}"[:60], size=11, fill=FAINT)
        else:
            length = reach * max(-1.0, min(1.0, math.log(score) / math.log(SCORE_MAX)))
            colour = MET if row["verdict"] == "met" else MISSED
            drawn += rectangle(min(middle, middle + length), 2, abs(length) or 1.0, BAR_HEIGHT - 4, colour)
            drawn += text(right + 10, BAR_HEIGHT - 3, told(row), size=11, fill=colour)
        yield BAR_STEP, drawn


def score_of(row: Mapping[str, Any]) -> float | None:
    """How many times better than its target a row is; None when it was not measured. Never quite 0 or infinite."""
    target = row["target"]
    if row["verdict"] == "not measured":
        return None
    measured = row["ratio"]["of_medians"] if target["of"] == "ratio" else row["ours"]["median"]
    better, worse = (measured, target["bound"]) if target["sense"] == "at least" else (target["bound"], measured)
    if worse == better:
        return 1.0
    if better <= 0 or worse <= 0:
        return SCORE_MAX if row["verdict"] == "met" else 1 / SCORE_MAX
    return max(1 / SCORE_MAX, min(SCORE_MAX, float(better / worse)))


def told(row: Mapping[str, Any]) -> str:
    """The figure that was judged, and its target."""
    if row["target"]["of"] == "ratio":
        return f"{row['ratio']['of_medians']:.2f} x  ({target_text(row['target'], row['unit'])})"
    return f"{figure(row['ours']['median'])} {row['unit']}  ({target_text(row['target'], row['unit'])})"


def peers(report: Mapping[str, Any]) -> Iterator[tuple[float, str]]:
    """For each row that others were measured for: ours, the limit, and each of them."""
    left = MARGIN + LABEL_WIDTH
    reach = WIDTH - MARGIN - 160 - left
    for row in report["rows"]:
        others = [each for each in row["peers"] if "missing" not in each]
        if not others or "missing" in row["ours"]:
            continue
        limit = [row["limit"]] if row["limit"] is not None and "missing" not in row["limit"] else []
        bars = [(row["ours"], COLOURS[0]), *((each, QUIET) for each in limit), *((each, COLOURS[1]) for each in others)]
        most = max(each["median"] for each, _ in bars)
        drawn = text(MARGIN, 11, row["what"], size=12, weight=600)
        drawn += text(left, 11, f"{row['unit']}, {row['better']} is better", size=11, fill=FAINT)
        for number, (each, colour) in enumerate(bars):
            top = TITLE_HEIGHT + number * (BAR_HEIGHT + 2)
            name = "Quantum Trader" if number == 0 else each["name"]
            drawn += text(left - 8, top + BAR_HEIGHT - 4, name, size=11, anchor="end")
            drawn += rectangle(left, top + 1, max(1.0, reach * each["median"] / most), BAR_HEIGHT - 4, colour)
            at = left + reach * each["median"] / most + 8
            drawn += text(at, top + BAR_HEIGHT - 4, figure(each["median"]), size=11, fill=FAINT)
        yield TITLE_HEIGHT + len(bars) * (BAR_HEIGHT + 2) + 14, drawn


def panel(curve: Mapping[str, Any], width: float) -> str:
    """One curve: logarithmic both ways, quartiles as bars, a legend."""
    lines = [each for each in curve["lines"] if each["points"]]
    points = [point for each in lines for point in each["points"]]
    low, high = bounds([value for point in points for value in (point["median"], point["low"], point["high"])])
    first, last = bounds([point["x"] for point in points])
    left, top, bottom = 44.0, 44.0, PANEL_HEIGHT - 34.0

    def across(x: float) -> float:
        return left + (width - left - 10) * log_share(x, first, last)

    def down(value: float) -> float:
        return bottom - (bottom - top) * log_share(value, low, high)

    drawn = text(0, 12, curve["what"], size=12, weight=600) + text(0, 27, curve["unit"], size=11, fill=FAINT)
    drawn += line(left, bottom, width - 10, bottom, QUIET, 1) + line(left, top, left, bottom, QUIET, 1)
    for value in (low, high):
        drawn += text(left - 5, down(value) + 4, figure(value), size=10, fill=FAINT, anchor="end")
    for x in sorted({point["x"] for point in points}):
        drawn += text(across(x), bottom + 13, figure(x), size=10, fill=FAINT, anchor="middle")
    drawn += text((left + width) / 2, bottom + 27, curve["x"], size=10, fill=FAINT, anchor="middle")
    for number, each in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{across(point['x']):.1f},{down(point['median']):.1f}" for point in each["points"])
        drawn += f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        for point in each["points"]:
            x = across(point["x"])
            drawn += line(x, down(point["low"]), x, down(point["high"]), colour, 1)
            drawn += f'<circle cx="{x:.1f}" cy="{down(point["median"]):.1f}" r="3" fill="{colour}"/>'
        drawn += text(width - 10, 12 + 13 * number, each["name"], size=10, fill=colour, anchor="end")
    return drawn


def bounds(values: Sequence[float]) -> tuple[float, float]:
    """The least and the most that are above 0, never the same."""
    positive = [value for value in values if value > 0] or [1.0]
    low, high = min(positive), max(positive)
    return (low, high) if high > low else (low / 2, high * 2)


def log_share(value: float, low: float, high: float) -> float:
    """Where a value lies between two others, by its logarithm: 0..1."""
    return math.log(max(value, low) / low) / math.log(high / low)


def text(
    x: float, y: float, words: str, *, size: int, fill: str = INK, weight: int = 400, anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" fill="{fill}" '
        f'text-anchor="{anchor}">{escape(words)}</text>'
    )


def rectangle(x: float, y: float, width: float, height: float, fill: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2" fill="{fill}"/>'


def line(x1: float, y1: float, x2: float, y2: float, stroke: str, width: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" stroke-width="{width}"/>'
