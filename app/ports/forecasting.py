"""What the AI engine needs from the world: models, their files, candles, a record, and a way to send signals.

Not among the names of `app.ports`: only the engine imports this page, because windows are arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from app.domain.ensemble.combine import Verdict
from app.domain.ensemble.opinions import Opinion
from app.domain.ensemble.outcomes import Candle, Outcome, WatchedSignal
from app.domain.ensemble.samples import Inputs
from app.domain.ensemble.series import Booleans, CandleSeries, Floats
from app.domain.ensemble.skill import Skill
from app.domain.ensemble.versions import ModelVersion, Role, TrainingRun


class Model(Protocol):
    """Whatever forms an opinion. This is all that a model of your own has to be; see docs/own_models.md."""

    @property
    def name(self) -> str:
        """One word, unique in the ensemble."""
        ...

    @property
    def version(self) -> str | None:
        """Changes whenever the model does: skill is counted by version. None when nobody is there."""
        ...

    def predict(self, window: CandleSeries) -> Opinion:
        """The opinion of the moment after the window's last candle; the window is oldest first and may be short."""
        ...


class Trained(Protocol):
    """What a learner has learnt."""

    def scores(self, inputs: Inputs) -> Floats:
        """One log odds of a rise for each row; not yet calibrated."""
        ...

    def dump(self) -> bytes:
        """What `Learner.load` makes the same of again."""
        ...


class UnreadableModelError(Exception):
    """The bytes are not a model of this learner."""


class Learner(Protocol):
    """A family of models that learns from samples."""

    @property
    def family(self) -> str: ...

    def fit(self, inputs: Inputs, rises: Booleans) -> Trained:
        """Learn; the same samples give the same model."""
        ...

    def load(self, content: bytes) -> Trained:
        """`UnreadableModelError` for anything that `dump` did not make."""
        ...


@dataclass(frozen=True, slots=True)
class NotInstalled:
    """A family whose library is not there."""

    family: str
    reason: str


class ModelFileMissingError(Exception):
    """There is no such file."""


class ModelFileCorruptError(Exception):
    """The file is not the one that was registered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """A file on disk: its name in the folder of models, and what proves that it is the same."""

    name: str
    sha256: str
    size_bytes: int


class ModelFiles(Protocol):
    """The folder of trained models."""

    def save(self, name: str, content: bytes) -> ModelFile:
        """Durable before it returns; raises `OSError`."""
        ...

    def load(self, file: ModelFile) -> bytes:
        """Raises `ModelFileMissingError` or `ModelFileCorruptError`."""
        ...

    def fingerprint(self, name: str) -> object:
        """Changes when the file is touched; None when it is not there. Cheap: asked before every forecast."""
        ...

    def keep_only(self, names: Sequence[str]) -> None:
        """Remove every other model."""
        ...


class CandlesUnavailableError(Exception):
    """The exchange did not tell; carries its cause."""


class Candles(Protocol):
    """The exchange's one-minute candles."""

    def now_ms(self) -> int:
        """The exchange's clock; raises `CandlesUnavailableError`."""
        ...

    def candles(self, symbol: str, *, from_ms: int, until_ms: int) -> Sequence[Candle]:
        """Closed candles that open in [from_ms, until_ms), oldest first; raises `CandlesUnavailableError`."""
        ...


class SignalsNotTakenError(Exception):
    """The API refused the signals or could not be reached; nothing is sent again, the next minute has its own."""


class SignalOutlet(Protocol):
    """The public API, as any producer reaches it."""

    def send(self, signals: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
        """The verdict of each by `signal_id`; raises `SignalsNotTakenError`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What one model said of one symbol at one moment, as recorded; a challenger's is a shadow."""

    symbol: str
    at: datetime
    opinion: Opinion
    is_shadow: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolVerdict:
    """What the ensemble said of one symbol in a pass, and the signal that came of it, if one did."""

    symbol: str
    at: datetime
    verdict: Verdict
    skills: Mapping[str, Skill]
    signal_id: str | None
    reason: str  # why a signal was sent, or why none was


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenForecast:
    """A forecast whose outcome has not been recorded yet."""

    symbol: str
    at: datetime
    model: str
    version: str
    horizon_minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledForecasts:
    """Forecasts of one version with their outcomes, as parallel lists, oldest first."""

    model: str
    version: str
    at: Sequence[datetime]
    probabilities: Sequence[float]
    rises: Sequence[bool]


class EngineRecords(Protocol):
    """The engine's part of Postgres. Each call is one transaction; raises `DatabaseUnavailableError`."""

    def training_turn(self) -> AbstractContextManager[bool]:
        """True for the one process that may train now; the turn ends with the block or with the process."""
        ...

    def last_training_at(self) -> datetime | None: ...

    def add_training_run(self, run: TrainingRun) -> None: ...

    def last_ensemble_skill(self) -> Skill | None:
        """Of the newest training run; None before the first."""
        ...

    def add_version(self, version: ModelVersion) -> None:
        """A CHALLENGER; the family's former challenger retires."""
        ...

    def versions(self, *, roles: Sequence[Role], limit: int) -> Sequence[ModelVersion]:
        """Newest first."""
        ...

    def crown(self, version: str, *, reason: str, actor: str, now: datetime) -> ModelVersion | None:
        """Make it its family's champion in place of the present one; None when there is no such version."""
        ...

    def last_pass_at(self) -> datetime | None:
        """The moment that the newest recorded pass was about."""
        ...

    def record_pass(
        self, forecasts: Sequence[Forecast], verdicts: Sequence[SymbolVerdict], *, horizon_minutes: int, now: datetime
    ) -> None:
        """All of a pass or nothing; recorded again, nothing changes."""
        ...

    def open_forecasts(self, *, due: datetime, limit: int) -> Sequence[OpenForecast]:
        """Votes whose horizon ended before `due` and that have no outcome, oldest first."""
        ...

    def settle_forecasts(self, outcomes: Sequence[tuple[OpenForecast, float | None, str | None]]) -> None:
        """Record the log return after the horizon, or None and why it cannot be told."""
        ...

    def settled_forecasts(self, *, versions: Sequence[str], limit: int) -> Sequence[SettledForecasts]:
        """The newest `limit` of each version."""
        ...

    def signals_due(
        self, *, received_after: datetime, received_before: datetime, limit: int
    ) -> Sequence[WatchedSignal]:
        """Signals without an outcome, in order of arrival."""
        ...

    def add_outcomes(self, outcomes: Sequence[Outcome], *, now: datetime) -> None: ...

    def save_live_skills(self, skills: Mapping[str, Skill], *, now: datetime) -> None:
        """By version: the skill that the outcomes of its live forecasts show."""
        ...

    def live_skills(self) -> Mapping[str, Skill]: ...

    def forget(self, *, before: datetime) -> None:
        """Forecasts and verdicts from before are deleted, in bounded portions."""
        ...
