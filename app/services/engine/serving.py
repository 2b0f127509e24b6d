"""Registered versions as models: each verifies its file before it speaks, and says why when it does not."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta

from app.domain.ensemble.absent import AbsentModel
from app.domain.ensemble.calibration import Calibration
from app.domain.ensemble.features import FEATURE_SET, WINDOW_MINUTES
from app.domain.ensemble.opinions import Abstention, AbstentionCode, Opinion, Vote
from app.domain.ensemble.samples import Inputs, newest_inputs
from app.domain.ensemble.series import CandleSeries, Floats
from app.domain.ensemble.versions import ModelVersion
from app.ports import Clock
from app.ports.forecasting import (
    Learner,
    Model,
    ModelFile,
    ModelFileCorruptError,
    ModelFileMissingError,
    ModelFiles,
    NotInstalled,
    Trained,
    UnreadableModelError,
)


class ServedVersion:
    """A registered version behind the protocol of all models. Used by one thread at a time."""

    def __init__(
        self, version: ModelVersion, *, learner: Learner, files: ModelFiles, clock: Clock, age_max: timedelta
    ) -> None:
        self.registered = version
        self.name = version.family
        self.version = version.version
        self._learner = learner
        self._files = files
        self._clock = clock
        self._age_max = age_max
        self._calibration = Calibration(slope=version.slope, center=version.center)
        self._file = ModelFile(name=version.file, sha256=version.sha256, size_bytes=version.size_bytes)
        self._loaded: Trained | None = None
        self._fingerprint: object = None

    def predict(self, window: CandleSeries) -> Opinion:
        age = self._clock.now() - self.registered.created_at
        if age > self._age_max:
            return self._abstain(AbstentionCode.TOO_OLD, f"trained {_hours(age)} ago; at most {_hours(self._age_max)}")
        try:
            trained = self.trained()
        except ModelFileMissingError as error:
            return self._abstain(AbstentionCode.FILE_MISSING, str(error))
        except (ModelFileCorruptError, UnreadableModelError) as error:
            return self._abstain(AbstentionCode.FILE_CORRUPT, str(error))
        if self.registered.feature_set != FEATURE_SET:
            return self._abstain(AbstentionCode.NOT_TRAINED, f"made for features {self.registered.feature_set}")
        inputs = newest_inputs(window)
        if inputs is None:
            return self._abstain(
                AbstentionCode.TOO_LITTLE_HISTORY,
                f"{len(window)} candles that may have gaps; the newest {WINDOW_MINUTES} without one are needed",
            )
        probability = self._calibration(trained.scores(inputs))[0].item()
        return Vote(model=self.name, version=self.version, probability=probability)

    def probabilities(self, inputs: Inputs) -> Floats:
        """For many moments at once; raises why the file cannot be used."""
        return self._calibration(self.trained().scores(inputs))

    def trained(self) -> Trained:
        """What is in the file, read again whenever the file was touched; raises why it cannot be used."""
        fingerprint = self._files.fingerprint(self._file.name)
        if self._loaded is None or fingerprint is None or fingerprint != self._fingerprint:
            self._loaded = None
            self._loaded = self._learner.load(self._files.load(self._file))
            self._fingerprint = fingerprint
        return self._loaded

    def _abstain(self, code: AbstentionCode, reason: str) -> Abstention:
        return Abstention(model=self.name, version=self.version, code=code, reason=reason)


class ServedVersions:
    """Keeps one `ServedVersion` for each version in use, so that files are read once."""

    def __init__(
        self,
        families: Mapping[str, Learner | NotInstalled],
        *,
        files: ModelFiles,
        clock: Clock,
        age_max: timedelta,
    ) -> None:
        self._families = families
        self._files = files
        self._clock = clock
        self._age_max = age_max
        self._served: dict[str, ServedVersion] = {}
        self._lock = threading.Lock()

    def absent(self, family: str) -> Model:
        """The model of a family without a champion: not installed, or not trained yet."""
        found = self._families.get(family)
        if isinstance(found, NotInstalled):
            return AbsentModel(family, AbstentionCode.NOT_INSTALLED, found.reason)
        return AbsentModel(family, AbstentionCode.NOT_TRAINED, "no version has been trained yet")

    def model_of(self, version: ModelVersion) -> Model:
        """The version behind the protocol of models."""
        learner = self._families.get(version.family)
        if learner is None or isinstance(learner, NotInstalled):
            return self.absent(version.family)
        with self._lock:
            if version.version not in self._served:
                self._served[version.version] = self.fresh(version, learner)
            return self._served[version.version]

    def fresh(self, version: ModelVersion, learner: Learner) -> ServedVersion:
        """One of its own, for another thread."""
        return ServedVersion(version, learner=learner, files=self._files, clock=self._clock, age_max=self._age_max)

    def keep_only(self, versions: frozenset[str]) -> None:
        """Let go of what no longer serves."""
        with self._lock:
            self._served = {name: model for name, model in self._served.items() if name in versions}


def _hours(span: timedelta) -> str:
    return f"{span / timedelta(hours=1):.1f} h"


def moment(at_ms: int) -> datetime:
    """Milliseconds of the exchange as a time."""
    return _EPOCH + timedelta(milliseconds=at_ms)


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
