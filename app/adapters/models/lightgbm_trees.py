"""Gradient boosting with lightgbm."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np

from app.domain.ensemble.samples import Inputs
from app.domain.ensemble.series import Booleans, Floats
from app.ports.forecasting import UnreadableModelError

TREES = 60
# Leaf-wise where xgboost goes by depth, other columns and rows: what the two agree on is less likely to be chance.
PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "num_leaves": 12,
    "max_bin": 63,
    "learning_rate": 0.05,
    "min_data_in_leaf": 200,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "feature_fraction": 0.6,
    "lambda_l2": 5.0,
    "seed": 11,
    "deterministic": True,
    "force_col_wise": True,
    "verbosity": -1,
}


class LightgbmTrees:
    """A booster that answers in log odds."""

    def __init__(self, booster: lightgbm.Booster, threads: int) -> None:
        self._booster = booster
        self._threads = threads

    def scores(self, inputs: Inputs) -> Floats:
        rows = inputs.features.astype(np.float32)
        return np.asarray(
            self._booster.predict(rows, raw_score=True, num_threads=self._threads, validate_features=False),
            dtype=np.float64,
        )

    def dump(self) -> bytes:
        return self._booster.model_to_string().encode()


class LightgbmLearner:
    """`app.ports.forecasting.Learner`."""

    family = "lightgbm"

    def __init__(self, *, threads: int, trees: int = TREES) -> None:
        self._parameters = {**PARAMETERS, "num_threads": threads}
        self._trees = trees

    def fit(self, inputs: Inputs, rises: Booleans) -> LightgbmTrees:
        data = lightgbm.Dataset(
            inputs.features.astype(np.float32),
            label=rises.astype(np.float32),
            params={"max_bin": PARAMETERS["max_bin"], "verbosity": -1},
        )
        booster = lightgbm.train(self._parameters, data, num_boost_round=self._trees)
        return LightgbmTrees(booster, self._parameters["num_threads"])

    def load(self, content: bytes) -> LightgbmTrees:
        try:
            booster = lightgbm.Booster(model_str=content.decode())
        except (lightgbm.basic.LightGBMError, UnicodeDecodeError) as error:
            raise UnreadableModelError(f"not a lightgbm model: {str(error).splitlines()[0]}") from error
        return LightgbmTrees(booster, self._parameters["num_threads"])
