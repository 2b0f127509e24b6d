"""The chaos command on fixed seeds: short, so that every run of the suite has been under fire."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.support.system import REPOSITORY

pytestmark = [pytest.mark.timeout(300)]

FIRST_SEED, SEEDS, SECONDS = 7, 2, 10


def test_every_promise_holds_under_the_faults_of_fixed_seeds() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("QT_")}
    done = subprocess.run(
        [
            *(sys.executable, "-P", "-m", "app.cli", "chaos", "--json", "--rate", "10"),
            *("--seed", str(FIRST_SEED), "--seeds", str(SEEDS), "--seconds", str(SECONDS)),
        ],
        env=environment | {"PYTHONPATH": str(REPOSITORY)},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.stdout, done.stderr[-3_000:]
    report = json.loads(done.stdout)
    broken = {name: each["violations"] for name, each in report["promises"].items() if each["violations"]}
    assert (broken, report["problems"]) == ({}, {}), done.stderr[-3_000:]
    assert done.returncode == 0
    assert len(report["seeds"]) == SEEDS
    assert report["signals"] > SECONDS * SEEDS * 5
    assert report["orders"] > 20
    assert len(report["injected"]) >= 7
