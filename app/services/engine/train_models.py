"""Training: every family learns walk-forward, is registered as a challenger, and serves if it beats the champion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import structlog

from app.domain.ensemble.features import FEATURE_SET
from app.domain.ensemble.measure import compare
from app.domain.ensemble.samples import Samples, samples_of
from app.domain.ensemble.skill import UNMEASURED, Skill
from app.domain.ensemble.versions import Comparison, ModelVersion, ReliabilityBin, Role, TrainingRun
from app.ports import Clock
from app.ports.forecasting import (
    CandlesUnavailableError,
    EngineRecords,
    Learner,
    ModelFileCorruptError,
    ModelFileMissingError,
    ModelFiles,
    NotInstalled,
    UnreadableModelError,
)
from app.services.engine.candle_history import CandleHistory
from app.services.engine.learn_family import Learnt, TooLittleDataError, learn_family, measure_ensemble
from app.services.engine.serving import ServedVersion, ServedVersions, moment

log = structlog.get_logger(__name__)

ACTOR = "engine"
RETIRED_KEPT = 20  # versions whose files stay for a rollback


@dataclass(frozen=True, slots=True)
class TrainModels:
    """One pass over all families; nothing is promised: what could not be trained says why in the record."""

    records: EngineRecords
    files: ModelFiles
    history: CandleHistory
    families: Mapping[str, Learner | NotInstalled]
    served: ServedVersions
    clock: Clock
    symbols: Sequence[str]
    horizon_minutes: int
    history_minutes: int
    retrain_every: timedelta
    model_age_max: timedelta

    def when_due(self) -> TrainingRun | None:
        """Train if the last run is older than the interval, or there was none."""
        last = self.records.last_training_at()
        if last is not None and self.clock.now() - last < self.retrain_every:
            return None
        return self()

    def __call__(self) -> TrainingRun | None:
        """Train now; None when another process is at it."""
        with self.records.training_turn() as mine:
            return self._train() if mine else None

    def _train(self) -> TrainingRun:
        started_at = self.clock.now()
        series, missing = [], {}
        for symbol in self.symbols:
            try:
                now_ms = self.history.now_ms()
                series.append(self.history.newest(symbol, minutes=self.history_minutes, now_ms=now_ms))
            except CandlesUnavailableError as error:
                missing[symbol] = str(error)
        samples = samples_of(series, horizon_minutes=self.horizon_minutes)
        trained_on = [each.symbol for each in series]
        learnt: dict[str, Learnt] = {}
        said: dict[str, Mapping[str, Any]] = {}
        for family, learner in self.families.items():
            if isinstance(learner, NotInstalled):
                said[family] = {"version": None, "reason": learner.reason}
                continue
            try:
                learnt[family] = learn_family(learner, samples, horizon_minutes=self.horizon_minutes)
            except TooLittleDataError as error:
                said[family] = {"version": None, "reason": str(error)}
                continue
            said[family] = self._register(family, learner, learnt[family], samples, trained_on)
        nothing: tuple[Skill, Sequence[ReliabilityBin]] = (UNMEASURED, ())
        skill, reliability = measure_ensemble(learnt, horizon_minutes=self.horizon_minutes) if learnt else nothing
        run = TrainingRun(
            started_at=started_at,
            ended_at=self.clock.now(),
            data_from=moment(int(samples.at_ms[0])) if len(samples) else None,
            data_to=moment(int(samples.known_ms[-1])) if len(samples) else None,
            symbols=trained_on,
            samples=len(samples),
            horizon_minutes=self.horizon_minutes,
            skill=skill,
            reliability=reliability,
            families=said,
            sentence=_sentence(skill, learnt, missing),
        )
        self.records.add_training_run(run)
        self._prune()
        log.info("models_trained", samples=run.samples, verdict=skill.verdict.value, families=list(learnt))
        return run

    def _register(
        self, family: str, learner: Learner, learnt: Learnt, samples: Samples, symbols: Sequence[str]
    ) -> Mapping[str, Any]:
        now = self.clock.now()
        name = f"{family}-{now:%Y%m%dT%H%M%S}"
        file = self.files.save(name, learnt.trained.dump())
        champion = self._champion(family)
        comparison, why = self._judge(learnt, champion, learner, now)
        version = ModelVersion(
            version=name,
            family=family,
            role=Role.CHALLENGER,
            created_at=now,
            feature_set=FEATURE_SET,
            horizon_minutes=self.horizon_minutes,
            symbols=symbols,
            data_from=moment(int(samples.at_ms[0])),
            data_to=moment(learnt.data_to_ms),
            samples=len(learnt.learnt_from),
            slope=learnt.calibration.slope,
            center=learnt.calibration.center,
            typical_move=np.abs(learnt.learnt_from.moves).mean().item(),
            file=file.name,
            sha256=file.sha256,
            size_bytes=file.size_bytes,
            metrics=learnt.metrics,
            comparison=comparison,
            reason=comparison.sentence if comparison is not None else "registered",
            role_since=now,
        )
        self.records.add_version(version)
        if why is not None:
            self.records.crown(name, reason=why, actor=ACTOR, now=now)
        return {
            "version": name,
            "role": (Role.CHAMPION if why is not None else Role.CHALLENGER).value,
            "reason": why if why is not None else version.reason,
        }

    def _champion(self, family: str) -> ModelVersion | None:
        champions = self.records.versions(roles=[Role.CHAMPION], limit=100)
        return next((version for version in champions if version.family == family), None)

    def _judge(
        self, learnt: Learnt, champion: ModelVersion | None, learner: Learner, now: datetime
    ) -> tuple[Comparison | None, str | None]:
        """The comparison, and why the newcomer serves; without a why it stays a challenger."""
        if champion is None:
            return None, "the first of its family"
        if (champion.horizon_minutes, champion.feature_set) != (self.horizon_minutes, FEATURE_SET):
            return None, f"{champion.version} answers another question"
        rival = self.served.fresh(champion, learner)
        try:
            comparison = self._compare(learnt, rival)
        except (ModelFileMissingError, ModelFileCorruptError, UnreadableModelError) as error:
            return None, f"{champion.version} cannot be used: {error}"
        if comparison.is_better:
            return comparison, comparison.sentence
        if now - champion.created_at > self.model_age_max and comparison.gain >= 0.0:
            return comparison, f"{champion.version} is too old to serve, and this one is no worse"
        return comparison, None

    def _compare(self, learnt: Learnt, rival: ServedVersion) -> Comparison:
        """Both are asked about moments that neither has seen: after the later of the two ends of their data."""
        tested = learnt.tested[-1]
        unseen_ms = max(tested.fold.from_ms, int(rival.registered.data_to.timestamp() * 1000))
        fresh = tested.samples.at_ms >= unseen_ms
        unseen = tested.samples.where(fresh)
        return compare(
            learnt.calibration(tested.scores[fresh]),
            rival.probabilities(unseen.inputs),
            unseen.rises,
            unseen.at_ms,
            against=rival.registered.version,
            horizon_minutes=self.horizon_minutes,
        )

    def _prune(self) -> None:
        serving = self.records.versions(roles=[Role.CHAMPION, Role.CHALLENGER], limit=200)
        retired = self.records.versions(roles=[Role.RETIRED], limit=RETIRED_KEPT)
        self.files.keep_only([version.file for version in (*serving, *retired)])
        self.served.keep_only(frozenset(version.version for version in serving))


def _sentence(skill: Skill, learnt: Mapping[str, Learnt], missing: Mapping[str, str]) -> str:
    """What people read of a run."""
    says = f"the ensemble's skill out of sample is {skill.sentence}" if learnt else "no family could be trained"
    if missing:
        first = next(iter(missing))
        says += f"; without candles: {', '.join(missing)} ({missing[first]})"
    return says
