"""The AI engine's outside: candles up to a moment that the test moves on, and an API that takes signals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.domain.ensemble.outcomes import Candle
from app.ports.forecasting import CandlesUnavailableError, SignalsNotTakenError


@dataclass
class FakeCandles:
    """`app.ports.forecasting.Candles`."""

    recorded: Mapping[str, Sequence[Candle]]
    at_ms: int
    away: bool = False
    silent: set[str] = field(default_factory=set)  # symbols it does not tell of

    def now_ms(self) -> int:
        if self.away:
            raise CandlesUnavailableError("the exchange does not answer")
        return self.at_ms

    def candles(self, symbol: str, *, from_ms: int, until_ms: int) -> Sequence[Candle]:
        if self.away or symbol in self.silent:
            raise CandlesUnavailableError("the exchange does not answer")
        until_ms = min(until_ms, self.at_ms)
        return [each for each in self.recorded[symbol] if from_ms <= each.open_ms and each.close_ms <= until_ms]


@dataclass
class FakeOutlet:
    """`app.ports.forecasting.SignalOutlet`."""

    sent: list[Mapping[str, Any]] = field(default_factory=list)
    away: bool = False

    def send(self, signals: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
        if self.away:
            raise SignalsNotTakenError("nobody listens")
        self.sent += signals
        return {signal["signal_id"]: "QUEUED" for signal in signals}
