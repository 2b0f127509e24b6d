"""PatchTST and N-HiTS, where their library is installed (the extra `deep`); where it is not, they say so."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from app.adapters.models.catalogue import FAMILIES, open_families
from app.domain.ensemble.samples import samples_of
from app.ports.forecasting import NotInstalled, UnreadableModelError
from tests.support.markets import market

HAS_DEEP = find_spec("neuralforecast") is not None
DEEP = ("patchtst", "nhits")


@pytest.mark.skipif(HAS_DEEP, reason="the extra `deep` is installed")
def test_without_their_library_they_are_not_installed_and_the_others_are() -> None:
    families = open_families(threads=1)
    assert set(families) == set(FAMILIES)
    for family in DEEP:
        found = families[family]
        assert isinstance(found, NotInstalled)
        assert found.reason.startswith("not installed: ")
        assert "the extra `deep`" in found.reason
    assert not isinstance(families["xgboost"], NotInstalled)
    assert not isinstance(families["lightgbm"], NotInstalled)


@pytest.mark.skipif(not HAS_DEEP, reason="needs the extra `deep`")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("family", DEEP)
def test_with_it_they_learn_to_continue_a_drift(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.adapters.models import deep

    monkeypatch.setitem(deep.COMMON, "max_steps", 30)
    learner = open_families(threads=1)[family]
    assert not isinstance(learner, NotInstalled)
    samples = samples_of(market(2, symbols=2, minutes=600, drift=0.0006), horizon_minutes=10)
    trained = learner.fit(samples.inputs, samples.rises)
    scores = trained.scores(samples.inputs)
    assert np.corrcoef(scores, samples.moves)[0, 1] > 0.2
    assert np.array_equal(learner.load(trained.dump()).scores(samples.inputs), scores)
    with pytest.raises(UnreadableModelError):
        learner.load(b"not a model")
