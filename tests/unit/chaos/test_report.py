"""The report of many seeds: nothing is counted twice, nothing is lost, and a seed that was not run is no success."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from rich.console import Console

from app.chaos.jobs import shares
from app.chaos.promises import Promise
from app.chaos.report import as_json, is_whole, merged, print_report
from app.chaos.round import Round


def played(
    seed: int, *, system: str, checked: int, violations: tuple[str, ...] = (), problem: str | None = None
) -> Round:
    return Round(
        seed,
        promises=[Promise(name="at most once", checked=checked, violations=list(violations))],
        injected=Counter({"kill beat": 1, "trip": seed % 2}),
        hit=Counter({"exchange: timeout": 2}),
        promised_signals=10,
        orders=checked,
        settle_seconds=float(seed),
        problem=problem,
        system=system,
        seconds=20.0 + seed,
    )


def test_rounds_of_one_system_add_up_and_systems_are_added() -> None:
    rounds = [played(1, system="a", checked=5), played(2, system="a", checked=9), played(3, system="b", checked=4)]
    report = as_json(rounds)
    assert report["seeds"] == [1, 2, 3]
    assert report["promises"] == {"at most once": {"checked": 9 + 4, "violations": []}}
    assert (report["signals"], report["orders"]) == (30, 13)
    assert report["injected"] == {"kill beat": 3, "trip": 2}
    assert report["hit"] == {"exchange: timeout": 6}
    assert report["seconds"] == {"1": 21.0, "2": 22.0, "3": 23.0}
    assert report["slowest_rest_seconds"] == 3.0


def test_reports_of_jobs_come_to_the_same_as_one_run() -> None:
    first, second = [played(1, system="a", checked=5)], [played(2, system="b", checked=7, violations=("twice",))]
    apart = merged([json.loads(json.dumps(as_json(each))) for each in (first, second)])
    assert apart == as_json([*first, *second])
    assert apart["failed_seeds"] == [2]
    assert apart["promises"]["at most once"]["violations"] == ["seed 2: twice"]


def test_it_is_whole_only_if_every_seed_was_run_and_held() -> None:
    whole = [played(1, system="a", checked=1), played(2, system="a", checked=2)]
    assert is_whole(as_json(whole), seeds=2)
    assert not is_whole(as_json(whole), seeds=3)
    assert not is_whole(as_json([whole[0], played(2, system="a", checked=2, problem="not at rest")]), seeds=2)
    assert not is_whole(merged([]), seeds=1)


def test_what_is_printed_names_seeds_broken_promises_and_faults() -> None:
    console = Console(record=True, width=120)
    print_report(as_json([played(7, system="a", checked=3, violations=("twice",), problem="stuck")]), console)
    text = console.export_text()
    for each in ("1 seeds, 1 broken", "at most once", "seed 7: twice", "seed 7 stuck", "kill beat", "disk_full"):
        assert each in text


@pytest.mark.parametrize(
    ("seeds", "jobs", "expected"),
    [
        (200, 2, [(3000, 100), (3100, 100)]),
        (5, 2, [(3000, 3), (3003, 2)]),
        (1, 4, [(3000, 1)]),
    ],
)
def test_every_seed_is_in_one_share(seeds: int, jobs: int, expected: list[tuple[int, int]]) -> None:
    assert list(shares(3000, seeds, jobs)) == expected
