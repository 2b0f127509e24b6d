"""Learning finds what is there, and says so when nothing is; no forecast depends on what came after it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.adapters.models.lightgbm_trees import LightgbmLearner
from app.adapters.models.xgboost_trees import XgboostLearner
from app.domain.ensemble.calibration import fit_calibration, reliability_of
from app.domain.ensemble.measure import compare, measure_skill
from app.domain.ensemble.outcomes import MINUTE_MS
from app.domain.ensemble.samples import samples_of
from app.domain.ensemble.skill import SkillVerdict
from app.ports.forecasting import Learner, UnreadableModelError
from app.services.engine.learn_family import Learnt, TooLittleDataError, learn_family, measure_ensemble
from tests.support.markets import market
from tests.unit.ensemble.test_features import future_shuffled

HORIZON = 10
TREES = 12


def learners() -> list[Learner]:
    return [XgboostLearner(threads=1, trees=TREES), LightgbmLearner(threads=1, trees=TREES)]


def learn(seed: int, *, drift: float) -> dict[str, Learnt]:
    samples = samples_of(market(seed, drift=drift), horizon_minutes=HORIZON)
    return {learner.family: learn_family(learner, samples, horizon_minutes=HORIZON) for learner in learners()}


def test_on_a_random_walk_the_skill_is_indistinguishable_from_zero_and_says_so() -> None:
    families = learn(1, drift=0.0)
    skill, _ = measure_ensemble(families, horizon_minutes=HORIZON)
    assert skill.verdict is SkillVerdict.INDISTINGUISHABLE_FROM_ZERO
    assert "indistinguishable from zero" in skill.sentence
    low, high = skill.interval
    assert low < 0.0 < high
    for learnt in families.values():
        assert learnt.metrics.walk_forward.verdict is SkillVerdict.INDISTINGUISHABLE_FROM_ZERO


def test_a_planted_pattern_is_found() -> None:
    families = learn(2, drift=0.0006)
    skill, reliability = measure_ensemble(families, horizon_minutes=HORIZON)
    assert skill.verdict is SkillVerdict.PROVEN
    assert skill.interval[0] > 0.2
    for learnt in families.values():
        assert learnt.metrics.walk_forward.verdict is SkillVerdict.PROVEN
        assert learnt.metrics.log_loss < 0.6
        assert learnt.calibration.slope > 0.0
    # Calibrated: what was forecast as likely came about as often as was said.
    assert reliability[-1].observed > 0.7 > 0.3 > reliability[0].observed
    assert abs(reliability[-1].observed - reliability[-1].forecast) < 0.15


@pytest.mark.parametrize("learner", learners(), ids=lambda learner: learner.family)
def test_shuffling_the_future_changes_no_past_prediction(learner: Learner) -> None:
    many = market(3, symbols=2, drift=0.0006)
    known = 600
    until_ms = int(many[0].open_ms[known]) - HORIZON * MINUTE_MS
    whole = samples_of(many, horizon_minutes=HORIZON)
    shuffled = samples_of([future_shuffled(series, known) for series in many], horizon_minutes=HORIZON)
    fitted = []
    for samples in (whole, shuffled):
        past = samples.where(samples.known_ms <= until_ms)
        asked = samples.where(samples.at_ms <= until_ms)
        fitted.append(learner.fit(past.inputs, past.rises).scores(asked.inputs))
    assert len(fitted[0]) > 500
    assert np.array_equal(fitted[0], fitted[1])


def test_folds_before_the_shuffled_part_forecast_the_same() -> None:
    samples = samples_of(market(4, drift=0.0006), horizon_minutes=HORIZON)
    learner = XgboostLearner(threads=1, trees=TREES)
    whole = learn_family(learner, samples, horizon_minutes=HORIZON)
    cut = whole.tested[3].fold.from_ms
    moves = np.where(samples.known_ms > cut, np.random.default_rng(1).permutation(samples.moves), samples.moves)
    again = learn_family(learner, replace(samples, moves=moves), horizon_minutes=HORIZON)
    for number in (0, 1, 2):
        assert np.array_equal(whole.tested[number].probabilities, again.tested[number].probabilities)


@pytest.mark.parametrize("learner", learners(), ids=lambda learner: learner.family)
def test_what_was_saved_answers_as_before_and_what_was_not_is_refused(learner: Learner) -> None:
    samples = samples_of(market(5, symbols=1, minutes=500), horizon_minutes=HORIZON)
    trained = learner.fit(samples.inputs, samples.rises)
    again = learner.load(trained.dump())
    assert np.array_equal(again.scores(samples.inputs), trained.scores(samples.inputs))
    with pytest.raises(UnreadableModelError):
        learner.load(b"not a model")


def test_too_little_history_is_said_with_numbers() -> None:
    samples = samples_of(market(6, symbols=1, minutes=200), horizon_minutes=HORIZON)
    with pytest.raises(TooLittleDataError, match=r"too little history: \d+ moments"):
        learn_family(XgboostLearner(threads=1, trees=2), samples, horizon_minutes=HORIZON)


def test_scores_that_went_against_what_came_are_not_trusted_the_other_way_round() -> None:
    scores = np.linspace(-2.0, 2.0, 400)
    calibration = fit_calibration(scores, scores < 0.0, overlap=1)
    assert calibration.slope == 0.0
    assert set(calibration(scores).tolist()) == {0.5}


def test_a_model_that_says_the_same_of_everything_makes_one_point() -> None:
    (point,) = reliability_of(np.full(50, 0.5), np.arange(50) % 2 == 0)
    assert (point.low, point.high, point.observed, point.samples) == (0.5, 0.5, 0.5, 50)


def test_forecasts_that_never_lean_measure_nothing() -> None:
    at_ms = np.arange(2_000) * MINUTE_MS
    assert not measure_skill(np.full(2_000, 0.5), at_ms % 2 == 0, at_ms, horizon_minutes=10).is_measured


def test_a_challenger_is_better_only_beyond_luck() -> None:
    chance = np.random.default_rng(3)
    at_ms = np.arange(1_000) * MINUTE_MS
    rises = chance.random(1_000) < 0.5
    knowing = np.where(rises, 0.6, 0.4)
    coin = np.full(1_000, 0.5)
    noise = 0.5 + 0.001 * chance.standard_normal(1_000)

    def judged(challenger: np.ndarray, champion: np.ndarray, count: int = 1_000) -> bool:
        return compare(
            challenger[:count], champion[:count], rises[:count], at_ms[:count], against="c", horizon_minutes=10
        ).is_better

    assert judged(knowing, coin)
    assert not judged(coin, knowing)
    assert not judged(noise, coin)
    assert not judged(knowing, coin, count=80)  # too few stretches of time to tell
