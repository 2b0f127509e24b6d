"""Features and samples know nothing of the future, and are the same in training as in service."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.adapters.kline_files import RecordedCandles
from app.domain.ensemble.features import FEATURE_NAMES, WINDOW_MINUTES, features_of
from app.domain.ensemble.outcomes import MINUTE_MS
from app.domain.ensemble.samples import newest_inputs, samples_of
from app.domain.ensemble.series import CandleSeries, MalformedSeriesError, series_of
from app.domain.ensemble.walk_forward import folds_of
from tests.support.markets import market

PRICES = ("opens", "highs", "lows", "closes", "volumes")


def future_shuffled(series: CandleSeries, known: int, seed: int = 5) -> CandleSeries:
    """The same first `known` candles, and the rest in another order."""
    order = np.concatenate([np.arange(known), np.random.default_rng(seed).permutation(np.arange(known, len(series)))])
    return replace(series, **{name: getattr(series, name)[order] for name in PRICES})


def test_shuffling_the_future_changes_no_past_feature() -> None:
    series = market(1, symbols=1, minutes=400)[0]
    known = 250
    before, sequences, _ = features_of(series)
    after, shuffled_sequences, _ = features_of(future_shuffled(series, known))
    rows = known - WINDOW_MINUTES + 1
    assert np.array_equal(before[:rows], after[:rows])
    assert np.array_equal(sequences[:rows], shuffled_sequences[:rows])
    assert not np.array_equal(before[rows:], after[rows:])


def test_a_moment_has_the_same_features_in_service_as_it_had_in_training() -> None:
    series = market(2, symbols=1, minutes=200)[0]
    trained, sequences, _ = features_of(series)
    for row in (0, 17, len(trained) - 1):
        served = newest_inputs(series.taken(slice(0, row + WINDOW_MINUTES)))
        assert served is not None
        assert np.array_equal(served.features[0], trained[row])
        assert np.array_equal(served.sequences[0], sequences[row])


def test_every_feature_is_a_number_also_where_the_price_stood_still() -> None:
    still = market(3, symbols=1, minutes=100)[0]
    flat = replace(still, **{name: np.full(100, 7.0) for name in PRICES[:4]}, volumes=np.zeros(100))
    features, sequences, _ = features_of(flat)
    assert features.shape == (100 - WINDOW_MINUTES + 1, len(FEATURE_NAMES))
    assert np.isfinite(features).all()
    assert np.isfinite(sequences).all()


def test_a_window_with_a_missing_minute_is_no_window() -> None:
    series = market(4, symbols=1, minutes=200)[0]
    rows = np.delete(np.arange(200), 150)
    gapped = replace(series, open_ms=series.open_ms[rows], **{name: getattr(series, name)[rows] for name in PRICES})
    assert newest_inputs(gapped.taken(slice(0, 150))) is not None
    assert newest_inputs(gapped.taken(slice(0, 151))) is None
    at_ms = samples_of([gapped], horizon_minutes=15).at_ms
    missing = int(series.open_ms[150])
    # No sample's window or horizon spans the missing minute.
    spans = (at_ms - WINDOW_MINUTES * MINUTE_MS <= missing) & (missing < at_ms + 15 * MINUTE_MS)
    assert not spans.any()
    assert len(at_ms) > 0


def test_a_sample_is_entered_at_the_next_open_and_left_at_the_close_of_the_horizon() -> None:
    series = market(5, symbols=1, minutes=120)[0]
    samples = samples_of([series], horizon_minutes=15)
    last = WINDOW_MINUTES - 1
    assert samples.at_ms[0] == series.open_ms[last] + MINUTE_MS
    assert samples.known_ms[0] == samples.at_ms[0] + 15 * MINUTE_MS
    assert samples.moves[0] == np.log(series.closes[last + 15] / series.opens[last + 1])


def test_no_fold_learns_from_an_outcome_that_its_test_could_overlap() -> None:
    samples = samples_of(market(6), horizon_minutes=15)
    folds = list(folds_of(samples))
    tested = np.zeros(len(samples), dtype=int)
    for fold in folds:
        assert samples.known_ms[fold.to_learn(samples)].max() <= samples.at_ms[fold.to_test(samples)].min()
        tested += fold.to_test(samples)
    assert tested.max() == 1
    assert folds[-1].to_test(samples)[-1]


@pytest.mark.parametrize("change", [{"closes": np.array([1.0, -1.0])}, {"open_ms": np.array([60_000, 60_000])}])
def test_a_series_that_is_none_is_refused(change: dict[str, np.ndarray]) -> None:
    two = market(7, symbols=1, minutes=2)[0]
    with pytest.raises(MalformedSeriesError):
        replace(two, **change)


def test_the_recorded_candles_are_read_with_their_gaps(recorded_data: Path) -> None:
    recorded = RecordedCandles.from_folder(recorded_data / "klines")
    assert len(recorded.symbols) == 15
    candles = recorded.candles("BTCUSDT", from_ms=0, until_ms=recorded.now_ms())
    series = series_of("BTCUSDT", candles)
    assert len(series) == 2_000
    assert 1 <= int((np.diff(series.open_ms) != MINUTE_MS).sum()) <= 3
    assert str(candles[0].open) == "90150.9"
