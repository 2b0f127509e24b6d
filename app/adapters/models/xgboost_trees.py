"""Gradient boosting with xgboost, CPU only."""

from __future__ import annotations

from typing import Any

import numpy as np
import xgboost

from app.domain.ensemble.samples import Inputs
from app.domain.ensemble.series import Booleans, Floats
from app.ports.forecasting import UnreadableModelError

TREES = 60
# Shallow, slow, and only leaves that many samples agree on: minutes are mostly noise.
PARAMETERS: dict[str, Any] = {
    "objective": "binary:logistic",
    "tree_method": "hist",
    "max_bin": 64,
    "max_depth": 4,
    "eta": 0.05,
    "min_child_weight": 50.0,
    "subsample": 0.7,
    "colsample_bytree": 0.7,
    "lambda": 5.0,
    "seed": 7,
    "verbosity": 0,
}


class XgboostTrees:
    """A booster that answers in log odds."""

    def __init__(self, booster: xgboost.Booster) -> None:
        self._booster = booster

    def scores(self, inputs: Inputs) -> Floats:
        rows = inputs.features.astype(np.float32)
        return np.asarray(self._booster.inplace_predict(rows, predict_type="margin"), dtype=np.float64)

    def dump(self) -> bytes:
        return bytes(self._booster.save_raw("ubj"))


class XgboostLearner:
    """`app.ports.forecasting.Learner`."""

    family = "xgboost"

    def __init__(self, *, threads: int, trees: int = TREES) -> None:
        self._parameters = {**PARAMETERS, "nthread": threads}
        self._trees = trees

    def fit(self, inputs: Inputs, rises: Booleans) -> XgboostTrees:
        data = xgboost.QuantileDMatrix(
            inputs.features.astype(np.float32),
            label=rises.astype(np.float32),
            max_bin=PARAMETERS["max_bin"],
            nthread=self._parameters["nthread"],
        )
        return XgboostTrees(xgboost.train(self._parameters, data, num_boost_round=self._trees))

    def load(self, content: bytes) -> XgboostTrees:
        booster = xgboost.Booster({"nthread": self._parameters["nthread"]})
        try:
            booster.load_model(bytearray(content))
        except xgboost.core.XGBoostError as error:
            raise UnreadableModelError(f"not an xgboost model: {str(error).splitlines()[0]}") from error
        return XgboostTrees(booster)
