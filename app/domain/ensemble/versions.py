"""Versions of models: what is known of each, and the table of parts they may play."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from app.domain.ensemble.skill import Skill


class Role(StrEnum):
    """What a version does."""

    CHALLENGER = "CHALLENGER"  # trained and measured; its forecasts are recorded and count for nothing
    CHAMPION = "CHAMPION"  # serves: the one of its family that votes
    RETIRED = "RETIRED"  # served once, or lost to a newer one; a rollback may bring it back


class VersionEvent(StrEnum):
    """What can happen to a version."""

    PROMOTED = "promoted"  # it beat the champion, or there was none, or an operator prefers it
    DEPOSED = "deposed"
    SUPERSEDED = "superseded"  # a newer challenger took its place beside the champion
    RESTORED = "restored"  # an operator's rollback


ROLE_TRANSITIONS: Mapping[tuple[Role, VersionEvent], Role] = {
    (Role.CHALLENGER, VersionEvent.PROMOTED): Role.CHAMPION,
    (Role.CHALLENGER, VersionEvent.SUPERSEDED): Role.RETIRED,
    (Role.CHAMPION, VersionEvent.DEPOSED): Role.RETIRED,
    (Role.RETIRED, VersionEvent.RESTORED): Role.CHAMPION,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Of `samples` forecasts between `low` and `high`, with mean `forecast`, the share `observed` came true."""

    low: float
    high: float
    forecast: float
    observed: float
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """How a version did out of sample: over the folds of the walk-forward, and on the newest part it never saw."""

    walk_forward: Skill
    holdout: Skill
    log_loss: float  # in nats; a coin has 0.6931
    brier: float
    reliability: Sequence[ReliabilityBin]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A challenger against the champion on data that neither has seen: mean gain in log loss, with its error."""

    against: str
    gain: float
    standard_error: float
    blocks: int
    is_better: bool
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One trained model as registered: where its file is, what it was made from, how it did."""

    version: str
    family: str
    role: Role
    created_at: datetime
    feature_set: str
    horizon_minutes: int
    symbols: Sequence[str]
    data_from: datetime
    data_to: datetime  # it has seen nothing later
    samples: int
    slope: float  # calibration: probability = sigmoid(slope * (score - center))
    center: float
    typical_move: float  # the mean size of a return over the horizon in what it was trained on
    file: str  # relative to the folder of models
    sha256: str
    size_bytes: int
    metrics: Metrics
    comparison: Comparison | None
    reason: str  # why it has the part it has
    role_since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """One pass over all families: the data, the ensemble's own skill out of sample, and what it says."""

    started_at: datetime
    ended_at: datetime
    data_from: datetime | None
    data_to: datetime | None
    symbols: Sequence[str]
    samples: int
    horizon_minutes: int
    skill: Skill
    reliability: Sequence[ReliabilityBin]
    families: Mapping[str, Mapping[str, Any]]  # by family: version, or why none was made
    sentence: str


def next_role(role: Role, event: VersionEvent) -> Role:
    """The part after `event`; KeyError is a bug: the table has no such arrow."""
    return ROLE_TRANSITIONS[(role, event)]
