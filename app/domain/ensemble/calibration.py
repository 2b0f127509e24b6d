"""From a model's score to a probability that means what it says, fitted on forecasts it made out of sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.domain.ensemble.series import Booleans, Floats
from app.domain.ensemble.versions import ReliabilityBin

# Prior: a slope of zero, give or take one. Without evidence the probability is a half.
_SLOPE_PRECISION = 1.0
_STEPS_MAX = 25
_CLOSE_ENOUGH = 1e-9
_SCORE_MAX = 10.0
RELIABILITY_BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """probability = sigmoid(slope * (score - center)); the score is the model's own log odds.

    There is no constant beside it: a forecast leans only by what tells this moment from the others. That the market
    rose in the hours before is no knowledge of the next quarter of an hour.
    """

    slope: float
    center: float

    def __call__(self, scores: Floats) -> Floats:
        return sigmoid(self.slope * (np.clip(scores, -_SCORE_MAX, _SCORE_MAX) - self.center))


def sigmoid(values: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-values)))


def fit_calibration(scores: Floats, rises: Booleans, *, overlap: int) -> Calibration:
    """A logistic fit of the slope with a prior on none. `overlap`: how many samples share one piece of evidence.

    Outcomes over 15 minutes that begin a minute apart are nearly one outcome: each counts as a fifteenth. A model whose
    scores went against what came gets a slope of zero, not a negative one: it is not trusted the other way round.
    """
    if len(scores) == 0:
        return Calibration(slope=0.0, center=0.0)
    bounded = np.clip(scores, -_SCORE_MAX, _SCORE_MAX)
    center = bounded.mean().item()
    x, y = bounded - center, rises.astype(np.float64)
    weight, slope = 1.0 / overlap, 0.0
    for _ in range(_STEPS_MAX):
        p = sigmoid(slope * x)
        gradient = (weight * (p - y) * x).sum().item() + _SLOPE_PRECISION * slope
        curvature = (weight * p * (1.0 - p) * x * x).sum().item() + _SLOPE_PRECISION
        step = gradient / curvature
        slope -= step
        if abs(step) < _CLOSE_ENOUGH:
            break
    return Calibration(slope=max(0.0, slope), center=center)


def reliability_of(probabilities: Floats, rises: Booleans) -> Sequence[ReliabilityBin]:
    """At most ten parts of the forecasts by size, each with what it said and what came: the calibration plot.

    Equal forecasts are one part: a model that says the same of everything makes one point.
    """
    if len(probabilities) == 0:
        return ()
    edges = np.unique(np.quantile(probabilities, np.linspace(0.0, 1.0, RELIABILITY_BINS + 1)))
    number = np.clip(np.searchsorted(edges, probabilities, side="right") - 1, 0, max(0, len(edges) - 2))
    parts = [number == each for each in np.unique(number)]
    return tuple(
        ReliabilityBin(
            low=probabilities[part].min().item(),
            high=probabilities[part].max().item(),
            forecast=probabilities[part].mean().item(),
            observed=rises[part].mean().item(),
            samples=part.sum().item(),
        )
        for part in parts
    )
