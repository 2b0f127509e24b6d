"""One inference pass of the default models over the symbols of the recorded candles, without the database.

Target: 150 ms for 15 symbols. Also times what comes before it: learning walk-forward, end to end, within 2 minutes.
Run: `python -m bench.ensemble_inference [FOLDER_OF_KLINE_CSV]` (default: QT_TEST_DATA/klines or ../shared/data/klines).
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from app.adapters.kline_files import RecordedCandles
from app.adapters.models.catalogue import open_families
from app.domain.ensemble.combine import combine
from app.domain.ensemble.features import WINDOW_MINUTES
from app.domain.ensemble.opinions import Opinion, Vote
from app.domain.ensemble.samples import newest_inputs, samples_of
from app.domain.ensemble.series import CandleSeries, series_of
from app.ports.forecasting import Model, NotInstalled
from app.services.engine.ask_models import AskModels
from app.services.engine.learn_family import Learnt, learn_family, measure_ensemble

HORIZON_MINUTES = 15
ROUNDS = 50
TARGET_MS = 150.0
TRAINING_TARGET_SECONDS = 120.0
REPOSITORY = Path(__file__).resolve().parents[1]
DEFAULT_FAMILIES = ("xgboost", "lightgbm")


class Served:
    """A learnt family behind the protocol of models, as the engine serves it but for the file."""

    def __init__(self, family: str, learnt: Learnt) -> None:
        self.name, self.version = family, f"{family}-bench"
        self._trained, self._calibration = learnt.trained, learnt.calibration

    def predict(self, window: CandleSeries) -> Opinion:
        inputs = newest_inputs(window)
        assert inputs is not None
        probability = self._calibration(self._trained.scores(inputs))[0].item()
        return Vote(model=self.name, version=self.version, probability=probability)


def main() -> None:
    data = Path(os.environ.get("QT_TEST_DATA") or REPOSITORY.parent / "shared" / "data")
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else data / "klines"
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load of the last minute {os.getloadavg()[0]:.1f}", flush=True)
    began = time.perf_counter()
    recorded = RecordedCandles.from_folder(folder)
    many = [series_of(name, recorded.candles(name, from_ms=0, until_ms=2**62)) for name in recorded.symbols]
    samples = samples_of(many, horizon_minutes=HORIZON_MINUTES)
    families = open_families(threads=1)
    learnt: dict[str, Learnt] = {}
    for name in DEFAULT_FAMILIES:
        learner = families[name]
        assert not isinstance(learner, NotInstalled), learner
        learnt[name] = learn_family(learner, samples, horizon_minutes=HORIZON_MINUTES)
        print(f"{name:<10} {learnt[name].metrics.walk_forward.sentence}")
    skill, _ = measure_ensemble(learnt, horizon_minutes=HORIZON_MINUTES)
    print(f"{'ensemble':<10} {skill.sentence}")
    seconds = time.perf_counter() - began
    verdict = "met" if seconds <= TRAINING_TARGET_SECONDS else "MISSED"
    print(f"reading, walk-forward and training, {len(many)} symbols, {len(samples)} samples: {seconds:.1f} s", end=" ")
    print(f"(target {TRAINING_TARGET_SECONDS:.0f} s: {verdict})", flush=True)

    # The newest stretch of each recording that has no gap.
    windows = [next(w for w in _ends(series) if newest_inputs(w) is not None) for series in many]
    models: dict[str, Model] = {name: Served(name, each) for name, each in learnt.items()}
    skills = {name: each.metrics.walk_forward for name, each in learnt.items()}
    ask = AskModels(deadline_seconds=10.0)
    times, processor_times = [], []
    for _ in range(ROUNDS):
        started, processor_started = time.perf_counter(), time.process_time()
        said = ask(models, windows)
        for number in range(len(windows)):
            combine([opinions[number] for opinions in said.values()], skills)
        times.append((time.perf_counter() - started) * 1000)
        processor_times.append((time.process_time() - processor_started) * 1000)
    median = statistics.median(times)
    print(f"one pass, {len(windows)} symbols, {len(models)} models: median {median:.0f} ms, ", end="")
    print(f"fastest {min(times):.0f}, slowest {max(times):.0f} (target {TARGET_MS:.0f} ms: ", end="")
    print(
        f"{'met' if median <= TARGET_MS else 'MISSED'}); of it {statistics.median(processor_times):.0f} ms of processor"
    )


def _ends(series: CandleSeries) -> list[CandleSeries]:
    return [series.taken(slice(end - WINDOW_MINUTES, end)) for end in range(len(series), WINDOW_MINUTES, -1)]


if __name__ == "__main__":
    main()
