"""What a model says of one symbol at one moment: a vote with a probability, or an abstention with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite


class AbstentionCode(StrEnum):
    """Why there is no number; the words are part of the API."""

    NOT_INSTALLED = "NOT_INSTALLED"  # the library behind the model is not there
    NOT_TRAINED = "NOT_TRAINED"  # no version of it serves yet
    TOO_OLD = "TOO_OLD"  # the serving version was trained too long ago
    TOO_LITTLE_HISTORY = "TOO_LITTLE_HISTORY"  # fewer candles, or candles with a gap
    STALE_CANDLES = "STALE_CANDLES"  # the newest candle is not from the last minute
    OVER_DEADLINE = "OVER_DEADLINE"
    FILE_MISSING = "FILE_MISSING"
    FILE_CORRUPT = "FILE_CORRUPT"  # the file is not the one that was registered
    FAILED = "FAILED"  # it raised, or answered with something that is no probability


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """`probability` is that of a higher price after the horizon: 0..1."""

    model: str
    version: str
    probability: float

    def __post_init__(self) -> None:
        if not isfinite(self.probability) or not 0.0 <= self.probability <= 1.0:
            raise ValueError(f"{self.model}: {self.probability!r} is no probability")


@dataclass(frozen=True, slots=True, kw_only=True)
class Abstention:
    """No vote, and why; `version` is None when no version was there to ask."""

    model: str
    version: str | None
    code: AbstentionCode
    reason: str


Opinion = Vote | Abstention
