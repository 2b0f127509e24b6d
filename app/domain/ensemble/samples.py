"""Moments to learn from or to be asked about: features of what was known, and later what came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.domain.ensemble.features import FEATURE_NAMES, WINDOW_MINUTES, features_of
from app.domain.ensemble.outcomes import MINUTE_MS
from app.domain.ensemble.series import Booleans, CandleSeries, Floats, Integers


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Inputs:
    """What a model is shown: `features` (n, features), `sequences` (n, 60); see `features_of`."""

    features: Floats
    sequences: Floats

    def __len__(self) -> int:
        return len(self.features)

    def where(self, chosen: Booleans) -> Inputs:
        """Some of them."""
        return Inputs(features=self.features[chosen], sequences=self.sequences[chosen])


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Samples:
    """Moments of many symbols in order of time. `at_ms` is when the window's last candle closed; `moves` the log return
    from the next candle's open to the close `horizon` later, which nobody knows before `known_ms`."""

    inputs: Inputs
    at_ms: Integers
    known_ms: Integers
    moves: Floats

    def __len__(self) -> int:
        return len(self.at_ms)

    @property
    def rises(self) -> Booleans:
        """What came: True for up. Moves of exactly zero are not among the samples."""
        return self.moves > 0.0

    def where(self, chosen: Booleans) -> Samples:
        """Some of them."""
        return Samples(
            inputs=self.inputs.where(chosen),
            at_ms=self.at_ms[chosen],
            known_ms=self.known_ms[chosen],
            moves=self.moves[chosen],
        )


def samples_of(many: Sequence[CandleSeries], *, horizon_minutes: int) -> Samples:
    """Every moment whose window and horizon are whole, over all symbols, by time and then by the symbols' order."""
    parts = [_samples_of(series, horizon_minutes) for series in many]
    at_ms = np.concatenate([part.at_ms for part in parts]) if parts else np.empty(0, dtype=np.int64)
    order = np.argsort(at_ms, kind="stable")
    if not parts:
        return Samples(inputs=_no_inputs(), at_ms=at_ms, known_ms=at_ms, moves=np.empty(0))
    return Samples(
        inputs=Inputs(
            features=np.concatenate([part.inputs.features for part in parts])[order],
            sequences=np.concatenate([part.inputs.sequences for part in parts])[order],
        ),
        at_ms=at_ms[order],
        known_ms=np.concatenate([part.known_ms for part in parts])[order],
        moves=np.concatenate([part.moves for part in parts])[order],
    )


def newest_inputs(series: CandleSeries) -> Inputs | None:
    """The newest moment alone; None when fewer than 61 candles, or candles with a gap, lead up to it."""
    features, sequences, is_whole = features_of(series.newest(WINDOW_MINUTES))
    if len(is_whole) == 0 or not is_whole[-1]:
        return None
    return Inputs(features=features[-1:], sequences=sequences[-1:])


def _samples_of(series: CandleSeries, horizon_minutes: int) -> Samples:
    features, sequences, is_whole = features_of(series)
    count = max(0, len(is_whole) - horizon_minutes)
    last = WINDOW_MINUTES - 1
    ends = slice(last + horizon_minutes, last + horizon_minutes + count)
    moves = np.log(series.closes[ends] / series.opens[last + 1 : last + 1 + count])
    opened = series.open_ms[last : last + count]
    # The last candle of the horizon is exactly `horizon` minutes on: no minute is missing in between.
    has_come = series.open_ms[ends] - opened == horizon_minutes * MINUTE_MS
    usable = is_whole[:count] & has_come & (moves != 0.0)
    return Samples(
        inputs=Inputs(features=features[:count][usable], sequences=sequences[:count][usable]),
        at_ms=opened[usable] + MINUTE_MS,
        known_ms=series.open_ms[ends][usable] + MINUTE_MS,
        moves=moves[usable],
    )


def _no_inputs() -> Inputs:
    return Inputs(features=np.empty((0, len(FEATURE_NAMES))), sequences=np.empty((0, WINDOW_MINUTES - 1)))
