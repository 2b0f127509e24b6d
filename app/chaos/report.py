"""The report: promises with counts, how often each fault was really injected, which seeds broke what."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from app.chaos.round import Round
from app.chaos.schedule import NAMES

EVIDENCE_MAX = 3

Report = Mapping[str, Any]


def as_json(rounds: Sequence[Round]) -> Report:
    """Everything the tables say, of rounds of one system or of several after one another."""
    by_system: dict[str, list[Round]] = defaultdict(list)
    for each in rounds:
        by_system[each.system].append(each)
    return merged([_of_one_system(each) for each in by_system.values()])


def _of_one_system(rounds: Sequence[Round]) -> Report:
    return {
        "seeds": [each.seed for each in rounds],
        "failed_seeds": [each.seed for each in rounds if not each.holds],
        "signals": sum(each.promised_signals for each in rounds),
        # The rounds of one system add up: the last count says how much was looked at.
        "orders": max((each.orders for each in rounds), default=0),
        "promises": _by_promise(rounds),
        "problems": {str(each.seed): each.problem for each in rounds if each.problem is not None},
        "injected": dict(_sum(each.injected for each in rounds)),
        "hit": dict(_sum(each.hit for each in rounds)),
        "seconds": {str(each.seed): round(each.seconds, 1) for each in rounds},
        "slowest_rest_seconds": max((each.settle_seconds for each in rounds), default=0.0),
    }


def merged(reports: Sequence[Report]) -> Report:
    """One report of systems that had nothing to do with one another."""
    promises: dict[str, dict[str, Any]] = {}
    for report in reports:
        for name, promise in report["promises"].items():
            total = promises.setdefault(name, {"checked": 0, "violations": []})
            total["checked"] += promise["checked"]
            total["violations"] += promise["violations"]
    return {
        "seeds": sorted(seed for report in reports for seed in report["seeds"]),
        "failed_seeds": sorted(seed for report in reports for seed in report["failed_seeds"]),
        "signals": sum(report["signals"] for report in reports),
        "orders": sum(report["orders"] for report in reports),
        "promises": promises,
        "problems": {seed: text for report in reports for seed, text in report["problems"].items()},
        "injected": dict(_sum(Counter(report["injected"]) for report in reports)),
        "hit": dict(_sum(Counter(report["hit"]) for report in reports)),
        "seconds": {seed: value for report in reports for seed, value in report["seconds"].items()},
        "slowest_rest_seconds": max((report["slowest_rest_seconds"] for report in reports), default=0.0),
    }


def is_whole(report: Report, *, seeds: int) -> bool:
    """Whether as many seeds were run as were asked for, and every promise held for all of them."""
    return len(report["seeds"]) >= seeds and not report["failed_seeds"]


def print_report(report: Report, console: Console) -> None:
    """The two tables, the total, and what went wrong seed by seed."""
    promises = Table("promise", "checked", "broken", title=f"{len(report['seeds'])} seeds")
    for name, promise in report["promises"].items():
        colour = "red" if promise["violations"] else "green"
        promises.add_row(name, f"{promise['checked']:,}", f"[{colour}]{len(promise['violations'])}[/]")
    console.print(promises)
    # The whole list, so that what was not injected is seen too; what is done to a process hits at once.
    injected, hit = report["injected"], report["hit"]
    faults = Table("fault", "injected", "hit")
    for name in sorted(NAMES):
        count = injected.get(name, 0)
        faults.add_row(name, str(count), str(hit.get(name, 0) if name.startswith("exchange: ") else count))
    faults.add_section()
    faults.add_row("all", str(sum(injected.values())), "")
    console.print(faults)
    console.print(
        f"{len(report['seeds'])} seeds, {len(report['failed_seeds'])} broken; {report['signals']:,} signals got a 202, "
        f"{report['orders']:,} orders; at rest again after at most {report['slowest_rest_seconds']:.1f} s"
    )
    for seed, problem in report["problems"].items():
        console.print(f"[red]seed {seed}[/] {problem}")
    for name, promise in report["promises"].items():
        for violation in promise["violations"]:
            console.print(f"[red]{name}[/] {violation}")


def evidence(played: Round) -> list[str]:
    """What went wrong in a round, a few lines of each kind."""
    lines = [] if played.problem is None else [played.problem]
    for promise in played.promises:
        lines += [f"{promise.name}: {violation}" for violation in promise.violations[:EVIDENCE_MAX]]
    return lines


def _by_promise(rounds: Sequence[Round]) -> Mapping[str, Mapping[str, Any]]:
    checked: Counter[str] = Counter()
    violations: dict[str, list[str]] = defaultdict(list)
    for each in rounds:
        for promise in each.promises:
            checked[promise.name] = max(checked[promise.name], promise.checked)
            violations[promise.name] += [f"seed {each.seed}: {violation}" for violation in promise.violations]
    return {name: {"checked": checked[name], "violations": violations[name]} for name in checked}


def _sum(counts: Iterable[Counter[str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return total
