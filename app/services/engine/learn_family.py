"""One family learns walk-forward: every figure about it comes from forecasts of what it had not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.domain.ensemble.calibration import Calibration, fit_calibration, reliability_of
from app.domain.ensemble.measure import log_losses, measure_skill
from app.domain.ensemble.samples import Samples
from app.domain.ensemble.series import Floats
from app.domain.ensemble.skill import Skill
from app.domain.ensemble.versions import Metrics, ReliabilityBin
from app.domain.ensemble.walk_forward import FOLDS, Fold, folds_of
from app.ports.forecasting import Learner, Trained

SAMPLES_MIN = 500
FOLD_SAMPLES_MIN = 20
NOT_CALIBRATED = Calibration(slope=0.0, center=0.0)


class TooLittleDataError(Exception):
    """Not enough moments to learn from and be tested on; the message has the numbers."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Tested:
    """Forecasts of one fold made before the fact, calibrated by the folds before it."""

    fold: Fold
    samples: Samples
    scores: Floats
    calibration: Calibration

    @property
    def probabilities(self) -> Floats:
        """What the version would have voted."""
        return self.calibration(self.scores)

    @property
    def leanings(self) -> Floats:
        """What the model itself said, with nothing taken off. Skill is measured by these: calibration may have taken
        off everything, and then there would be nothing left to measure."""
        return Calibration(slope=1.0, center=self.calibration.center)(self.scores)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Learnt:
    """The model of the last fold, which is the one that serves, and the forecasts of all folds."""

    trained: Trained
    calibration: Calibration
    tested: Sequence[Tested]
    learnt_from: Samples
    metrics: Metrics

    @property
    def data_to_ms(self) -> int:
        """It has seen nothing from this moment on."""
        return self.tested[-1].fold.from_ms


def learn_family(learner: Learner, samples: Samples, *, horizon_minutes: int) -> Learnt:
    """Fit once per fold; calibrate each fold by the folds before it. Raises `TooLittleDataError`.

    The model of the last fold serves as it was tested; it is not fitted again on the data that tested it.
    """
    if len(samples) < SAMPLES_MIN:
        raise TooLittleDataError(f"too little history: {len(samples)} moments to learn from, {SAMPLES_MIN} are needed")
    tested: list[Tested] = []
    trained: Trained | None = None
    seen, calibration = samples, NOT_CALIBRATED
    for fold in folds_of(samples):
        seen, test = samples.where(fold.to_learn(samples)), samples.where(fold.to_test(samples))
        if min(len(seen), len(test)) < FOLD_SAMPLES_MIN or seen.rises.all() or not seen.rises.any():
            raise TooLittleDataError(
                f"too little history: fold {fold.number + 1} of {FOLDS} has {len(seen)} moments to learn from "
                f"and {len(test)} to be tested on"
            )
        trained = learner.fit(seen.inputs, seen.rises)
        calibration = _calibration_before(fold, tested, horizon_minutes)
        tested.append(Tested(fold=fold, samples=test, scores=trained.scores(test.inputs), calibration=calibration))
    assert trained is not None
    return Learnt(
        trained=trained,
        calibration=calibration,
        tested=tested,
        learnt_from=seen,
        metrics=_metrics(tested, horizon_minutes),
    )


def _calibration_before(fold: Fold, tested: Sequence[Tested], horizon_minutes: int) -> Calibration:
    """Fitted on the forecasts whose outcomes had come before the fold."""
    if not tested:
        return NOT_CALIBRATED
    known = [each.samples.known_ms <= fold.from_ms for each in tested]
    return fit_calibration(
        np.concatenate([each.scores[mask] for each, mask in zip(tested, known, strict=True)]),
        np.concatenate([each.samples.rises[mask] for each, mask in zip(tested, known, strict=True)]),
        overlap=horizon_minutes,
    )


def _metrics(tested: Sequence[Tested], horizon_minutes: int) -> Metrics:
    calibrated = tested[1:]  # the first fold had nothing to calibrate by
    probabilities = np.concatenate([each.probabilities for each in calibrated])
    rises = np.concatenate([each.samples.rises for each in calibrated])
    return Metrics(
        walk_forward=skill_over(calibrated, [each.leanings for each in calibrated], horizon_minutes),
        holdout=skill_over(tested[-1:], [tested[-1].leanings], horizon_minutes),
        log_loss=log_losses(probabilities, rises).mean().item(),
        brier=((probabilities - rises) ** 2).mean().item(),
        reliability=reliability_of(probabilities, rises),
    )


def skill_over(tested: Sequence[Tested], probabilities: Sequence[Floats], horizon_minutes: int) -> Skill:
    """The skill of forecasts over several folds."""
    return measure_skill(
        np.concatenate(probabilities),
        np.concatenate([each.samples.rises for each in tested]),
        np.concatenate([each.samples.at_ms for each in tested]),
        horizon_minutes=horizon_minutes,
    )


def measure_ensemble(families: Mapping[str, Learnt], *, horizon_minutes: int) -> tuple[Skill, Sequence[ReliabilityBin]]:
    """The ensemble's own skill: each fold's votes weighed by the skill that the folds before it showed.

    While no family has shown any, all count alike: then this measures whether there was something to be found.
    """
    folds = [families[name].tested for name in sorted(families)]
    leanings, probabilities, rows = [], [], []
    for number in range(2, FOLDS):
        before = [each[1:number] for each in folds]
        merits = np.array([skill_over(each, [one.leanings for one in each], horizon_minutes).merit for each in before])
        weights = merits / merits.sum() if merits.sum() > 0.0 else np.full(len(folds), 1.0 / len(folds))
        leanings.append(weights @ np.stack([each[number].leanings for each in folds]))
        probabilities.append(weights @ np.stack([each[number].probabilities for each in folds]))
        rows.append(folds[0][number])
    rises = np.concatenate([each.samples.rises for each in rows])
    return skill_over(rows, leanings, horizon_minutes), reliability_of(np.concatenate(probabilities), rises)
