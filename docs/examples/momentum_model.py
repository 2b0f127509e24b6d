"""A model of your own: what rose over the last 20 minutes goes on rising. Copy it, rename it, make it better."""

from __future__ import annotations

from app.domain.ensemble.opinions import Abstention, AbstentionCode, Opinion, Vote
from app.domain.ensemble.series import CandleSeries

MINUTES = 20


class Momentum:
    """Leans by how far the price moved, in units of the window's own volatility."""

    name = "momentum"  # one word, unique in the ensemble
    version = "momentum-1"  # change it whenever the model changes: skill is counted by version

    def predict(self, window: CandleSeries) -> Opinion:
        """The probability that the price is higher at the horizon, or an abstention that says why there is none."""
        if len(window) <= MINUTES:
            return Abstention(
                model=self.name,
                version=self.version,
                code=AbstentionCode.TOO_LITTLE_HISTORY,
                reason=f"{len(window)} candles; {MINUTES + 1} are needed",
            )
        moves = window.closes[1:] / window.closes[:-1] - 1.0
        usual = moves.std() * MINUTES**0.5
        lean = 0.0 if usual == 0.0 else (window.closes[-1] / window.closes[-1 - MINUTES] - 1.0) / usual
        return Vote(model=self.name, version=self.version, probability=0.5 + 0.05 * max(-1.0, min(1.0, float(lean))))
