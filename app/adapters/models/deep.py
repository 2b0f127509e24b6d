"""PatchTST and N-HiTS of the library neuralforecast, on the CPU; optional, because they need torch.

Both learn to continue a sequence: the first part of each window in, the rest of the same window to be forecast. So they
learn from closed candles alone, and the sum of what they forecast is their score; what it is worth as a probability is
the calibration's business, as with every family.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pandas
import torch
from neuralforecast import NeuralForecast
from neuralforecast.losses.pytorch import MAE
from neuralforecast.models import NHITS, PatchTST

from app.domain.ensemble.features import WINDOW_MINUTES
from app.domain.ensemble.samples import Inputs
from app.domain.ensemble.series import Booleans, Floats
from app.ports.forecasting import UnreadableModelError

STEPS = 15
INPUT_MINUTES = WINDOW_MINUTES - 1 - STEPS
LEARNT_WINDOWS_MAX = 2_000  # windows a minute apart say nearly the same: these are spread evenly
TRAINING_STEPS = 150
BATCH_ROWS = 4_096
COMMON: dict[str, Any] = {
    "h": STEPS,
    "input_size": INPUT_MINUTES,
    "loss": MAE(),
    "max_steps": TRAINING_STEPS,
    "learning_rate": 1e-3,
    "windows_batch_size": 256,
    "batch_size": 64,
    "random_seed": 7,
    "accelerator": "cpu",
    "devices": 1,
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
PATCHTST: dict[str, Any] = {
    "encoder_layers": 2,
    "n_heads": 4,
    "hidden_size": 32,
    "linear_hidden_size": 64,
    "patch_len": 9,
    "stride": 4,
}
NHITS_SIZES: dict[str, Any] = {
    "mlp_units": [[64, 64]] * 3,
    "n_pool_kernel_size": [3, 2, 1],
    "n_freq_downsample": [5, 2, 1],
}


class DeepModel:
    """A network that continues sequences."""

    def __init__(self, network: Any) -> None:
        self._network = network.eval()

    def scores(self, inputs: Inputs) -> Floats:
        """The sum of the forecast returns, in units of the window's volatility over as many minutes."""
        parts = [
            self._continued(inputs.sequences[begins : begins + BATCH_ROWS])
            for begins in range(0, len(inputs), BATCH_ROWS)
        ]
        return np.concatenate(parts) / np.sqrt(STEPS) if parts else np.empty(0)

    def _continued(self, sequences: Floats) -> Floats:
        known = torch.from_numpy(sequences[:, -INPUT_MINUTES:].astype(np.float32)).unsqueeze(-1)
        batch = {
            "insample_y": known,
            "insample_mask": torch.ones_like(known),
            "futr_exog": None,
            "hist_exog": None,
            "stat_exog": None,
        }
        with torch.no_grad():
            forecast = self._network(batch)
        return np.asarray(forecast.reshape(len(sequences), -1).sum(dim=1).numpy(), dtype=np.float64)

    def dump(self) -> bytes:
        """The weights alone; the shape of the network is this file's."""
        content = io.BytesIO()
        torch.save(self._network.state_dict(), content)
        return content.getvalue()


class DeepLearner:
    """`app.ports.forecasting.Learner` over one architecture of the library."""

    family: ClassVar[str]
    build: ClassVar[Callable[[], Any]]

    def __init__(self, *, threads: int) -> None:
        torch.set_num_threads(threads)
        logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)

    def fit(self, inputs: Inputs, rises: Booleans) -> DeepModel:
        chosen = np.unique(np.linspace(0, len(inputs) - 1, LEARNT_WINDOWS_MAX).astype(int))
        rows = inputs.sequences[chosen]
        count, length = rows.shape
        frame = pandas.DataFrame(
            {
                "unique_id": np.repeat(np.arange(count), length),
                "ds": np.tile(np.arange(length), count),
                "y": rows.reshape(-1).astype(np.float32),
            }
        )
        library = NeuralForecast(models=[type(self).build()], freq=1)
        library.fit(df=frame)
        return DeepModel(library.models[0])

    def load(self, content: bytes) -> DeepModel:
        network = type(self).build()
        try:
            # Weights only: a file of models is data and may not bring code along.
            network.load_state_dict(torch.load(io.BytesIO(content), weights_only=True))
        except Exception as error:  # the library lets whatever its formats raise come through
            raise UnreadableModelError(f"not a {self.family} model: {type(error).__name__}") from error
        return DeepModel(network)


class PatchTstLearner(DeepLearner):
    """PatchTST: a transformer over patches of the sequence (Nie et al., 2023)."""

    family = "patchtst"
    build = staticmethod(lambda: PatchTST(**COMMON, **PATCHTST))


class NhitsLearner(DeepLearner):
    """N-HiTS: interpolated forecasts at several rates (Challu et al., 2022)."""

    family = "nhits"
    build = staticmethod(lambda: NHITS(**COMMON, **NHITS_SIZES))
