"""The report as one JSON object, by `bench/report/schema.json`; and the exit code it stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.report.rows import Contender, Curve, Missing, Row, TargetOf, Told, Verdict, ratio_of, spread_of

SCHEMA_VERSION = 1


def document(
    told: Mapping[str, Sequence[Told]], *, at: str, machine: Mapping[str, Any], quick: bool, seconds: float
) -> dict[str, Any]:
    """Everything that was measured; `told` by section, in order."""
    rows, curves, findings = [], [], []
    for section, items in told.items():
        for item in items:
            if isinstance(item, Row):
                rows.append(row_object(section, item))
            elif isinstance(item, Curve):
                curves.append(curve_object(section, item))
            else:
                findings.append({"section": section, "what": item.what, "text": item.text})
    return {
        "schema": SCHEMA_VERSION,
        "at": at,
        "machine": dict(machine),
        "quick": quick,
        "seconds": round(seconds, 1),
        "rows": rows,
        "curves": curves,
        "findings": findings,
    }


def row_object(section: str, row: Row) -> dict[str, Any]:
    """One row."""
    ratio = row.ratio
    target = row.target
    return {
        "section": section,
        "name": row.name,
        "what": row.what,
        "unit": row.unit,
        "better": row.better.value,
        "ours": contender_object(row.ours, None),
        "limit": None if row.limit is None else contender_object(row.limit, None),
        "peers": [contender_object(peer, row.ours) for peer in row.peers],
        "ratio": None if ratio is None else {"of_medians": ratio.of_medians, "low": ratio.low, "high": ratio.high},
        "target": None
        if target is None
        else {"of": target.of.value, "bound": target.bound, "sense": "at least" if target.at_least else "at most"},
        "verdict": row.verdict.value,
        "reason": row.reason,
        "note": row.note,
    }


def contender_object(contender: Contender, ours: Contender | None) -> dict[str, Any]:
    """A contender; with `ours` also how many times its figure ours is."""
    if isinstance(contender, Missing):
        return {"name": contender.name, "missing": contender.reason}
    low, high = contender.spread
    found: dict[str, Any] = {
        "name": contender.name,
        "median": contender.median,
        "low": low,
        "high": high,
        "rounds": list(contender.rounds),
    }
    ratio = ratio_of(ours, contender)
    if ratio is not None:
        found["ours_by_this"] = ratio.of_medians
    return found


def curve_object(section: str, curve: Curve) -> dict[str, Any]:
    """One curve with all its lines."""
    lines = []
    for name, points in curve.lines.items():
        found = []
        for point in points:
            low, high = spread_of(point.rounds)
            middle = sorted(point.rounds)
            half = len(middle) // 2
            median = middle[half] if len(middle) % 2 else (middle[half - 1] + middle[half]) / 2
            found.append({"x": point.x, "median": median, "low": low, "high": high})
        lines.append({"name": name, "points": found})
    return {
        "section": section,
        "name": curve.name,
        "what": curve.what,
        "x": curve.x,
        "unit": curve.unit,
        "lines": lines,
    }


def exit_code(report: Mapping[str, Any]) -> int:
    """1 when a target was missed or could not be measured: a promise that nobody looked at is not kept."""
    bad = {Verdict.MISSED.value, Verdict.NOT_MEASURED.value}
    return 1 if any(row["verdict"] in bad for row in report["rows"]) else 0


def target_text(target: Mapping[str, Any] | None, unit: str) -> str:
    """`>= 0.60 x`, `<= 50 ms`; empty without a target."""
    if target is None:
        return ""
    sign = ">=" if target["sense"] == "at least" else "<="
    return (
        f"{sign} {target['bound']:.2f} x"
        if target["of"] == TargetOf.RATIO.value
        else f"{sign} {figure(target['bound'])} {unit}"
    )


def figure(value: float) -> str:
    """Three significant figures, whole numbers as they are, thousands with commas."""
    if value == int(value):
        return f"{value:,.0f}"
    magnitude = abs(value)
    if magnitude >= 100:
        return f"{value:,.0f}"
    if magnitude >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if magnitude >= 0.1 else f"{value:.2g}"
