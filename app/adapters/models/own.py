"""The user's own models: a class of theirs, or an ONNX file over our features. See docs/own_models.md."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from app.domain.ensemble.absent import AbsentModel
from app.domain.ensemble.features import FEATURE_NAMES, WINDOW_MINUTES
from app.domain.ensemble.opinions import Abstention, AbstentionCode, Opinion, Vote
from app.domain.ensemble.samples import newest_inputs
from app.domain.ensemble.series import CandleSeries
from app.ports.forecasting import Model

ONNX_SUFFIX = ".onnx"


class OwnModelError(ValueError):
    """A model of the user's that is no model; the message says what is wrong with it."""


class OnnxModel:
    """One row of our features in (float32, [1, n]), the probability of a rise out.

    The last output counts: one number, or the probabilities of two classes of which the second is the rise, as
    scikit-learn's converters make it (without `zipmap`). Its version is the checksum of the file.
    """

    def __init__(self, path: Path) -> None:
        import onnxruntime

        content = path.read_bytes()
        self.name = path.stem
        self.version = f"{path.stem}-{hashlib.sha256(content).hexdigest()[:12]}"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session: Any = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].shape[-1] != len(FEATURE_NAMES):
            shapes = [each.shape for each in inputs]
            raise OwnModelError(f"{path.name} takes {shapes}; one row of {len(FEATURE_NAMES)} features is given")
        self._input: str = inputs[0].name

    def predict(self, window: CandleSeries) -> Opinion:
        inputs = newest_inputs(window)
        if inputs is None:
            return Abstention(
                model=self.name,
                version=self.version,
                code=AbstentionCode.TOO_LITTLE_HISTORY,
                reason=f"the newest {WINDOW_MINUTES} candles without a gap are needed",
            )
        answer = np.asarray(self._session.run(None, {self._input: inputs.features.astype(np.float32)})[-1])
        return Vote(model=self.name, version=self.version, probability=float(answer.reshape(-1)[-1]))


def open_own_models(listed: str, *, taken: Collection[str]) -> Sequence[Model]:
    """Every model named in `QT_ENGINE_MODELS`; one that cannot be opened abstains with the reason. `taken`: names."""
    models: list[Model] = []
    names = set(taken)
    for entry in filter(None, (part.strip() for part in listed.split(","))):
        model = _open(entry)
        if model.name in names:
            model = AbsentModel(f"{model.name}-2", AbstentionCode.FAILED, f"the name {model.name} is taken")
        names.add(model.name)
        models.append(model)
    return models


def _open(entry: str) -> Model:
    name = Path(entry).stem if entry.endswith(ONNX_SUFFIX) else entry.rpartition(":")[2] or entry
    try:
        return OnnxModel(Path(entry).expanduser()) if entry.endswith(ONNX_SUFFIX) else _instance(entry)
    except ModuleNotFoundError as error:
        return AbsentModel(name, AbstentionCode.NOT_INSTALLED, f"not installed: {error.name} is missing")
    except FileNotFoundError:
        return AbsentModel(name, AbstentionCode.FILE_MISSING, f"there is no file {entry}")
    except Exception as error:  # noqa: BLE001 (somebody else's code and file, which may fail in any way; it is shown)
        return AbsentModel(name, AbstentionCode.FAILED, f"{type(error).__name__}: {error}"[:200])


def _instance(entry: str) -> Model:
    module, _, attribute = entry.partition(":")
    if not attribute:
        raise OwnModelError(f"{entry!r} is neither package.module:Class nor an {ONNX_SUFFIX} file")
    model: Any = getattr(import_module(module), attribute)()
    for part in ("name", "version"):
        if not isinstance(getattr(model, part, None), str):
            raise OwnModelError(f"{entry} has no text {part!r}")
    if not callable(getattr(model, "predict", None)):
        raise OwnModelError(f"{entry} has no method predict(window)")
    found: Model = model
    return found
