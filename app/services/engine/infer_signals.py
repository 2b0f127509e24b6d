"""One pass a minute: ask the models about every symbol, record what they said, send what is worth a signal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

import structlog

from app.domain.ensemble.combine import Verdict, Weighed, combine
from app.domain.ensemble.features import WINDOW_MINUTES
from app.domain.ensemble.opinions import Abstention, AbstentionCode, Opinion
from app.domain.ensemble.outcomes import MINUTE_MS
from app.domain.ensemble.series import CandleSeries, series_of
from app.domain.ensemble.skill import UNMEASURED, Skill, SkillVerdict, pooled
from app.domain.ensemble.versions import ModelVersion, Role
from app.ports import Clock
from app.ports.forecasting import (
    CandlesUnavailableError,
    EngineRecords,
    Forecast,
    Model,
    SignalOutlet,
    SignalsNotTakenError,
    SymbolVerdict,
)
from app.services.engine.ask_models import AskModels
from app.services.engine.candle_history import CandleHistory
from app.services.engine.serving import ServedVersions, moment

log = structlog.get_logger(__name__)

STRATEGY = "ensemble"
SHADOW = "shadow of "  # key of a challenger among the models asked
WINDOW_SPARE_MINUTES = 2
# The candle of the last minute may be told a moment late; one that is older than that says what was, not what is.
CANDLE_AGE_MAX_MS = 2 * MINUTE_MS
CONFIDENCE_PLACES = 4


class Emission(StrEnum):
    """When the engine sends signals."""

    SKILLED = "skilled"  # skill is proven and more is expected than it costs
    ALWAYS = "always"  # every verdict, for demonstrations: the confidence is what it is


@dataclass(frozen=True, slots=True, kw_only=True)
class PassReport:
    """What a pass did."""

    at_ms: int
    verdicts: Sequence[SymbolVerdict]


@dataclass(frozen=True, slots=True)
class InferSignals:
    """`own_models` are the user's: they vote from the start and weigh what their recorded forecasts earn them."""

    records: EngineRecords
    history: CandleHistory
    served: ServedVersions
    families: Sequence[str]
    own_models: Sequence[Model]
    ask: AskModels
    outlet: SignalOutlet
    clock: Clock
    symbols: Sequence[str]
    horizon_minutes: int
    emission: Emission
    cost: float  # of getting in and out, as a part of the price; an expectation is a statistic, not money
    signal_ttl_seconds: int

    def __call__(self) -> PassReport | None:
        """The pass over the minute that closed last; None when it was recorded before, or the clock is not known."""
        try:
            now_ms = self.history.now_ms()
        except CandlesUnavailableError as error:
            log.warning("pass_waits", error=str(error))
            return None
        at_ms = now_ms // MINUTE_MS * MINUTE_MS
        last = self.records.last_pass_at()
        if last is not None and last >= moment(at_ms):
            return None
        windows, unusable = self._windows(at_ms)
        models, versions = self._models()
        said = self.ask(models, windows)
        skills = self._skills(versions)
        verdicts, forecasts, signals = [], [], []
        ensemble_skill = self.records.last_ensemble_skill() or UNMEASURED
        for number, window in enumerate(windows):
            opinions = {key: unusable.get(window.symbol) or opinion[number] for key, opinion in said.items()}
            opinions = {key: _renamed(opinion, models[key]) for key, opinion in opinions.items()}
            forecasts += [
                Forecast(symbol=window.symbol, at=moment(at_ms), opinion=opinion, is_shadow=key.startswith(SHADOW))
                for key, opinion in opinions.items()
            ]
            votes = [opinion for key, opinion in opinions.items() if not key.startswith(SHADOW)]
            verdict = combine(votes, skills)
            signal, reason = self._signal(window, verdict, versions, ensemble_skill, at_ms)
            signals += [signal] if signal is not None else []
            verdicts.append(
                SymbolVerdict(
                    symbol=window.symbol,
                    at=moment(at_ms),
                    verdict=verdict,
                    skills=skills,
                    signal_id=None if signal is None else signal["signal_id"],
                    reason=reason,
                )
            )
        self.records.record_pass(forecasts, verdicts, horizon_minutes=self.horizon_minutes, now=self.clock.now())
        self._send(signals)
        return PassReport(at_ms=at_ms, verdicts=verdicts)

    def _windows(self, at_ms: int) -> tuple[list[CandleSeries], Mapping[str, Abstention]]:
        """A window for each symbol, and for the symbols whose window must not be used the reason why."""
        windows: list[CandleSeries] = []
        unusable: dict[str, Abstention] = {}
        for symbol in self.symbols:
            try:
                window = self.history.newest(symbol, minutes=WINDOW_MINUTES + WINDOW_SPARE_MINUTES, now_ms=at_ms)
            except CandlesUnavailableError as error:
                window = series_of(symbol, [])
                unusable[symbol] = _nobody(AbstentionCode.TOO_LITTLE_HISTORY, f"no candles: {error}")
            if window.close_ms is not None and at_ms - window.close_ms >= CANDLE_AGE_MAX_MS:
                age = (at_ms - window.close_ms) / 1000
                unusable[symbol] = _nobody(AbstentionCode.STALE_CANDLES, f"the newest candle closed {age:.0f} s ago")
            windows.append(window)
        return windows, unusable

    def _models(self) -> tuple[dict[str, Model], Mapping[str, ModelVersion]]:
        """Everybody who is asked, by key, and the serving version of each family that has one."""
        serving = self.records.versions(roles=[Role.CHAMPION, Role.CHALLENGER], limit=100)
        champions = {version.family: version for version in serving if version.role is Role.CHAMPION}
        models: dict[str, Model] = {
            family: self.served.model_of(champions[family]) if family in champions else self.served.absent(family)
            for family in self.families
        }
        models |= {model.name: model for model in self.own_models}
        for version in serving:
            if version.role is Role.CHALLENGER and version.family in self.families:
                models[SHADOW + version.family] = self.served.model_of(version)
        return models, champions

    def _skills(self, champions: Mapping[str, ModelVersion]) -> Mapping[str, Skill]:
        """By model: walk-forward and live outcomes together; a user's model has its live outcomes alone."""
        live = self.records.live_skills()
        skills = {
            family: pooled(version.metrics.walk_forward, live.get(version.version, UNMEASURED))
            for family, version in champions.items()
        }
        for model in self.own_models:
            if model.version is not None and model.version in live:
                skills[model.name] = live[model.version]
        return skills

    def _signal(
        self,
        window: CandleSeries,
        verdict: Verdict,
        versions: Mapping[str, ModelVersion],
        ensemble_skill: Skill,
        at_ms: int,
    ) -> tuple[dict[str, Any] | None, str]:
        """A signal worth sending, or None; and why."""
        voted = [each for each in verdict.votes if each.weight > 0.0] or list(verdict.votes)
        if not voted:
            return None, verdict.reason or "no vote"
        probability = verdict.probability
        if self.emission is Emission.ALWAYS:
            note = "sent because QT_ENGINE_EMITS=always"
            if probability is None:
                probability = sum(each.vote.probability for each in voted) / len(voted)
                note = f"{verdict.reason}; the plain mean is {note}"
            if probability == 0.5:
                return None, "leans neither way"
            return self._body(window, voted, probability, at_ms), note
        if probability is None:
            return None, verdict.reason or "no verdict"
        if ensemble_skill.verdict is not SkillVerdict.PROVEN:
            return None, f"the ensemble's skill is not proven: {ensemble_skill.sentence}"
        expected = self._expected_net(voted, probability, versions)
        if expected is None or expected <= 0.0:
            said = "is not known" if expected is None else f"is {expected:+.4%}"
            return None, f"the expected return after costs of {self.cost:.2%} {said}"
        return self._body(window, voted, probability, at_ms), f"expected return after costs {expected:+.4%}"

    def _expected_net(
        self, voted: Sequence[Weighed], probability: float, versions: Mapping[str, ModelVersion]
    ) -> float | None:
        """The lean times the usual size of a move, less the cost; None when no voter knows the usual size."""
        moves = [versions[each.vote.model].typical_move for each in voted if each.vote.model in versions]
        if not moves:
            return None
        return abs(2.0 * probability - 1.0) * sum(moves) / len(moves) - self.cost

    def _body(self, window: CandleSeries, voted: Sequence[Weighed], probability: float, at_ms: int) -> dict[str, Any]:
        """What `POST /api/signals` takes. The same minute has the same id: sent again, nothing happens again."""
        return {
            "signal_id": f"{STRATEGY}:{window.symbol}:{at_ms}",
            "symbol": window.symbol,
            "side": "BUY" if probability > 0.5 else "SELL",
            "confidence": _confidence(probability),
            "strategy": STRATEGY,
            "generated_at": self.clock.now().isoformat(),
            "ttl_seconds": self.signal_ttl_seconds,
            "models": {
                each.vote.model: {
                    "action": _action(each.vote.probability),
                    "confidence": _confidence(each.vote.probability),
                    "source": each.vote.version,
                }
                for each in voted
            },
        }

    def _send(self, signals: Sequence[Mapping[str, Any]]) -> None:
        if not signals:
            return
        try:
            answers = self.outlet.send(signals)
        except SignalsNotTakenError as error:
            log.warning("signals_not_taken", count=len(signals), error=str(error))
            return
        log.info("signals_sent", answers=dict(answers))


@dataclass(frozen=True, slots=True)
class ForgetOldPasses:
    """Forecasts and verdicts are kept for a week; versions, runs and outcomes of signals for good."""

    records: EngineRecords
    clock: Clock
    kept: timedelta = timedelta(days=7)

    def __call__(self) -> None:
        self.records.forget(before=self.clock.now() - self.kept)


def _confidence(probability: float) -> float:
    return round(max(probability, 1.0 - probability), CONFIDENCE_PLACES)


def _action(probability: float) -> str:
    if probability == 0.5:
        return "HOLD"
    return "BUY" if probability > 0.5 else "SELL"


def _nobody(code: AbstentionCode, reason: str) -> Abstention:
    return Abstention(model="", version=None, code=code, reason=reason)


def _renamed(opinion: Opinion, model: Model) -> Opinion:
    """An abstention that the candles caused, in the name of the model that was kept from speaking."""
    if isinstance(opinion, Abstention) and opinion.model != model.name:
        return Abstention(model=model.name, version=opinion.version, code=opinion.code, reason=opinion.reason)
    return opinion
