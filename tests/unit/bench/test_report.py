"""The report: what it stores obeys the schema, and every form of it says what was met, missed or not measured."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from rich.console import Console

from bench.report.chart import SCORE_MAX, draw, score_of
from bench.report.docs import BEGIN, CHART, END, PAGE, README, MarkMissingError, put_between, write_documents
from bench.report.document import document, exit_code, figure
from bench.report.rows import (
    Better,
    Curve,
    Finding,
    Missing,
    Point,
    Row,
    Series,
    Told,
    ours_at_most,
    ratio_at_least,
)
from bench.report.table import markdown, print_report

SCHEMA = json.loads((Path(__file__).parents[3] / "bench" / "report" / "schema.json").read_text())
MACHINE = {
    "cpu": "a processor",
    "cores": 2,
    "memory_gib": 4.0,
    "system": "Linux",
    "python": "3.11",
    "commit": None,
    "load_before": 0.1,
    "load_after": 2.0,
}
MET = Row(
    name="window-offer",
    what="offer <one>",
    unit="calls/s",
    ours=Series("ours", [90.0, 80.0, 70.0]),
    limit=Series("bare EVALSHA", [100.0, 100.0, 100.0]),
    peers=[Series("another 1.0", [40.0]), Missing("a third", "not installed")],
    target=ratio_at_least(0.6),
)
MISSED = Row(
    name="intake-p99",
    what="p99",
    unit="ms",
    better=Better.LOWER,
    ours=Series("ours", [80.0]),
    target=ours_at_most(50.0),
)
ABSENT = Row(name="whole-failed", what="whole", unit="", ours=Missing("failed", "no server"))
CURVE = Curve(
    name="growth", what="Stored rows", x="rows", unit="ms", lines={"intake": [Point(10, [1.0, 3.0]), Point(100, [4.0])]}
)


def report(*told: Told) -> dict[str, Any]:
    made = document({"window": told}, at="2026-11-28T20:00:00+00:00", machine=MACHINE, quick=True, seconds=12.0)
    jsonschema.validate(made, SCHEMA)
    return made


def test_everything_that_can_be_told_obeys_the_schema_and_survives_being_stored() -> None:
    made = report(MET, MISSED, ABSENT, CURVE, Finding("What is full first", "nothing"))
    assert json.loads(json.dumps(made)) == made


def test_the_stored_ratio_is_that_of_the_stored_medians() -> None:
    stored = report(MET)["rows"][0]
    assert stored["ours"]["rounds"] == [90.0, 80.0, 70.0]
    assert stored["ratio"]["of_medians"] == stored["ours"]["median"] / stored["limit"]["median"] == 0.8
    assert stored["peers"][0]["ours_by_this"] == 2.0
    assert stored["peers"][1] == {"name": "a third", "missing": "not installed"}


def test_a_made_up_verdict_does_not_obey_the_schema() -> None:
    made = report(MET)
    made["rows"][0]["verdict"] = "probably"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(made, SCHEMA)


def test_the_median_of_a_point_is_that_of_its_rounds() -> None:
    points = report(CURVE)["curves"][0]["lines"][0]["points"]
    assert points[0] == {"x": 10, "median": 2.0, "low": 1.0, "high": 3.0}


@pytest.mark.parametrize(
    ("told", "code"),
    [((MET,), 0), ((MET, MISSED), 1), ((MET, ABSENT), 1), ((CURVE,), 0)],
    ids=["met", "missed", "not measured", "nothing to judge"],
)
def test_the_exit_code_is_1_when_a_target_is_missed_or_something_was_not_measured(
    told: tuple[Told, ...], code: int
) -> None:
    assert exit_code(report(*told)) == code


def test_the_table_and_its_markdown_say_met_missed_and_why_not() -> None:
    made = report(MET, MISSED, ABSENT, CURVE)
    output = io.StringIO()
    print_report(made, Console(file=output, width=250))
    for words in (output.getvalue(), markdown(made)):
        for expected in ("0.80 (0.70..0.90)", "MISSED", "not measured: failed: no server", "a third not installed"):
            assert expected in words
        assert "2 x a processor" in words


def test_the_chart_is_well_formed_and_draws_every_target_and_curve() -> None:
    words = "".join(ElementTree.fromstring(draw(report(MET, MISSED, ABSENT, CURVE))).itertext())
    for expected in ("offer <one>", "0.80 x", "80 ms", "another 1.0", "Stored rows"):
        assert expected in words


def test_a_bar_tells_how_many_times_better_than_its_target_a_row_is() -> None:
    met, missed, absent = report(MET, MISSED, ABSENT)["rows"]
    assert score_of(met) == pytest.approx(0.8 / 0.6)
    assert score_of(missed) == pytest.approx(50 / 80)
    assert score_of(absent | {"target": met["target"]}) is None
    none_refused = Row(
        name="orders-refused", what="refused", unit="", ours=Series("ours", [0.0]), target=ours_at_most(0.0)
    )
    assert score_of(report(none_refused)["rows"][0]) == 1.0
    assert score_of(met | {"ratio": {"of_medians": 1e9, "low": 1.0, "high": 1.0}}) == SCORE_MAX


def test_the_documents_get_the_report_between_their_marks_and_nothing_else_changes(tmp_path: Path) -> None:
    (tmp_path / "docs" / "images").mkdir(parents=True)
    for path in (PAGE, README):
        (tmp_path / path).write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    made = report(MET, MISSED)
    assert write_documents(made, tmp_path) == [PAGE, README, CHART]
    for path in (PAGE, README):
        page = (tmp_path / path).read_text()
        assert page.startswith(f"before\n{BEGIN}\n| what |")
        assert page.endswith(f"{END}\nafter\n")
        assert "old" not in page
        assert "MISSED" in page
    written = (tmp_path / README).read_text()
    write_documents(made, tmp_path)
    assert (tmp_path / README).read_text() == written
    assert (tmp_path / CHART).read_text() == draw(made)


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    for path in (PAGE, README):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("no place")
    with pytest.raises(MarkMissingError, match="performance"):
        write_documents(report(MET), tmp_path)
    assert (tmp_path / README).read_text() == "no place"


def test_the_repositorys_own_pages_have_their_marks() -> None:
    for path in (PAGE, README):
        page = (Path(__file__).parents[3] / path).read_text()
        assert put_between(page, "text", path) != page


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0, "0"), (1234.5, "1,234"), (12.34, "12.3"), (1.234, "1.23"), (0.0123, "0.012"), (10.0, "10")],
)
def test_figures_have_three_digits(value: float, words: str) -> None:
    assert figure(value) == words
