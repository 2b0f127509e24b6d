"""A place in the ensemble that nobody fills: it abstains, always for the same reason."""

from __future__ import annotations

from app.domain.ensemble.opinions import Abstention, AbstentionCode, Opinion
from app.domain.ensemble.series import CandleSeries


class AbsentModel:
    """`app.ports.forecasting.Model` of a model that is not installed, not trained or not to be opened."""

    version = None

    def __init__(self, name: str, code: AbstentionCode, reason: str) -> None:
        self.name = name
        self._abstention = Abstention(model=name, version=None, code=code, reason=reason)

    def predict(self, window: CandleSeries) -> Opinion:
        return self._abstention
