"""Whoever does not run the AI engine does not load what computes forecasts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import celeryconfig
from app.flow import ENGINE_SWEEPS, Queue

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("numpy", "scipy", "xgboost", "lightgbm", "onnxruntime", "torch", "app.domain.ensemble.series")
LOADS = """
import sys
import tasks.app, web.application, app.bootstrap.wiring, app.health.application, app.listener
tasks.app.app.loader.import_default_modules()
print(*[name for name in sys.modules if name in {heavy}])
"""


def test_no_process_but_the_engines_loads_what_computes_forecasts() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADS.format(heavy=set(HEAVY))],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.split() == []


def test_beat_hints_the_engine_only_where_one_runs() -> None:
    assert {step.queue for step in ENGINE_SWEEPS} == {Queue.AI}
    assert not {step.task for step in ENGINE_SWEEPS} & set(celeryconfig.beat_schedule)
    done = subprocess.run(
        [sys.executable, "-c", "import celeryconfig; print(*celeryconfig.beat_schedule)"],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60, env={"PATH": "", "QT_ENGINE": "1"},
    )  # fmt: skip
    assert {step.task for step in ENGINE_SWEEPS} <= set(done.stdout.split())
