"""The shapes of what is told of the AI engine; a figure that is not known is null, with a `reason` beside it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from app.domain.ensemble.opinions import AbstentionCode
from app.domain.ensemble.skill import SkillVerdict
from app.domain.ensemble.versions import Role
from app.domain.signals import Side
from web.shapes import DecimalText, Figure, Shape


class SkillItem(Shape):
    """Correlation of what was forecast with what came, -1..1, with its 95 % interval; null while not measured."""

    estimate: float | None
    low: float | None
    high: float | None
    verdict: SkillVerdict
    sentence: str = Field(description="The skill in words")
    blocks: int = Field(description="Independent stretches of time that it was measured on")
    samples: int


class ReliabilityItem(Shape):
    """A point of the calibration plot: of `samples` forecasts around `forecast`, the share `observed` came true."""

    low: float
    high: float
    forecast: float
    observed: float
    samples: int


class VoteItem(Shape):
    model: str
    version: str
    probability: float = Field(description="Of a higher price after the horizon")
    weight: float = Field(description="0 while no skill is shown")
    skill: SkillItem | None


class AbstentionItem(Shape):
    model: str
    version: str | None
    code: AbstentionCode
    reason: str


class EngineModelItem(Figure):
    """One model over all symbols of the last pass."""

    model: str
    status: Literal["LIVE", "STALE", "UNAVAILABLE"]
    code: str | None
    version: str | None
    votes: int | None = Field(description="Symbols it voted on")
    abstentions: int | None
    weight: float | None
    skill: SkillItem | None


class EngineSymbolItem(Shape):
    """What the ensemble says of one symbol. `agreement` and `spread` count only votes that weigh something."""

    symbol: str
    at: datetime
    side: Side | None
    probability: float | None
    agreement: float | None
    spread: float | None
    votes: list[VoteItem]
    abstentions: list[AbstentionItem]
    signal_id: str | None
    reason: str = Field(description="Why a signal was sent, or why none was")


class ComparisonItem(Shape):
    against: str
    gain: float = Field(description="In log loss, nats")
    standard_error: float
    blocks: int
    is_better: bool
    sentence: str


class ModelVersionItem(Shape):
    version: str
    family: str
    role: Role
    role_since: datetime
    reason: str
    created_at: datetime
    data_from: datetime
    data_to: datetime = Field(description="It has seen nothing later")
    symbols: list[str]
    samples: int
    horizon_minutes: int
    feature_set: str
    sha256: str
    size_bytes: int
    walk_forward: SkillItem
    holdout: SkillItem
    live: SkillItem | None = Field(description="From what came of its recorded forecasts; null before any came")
    log_loss: float = Field(description="In nats; a coin has 0.6931")
    brier: float
    reliability: list[ReliabilityItem]
    comparison: ComparisonItem | None


class TrainingItem(Shape):
    started_at: datetime
    ended_at: datetime
    data_from: datetime | None
    data_to: datetime | None
    symbols: list[str]
    samples: int
    horizon_minutes: int
    skill: SkillItem = Field(description="Of the ensemble as a whole, out of sample")
    reliability: list[ReliabilityItem]
    families: dict[str, dict[str, Any]] = Field(description="By family: the version made, or why none was")
    sentence: str


class Results(Shape):
    signals: int
    right_share: float = Field(description="Went the signal's way, before costs")
    mean_gross_return: DecimalText
    mean_net_return: DecimalText = Field(description="After costs of getting in and out")


class StrategyResults(Results):
    strategy: str


class ConfidenceResults(Results):
    low: DecimalText
    high: DecimalText
    mean_confidence: DecimalText


class OutcomesItem(Shape):
    """What came of the newest signals of all producers, traded or not."""

    signals: int
    unknown: int
    horizon_minutes: int | None
    reason: str | None
    strategies: list[StrategyResults]
    by_confidence: list[ConfidenceResults]


class EngineOverview(Figure):
    state: Literal["LIVE", "STALE", "UNAVAILABLE"]
    last_pass_at: datetime | None
    models: list[EngineModelItem]
    symbols: list[EngineSymbolItem]
    registry: list[ModelVersionItem]
    training: TrainingItem | None
    outcomes: OutcomesItem
