"""Which families there are here: each is imported only when asked for, and one that is not installed says so."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from app.ports.forecasting import Learner, NotInstalled

# family -> (module, class, what to install). The first two are the default; the others come with the extra `deep`.
FAMILIES: Mapping[str, tuple[str, str, str]] = {
    "xgboost": ("app.adapters.models.xgboost_trees", "XgboostLearner", "requirements-engine.lock"),
    "lightgbm": ("app.adapters.models.lightgbm_trees", "LightgbmLearner", "requirements-engine.lock"),
    "patchtst": ("app.adapters.models.deep", "PatchTstLearner", "the extra `deep`"),
    "nhits": ("app.adapters.models.deep", "NhitsLearner", "the extra `deep`"),
}


def open_families(*, threads: int) -> Mapping[str, Learner | NotInstalled]:
    """Every family by name, ready to learn or with the reason why not. `threads`: how many each may use."""
    return {family: _open(family, threads) for family in FAMILIES}


def _open(family: str, threads: int) -> Learner | NotInstalled:
    module, name, needs = FAMILIES[family]
    try:
        learner: Learner = getattr(import_module(module), name)(threads=threads)
    except ImportError as error:
        return NotInstalled(family, f"not installed: {error.name or error} is missing; it comes with {needs}")
    except OSError as error:
        # A library of the system that the package builds on, e.g. libgomp.
        return NotInstalled(family, f"not usable here: {error}")
    return learner
