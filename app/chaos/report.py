"""The report: a table of promises with counts, and how often each fault was really injected."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from app.chaos.round import Round
from app.chaos.schedule import NAMES

EVIDENCE_MAX = 3


def as_json(rounds: Sequence[Round]) -> Mapping[str, Any]:
    """Everything the table says, for machines."""
    return {
        "seeds": [each.seed for each in rounds],
        "failed_seeds": [each.seed for each in rounds if not each.holds],
        "signals": sum(each.promised_signals for each in rounds),
        "orders": max((each.orders for each in rounds), default=0),
        "promises": {
            name: {"checked": checked, "violations": violations}
            for name, (checked, violations) in _by_promise(rounds).items()
        },
        "problems": {each.seed: each.problem for each in rounds if each.problem is not None},
        "injected": _total([each.injected for each in rounds]),
        "hit": _total([each.hit for each in rounds]),
    }


def print_report(rounds: Sequence[Round], console: Console) -> None:
    """The two tables, and what went wrong seed by seed."""
    promises = Table("promise", "checked", "broken", title=f"{len(rounds)} seeds")
    for name, (checked, violations) in _by_promise(rounds).items():
        colour = "red" if violations else "green"
        promises.add_row(name, f"{checked:,}", f"[{colour}]{len(violations)}[/]")
    console.print(promises)
    # The whole list, so that what was not injected is seen too; what is done to a process hits at once.
    injected, hit = _total([each.injected for each in rounds]), _total([each.hit for each in rounds])
    faults = Table("fault", "injected", "hit")
    for name in sorted(NAMES):
        count = injected.get(name, 0)
        faults.add_row(name, str(count), str(hit.get(name, 0) if name.startswith("exchange: ") else count))
    console.print(faults)
    signals = sum(each.promised_signals for each in rounds)
    slowest = max((each.settle_seconds for each in rounds), default=0.0)
    console.print(f"{signals:,} signals got a 202; at rest again after at most {slowest:.1f} s")
    for each in rounds:
        for line in evidence(each):
            console.print(f"[red]seed {each.seed}[/] {line}")


def evidence(played: Round) -> list[str]:
    """What went wrong in a round, a few lines of each kind."""
    lines = [] if played.problem is None else [played.problem]
    for promise in played.promises:
        lines += [f"{promise.name}: {violation}" for violation in promise.violations[:EVIDENCE_MAX]]
    return lines


def _by_promise(rounds: Sequence[Round]) -> Mapping[str, tuple[int, list[str]]]:
    checked: Counter[str] = Counter()
    violations: dict[str, list[str]] = defaultdict(list)
    for each in rounds:
        for promise in each.promises:
            # The rounds of one arena add up: the last count says how much was looked at.
            checked[promise.name] = max(checked[promise.name], promise.checked)
            violations[promise.name] += [f"seed {each.seed}: {violation}" for violation in promise.violations]
    return {name: (checked[name], violations[name]) for name in checked}


def _total(counts: Sequence[Counter[str]]) -> Mapping[str, int]:
    return dict(sum(counts, Counter()))
