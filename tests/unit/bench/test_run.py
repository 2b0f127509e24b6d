"""Which sections a run takes, what becomes of one that fails, and of a library that is not installed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import structlog

from bench.peers import as_told, installed
from bench.report.rows import Missing, Row, Series, Told, Verdict
from bench.run import SECTIONS, Bench, UnknownRowError, chosen, leave_callers_system, log_to_stderr, measure
from bench.whole_system import Samples, Seen, saturation


def quiet_bench(tmp_path: Path) -> Bench:
    return Bench(quick=True, tell=lambda line: None, folder=tmp_path)


def test_without_names_everything_is_measured_and_names_choose_sections_in_their_order() -> None:
    assert list(chosen([])) == list(SECTIONS)
    assert list(chosen(["disk", "window-offer-1-in-10"])) == ["window", "disk"]


def test_a_name_that_is_not_measured_is_said() -> None:
    with pytest.raises(UnknownRowError, match="windwo"):
        chosen(["windwo-offer"])


def test_every_section_is_a_module_of_the_benches() -> None:
    assert [each.module for each in SECTIONS.values() if find_spec(each.module) is None] == []


def test_those_that_use_the_whole_system_stand_together() -> None:
    uses = [section.uses_system for section in SECTIONS.values()]
    assert sum(now != before for before, now in zip([False, *uses], [*uses, False], strict=True)) == 2


def test_a_section_that_fails_keeps_what_it_had_and_says_why(tmp_path: Path) -> None:
    def rows() -> Iterator[Told]:
        yield Row(name="window-one", what="one", unit="", ours=Series("ours", [1.0]))
        raise OSError("no such server")

    kept, failed = measure(quiet_bench(tmp_path), "window", rows)
    assert isinstance(kept, Row)
    assert isinstance(failed, Row)
    assert (kept.name, failed.name) == ("window-one", "window-failed")
    assert (failed.verdict, failed.reason) == (Verdict.NOT_MEASURED, "failed: no such server")


def test_a_mistake_in_a_bench_is_no_result(tmp_path: Path) -> None:
    def rows() -> Iterator[Told]:
        yield from ()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        measure(quiet_bench(tmp_path), "window", rows)


def test_a_bench_never_works_on_the_callers_own_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"QT_REDIS_URL": "redis://mine", "QT_TEST_DATA": "/data", "HOME": "/home"})
    leave_callers_system()
    assert os.environ == {"QT_TEST_DATA": "/data", "HOME": "/home"}


def test_what_is_logged_while_measuring_never_stands_in_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    before = structlog.get_config()
    try:
        log_to_stderr()
        structlog.get_logger("measured").warning("event_stream_mended")
    finally:
        structlog.configure(**before)
    output, errors = capsys.readouterr()
    assert (output, "event_stream_mended" in errors) == ("", True)


def test_rounds_that_were_asked_for_are_taken(tmp_path: Path) -> None:
    bench = quiet_bench(tmp_path)
    assert bench.rounds(40, quick=5) == 5
    bench.rounds_asked = 2
    assert bench.rounds(40, quick=5) == 2


def test_a_library_that_is_not_installed_is_told_so_and_not_measured() -> None:
    def never() -> Iterator[None]:
        raise AssertionError("its contender was made")

    peers = {"mine": ("pytest", lambda: lambda: 1.0), "theirs": ("no-such-library", never)}
    contenders = installed(peers)  # type: ignore[arg-type]
    assert list(contenders) == ["mine"]
    mine, theirs = as_told(peers, {"mine": Series("mine", [1.0])})  # type: ignore[arg-type]
    assert isinstance(mine, Series)
    assert mine.name == f"mine {pytest.__version__}"
    assert theirs == Missing("theirs", "not installed")


def seen(*, orders: int = 0, machine: float = 0.1, in_flight: int = 0, busiest: float = 0.1) -> Seen:
    return Seen(
        seconds=10.0,
        source="signals",
        posted=100,
        refused=Counter(),
        states=Counter({"DROPPED": 9, "EXECUTED": 1}),
        orders=orders,
        cores={"web": busiest, "worker-orders": 0.05},
        core_count=2,
        samples=Samples(
            window=[100] * 10, in_flight=[in_flight] * 10, queues={"orders": [0, 3]}, machine=[machine] * 10
        ),
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"orders": 190, "machine": 1.0}, "the exchange's order budget (95%"),
        ({"machine": 0.95, "busiest": 1.2}, "the machine's cores (95% busy; most by web: 1.20 of a core)"),
        ({"machine": 0.95, "busiest": 0.3}, "not to be told: the machine was 95% busy, most of it with other things"),
        ({"busiest": 0.95}, "one process, web"),
        ({"in_flight": 10}, "the credit of dispatch"),
        ({}, "nothing"),
    ],
)
def test_what_is_full_first_is_read_from_what_was_measured(values: dict[str, float], words: str) -> None:
    told = saturation(seen(**values))  # type: ignore[arg-type]
    assert told.startswith(words)
    assert "The window was full in 100% of the samples" in told
    assert "orders 3" in told
    assert "DROPPED 90.0%, EXECUTED 10.0%" in told
