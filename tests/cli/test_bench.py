"""`./qt bench` as a program: its quickest rows against real servers, and what it does with a stored report."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bench.report.rows import Target, TargetOf
from tests.support.system import REPOSITORY

SECONDS_MAX = 110.0
SCHEMA = json.loads((REPOSITORY / "bench" / "report" / "schema.json").read_text())


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "app.cli", "bench", *arguments],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS_MAX,
    )


@pytest.fixture(scope="module")
def measured() -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    done = bench("window", "budget", "--quick", "--rounds", "3", "--json")
    assert done.returncode in (0, 1), done.stderr
    return done, json.loads(done.stdout)


@pytest.mark.integration
def test_the_quickest_rows_obey_the_schema_and_every_ratio_is_that_of_measured_medians(
    measured: tuple[subprocess.CompletedProcess[str], dict[str, Any]],
) -> None:
    done, report = measured
    jsonschema.validate(report, SCHEMA)
    assert {row["section"] for row in report["rows"]} == {"window", "budget"}
    for row in report["rows"]:
        assert row["reason"] is None or row["reason"].endswith("not installed"), row["reason"]
        assert row["ours"]["median"] == statistics.median(row["ours"]["rounds"]) > 0
        assert len(row["ours"]["rounds"]) == 3
        if "missing" in row["limit"]:
            continue
        assert row["ratio"]["of_medians"] == row["ours"]["median"] / row["limit"]["median"]
        target = Target(TargetOf(row["target"]["of"]), row["target"]["bound"], row["target"]["sense"] == "at least")
        assert (row["verdict"] == "met") == target.is_met(row["ratio"]["of_medians"])
    assert done.returncode == int(any(row["verdict"] != "met" for row in report["rows"]))
    assert "window:" in done.stderr  # progress goes where it does not disturb the JSON


@pytest.mark.integration
def test_a_stored_report_is_shown_and_drawn_without_measuring(
    measured: tuple[subprocess.CompletedProcess[str], dict[str, Any]], tmp_path: Path
) -> None:
    stored, chart = tmp_path / "report.json", tmp_path / "chart.svg"
    stored.write_text(measured[0].stdout)
    done = bench("--from", str(stored), "--markdown", "--chart", str(chart))
    assert done.returncode == measured[0].returncode
    assert done.stderr == ""
    assert done.stdout.startswith("| what | ours |")
    assert all(row["what"] in done.stdout for row in measured[1]["rows"])
    assert chart.read_text().startswith("<svg")


def test_a_file_that_is_no_report_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("2026 [warning] {}")
    done = bench("--from", str(tmp_path / "report.json"))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "is no report that --json printed" in done.stderr


def test_an_unknown_row_is_one_line_and_exit_code_1() -> None:
    done = bench("windwo")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("qt: nothing called 'windwo' is measured; there is: window, budget, disk")
