"""What became of a replay: counts by verdict and by terminal state with reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from app.cli.recorded_signals import SkippedLine
from app.cli.replay_run import Sent

SKIPPED_SHOWN_MAX = 5


def summarise(signals: Sequence[Sent], skipped: Sequence[SkippedLine], *, run: str, seconds: float) -> dict[str, Any]:
    """The summary as JSON has it; `reasons` counts each terminal state by its reason code."""
    finished = [sent for sent in signals if sent.is_finished]
    reasons = Counter((str(sent.state), sent.reason_code) for sent in finished)
    return {
        "run": run,
        "sent": len(signals),
        "signals_per_second": round(len(signals) / seconds, 1) if seconds > 0 else None,
        "skipped": {
            "hold": sum(line.reason == "HOLD" for line in skipped),
            "malformed": [
                {"line": line.line_number, "reason": line.reason} for line in skipped if line.reason != "HOLD"
            ],
        },
        "verdicts": dict(Counter(str(sent.verdict) for sent in signals).most_common()),
        "states": dict(Counter(str(sent.state) for sent in finished).most_common()),
        "reasons": [
            {"state": state, "reason_code": code, "count": count} for (state, code), count in reasons.most_common()
        ],
        "unfinished": len(signals) - len(finished),
    }


def print_summary(summary: dict[str, Any]) -> None:
    """The same for people."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(f"run {summary['run']}: {summary['sent']} sent at {summary['signals_per_second']}/s", highlight=False)
    malformed = summary["skipped"]["malformed"]
    if summary["skipped"]["hold"] or malformed:
        console.print(f"not sent: {summary['skipped']['hold']} HOLD, {len(malformed)} malformed", highlight=False)
        for line in malformed[:SKIPPED_SHOWN_MAX]:
            console.print(f"  line {line['line']}: {line['reason']}", highlight=False, markup=False)
    intake = Table("verdict at intake", "signals")
    for verdict, count in summary["verdicts"].items():
        intake.add_row(verdict, str(count))
    console.print(intake)
    ends = Table("state", "reason", "signals")
    for row in summary["reasons"]:
        ends.add_row(row["state"], row["reason_code"] or "", str(row["count"]))
    if summary["unfinished"]:
        ends.add_row("not finished", "", str(summary["unfinished"]))
    console.print(ends)
