"""What came of forecasts and signals: recorded for every one, whoever sent it and whether it was traded or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
import structlog

from app.domain.ensemble.measure import measure_skill
from app.domain.ensemble.outcomes import (
    MINUTE_MS,
    Candle,
    Outcome,
    WatchedSignal,
    due_at,
    entry_open_ms,
    outcome_of,
    unknown_outcome,
)
from app.domain.ensemble.series import series_of
from app.domain.ensemble.skill import Skill
from app.domain.ensemble.versions import Role
from app.ports import Clock
from app.ports.forecasting import CandlesUnavailableError, EngineRecords, OpenForecast
from app.services.engine.candle_history import CandleHistory

PORTION_ROWS_MAX = 2_000
PORTIONS_MAX = 10  # a run; what is left is the next run's
SETTLED_ROWS_MAX = 20_000  # of each version: a day of 15 symbols
SIGNAL_AGE_MAX = timedelta(hours=24)
ASKED_AGAIN_FOR = timedelta(minutes=10)  # for the candles of one signal, while the exchange does not tell

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RecordOutcomes:
    """Run every half minute; nothing is lost when it does not run for hours."""

    records: EngineRecords
    history: CandleHistory
    clock: Clock
    own_versions: Sequence[str]  # the user's own models, which no training registers
    horizon_minutes: int
    cost: Decimal

    def __call__(self) -> int:
        """How many outcomes were recorded; none while the exchange tells no time."""
        try:
            now_ms = self.history.now_ms()
        except CandlesUnavailableError as error:
            log.warning("outcomes_wait", error=str(error))
            return 0
        recorded = self._settle_forecasts(now_ms) + self._record_signals(now_ms)
        self._measure_live()
        return recorded

    # ------------------------------------------------------------------------------------------------ forecasts

    def _settle_forecasts(self, now_ms: int) -> int:
        settled = 0
        for _ in range(PORTIONS_MAX):
            due = _moment(now_ms - MINUTE_MS)
            waiting = self.records.open_forecasts(due=due, limit=PORTION_ROWS_MAX)
            candles: dict[str, Mapping[int, Candle]] = {}
            outcomes: list[tuple[OpenForecast, float | None, str | None]] = []
            for symbol in {each.symbol for each in waiting}:
                of_symbol = [each for each in waiting if each.symbol == symbol]
                try:
                    candles[symbol] = self.history.by_minute(
                        symbol, from_ms=min(_ms(each.at) for each in of_symbol), until_ms=now_ms
                    )
                except CandlesUnavailableError:
                    continue  # they stay open: the exchange may tell later
                outcomes += [(each, *_move(each, candles[symbol])) for each in of_symbol]
            self.records.settle_forecasts(outcomes)
            settled += len(outcomes)
            if len(waiting) < PORTION_ROWS_MAX or not outcomes:
                break
        return settled

    def _measure_live(self) -> None:
        """The skill of the versions in use, from what came of their recorded forecasts."""
        versions = self.records.versions(roles=[Role.CHAMPION, Role.CHALLENGER], limit=100)
        names = [version.version for version in versions]
        skills: dict[str, Skill] = {}
        for settled in self.records.settled_forecasts(versions=[*names, *self.own_versions], limit=SETTLED_ROWS_MAX):
            at_ms = np.array([_ms(at) for at in settled.at], dtype=np.int64)
            skills[settled.version] = measure_skill(
                np.array(settled.probabilities),
                np.array(settled.rises),
                at_ms,
                horizon_minutes=self.horizon_minutes,
            )
        self.records.save_live_skills(skills, now=self.clock.now())

    # ------------------------------------------------------------------------------------------------ signals

    def _record_signals(self, now_ms: int) -> int:
        recorded = 0
        now = _moment(now_ms)
        for _ in range(PORTIONS_MAX):
            horizon = due_at(now, horizon_minutes=self.horizon_minutes) - now
            due = self.records.signals_due(
                received_after=now - SIGNAL_AGE_MAX, received_before=now - horizon, limit=PORTION_ROWS_MAX
            )
            outcomes = self._outcomes(due, now_ms)
            self.records.add_outcomes(outcomes, now=self.clock.now())
            recorded += len(outcomes)
            if len(outcomes) < PORTION_ROWS_MAX:
                break
        return recorded

    def _outcomes(self, signals: Sequence[WatchedSignal], now_ms: int) -> Sequence[Outcome]:
        """In the order of arrival: what follows is looked for behind the last one recorded, so none may be left out.

        Where the exchange did not tell, the run ends before that signal and the next one asks again, but not for ever.
        """
        candles: dict[str, Mapping[int, Candle] | str] = {}
        for symbol in {signal.symbol for signal in signals}:
            begins = min(entry_open_ms(signal.received_at) for signal in signals if signal.symbol == symbol)
            try:
                candles[symbol] = self.history.by_minute(symbol, from_ms=begins, until_ms=now_ms)
            except CandlesUnavailableError as error:
                candles[symbol] = f"no candles: {error}"
        found = []
        horizon = timedelta(minutes=self.horizon_minutes)
        for signal in signals:
            known = candles[signal.symbol]
            if isinstance(known, str) and _moment(now_ms) - signal.received_at < horizon + ASKED_AGAIN_FOR:
                break
            found.append(
                unknown_outcome(signal, horizon_minutes=self.horizon_minutes, cost=self.cost, reason=known)
                if isinstance(known, str)
                else outcome_of(signal, known, horizon_minutes=self.horizon_minutes, cost=self.cost)
            )
        return found


def _move(forecast: OpenForecast, candles: Mapping[int, Candle]) -> tuple[float | None, str | None]:
    """The log return from the open of the next minute to the close at the horizon, as the models learn it."""
    opens = _ms(forecast.at)
    first, last = candles.get(opens), candles.get(opens + (forecast.horizon_minutes - 1) * MINUTE_MS)
    if first is None or last is None:
        return None, "the exchange has no candle for its first or last minute"
    series = series_of(forecast.symbol, [first] if first is last else [first, last])
    return np.log(series.closes[-1] / series.opens[0]).item(), None


def _ms(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)


def _moment(at_ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=at_ms)


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
