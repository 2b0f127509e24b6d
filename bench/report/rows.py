"""A row: what we take, what the limit and the peers take in the same minutes, and whether the target is met.

Nothing here measures. Every figure is a median of rounds that were measured in turn; what could not be measured has a
reason in place of a number.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What a row says of its target."""

    MET = "met"
    MISSED = "missed"
    NOT_MEASURED = "not measured"
    NO_TARGET = "no target"


class Better(StrEnum):
    """Which way is forward."""

    HIGHER = "higher"
    LOWER = "lower"


@dataclass(frozen=True, slots=True)
class Series:
    """One contender's rounds, in the order they were measured."""

    name: str
    rounds: Sequence[float]

    def __post_init__(self) -> None:
        if not self.rounds:
            raise ValueError(f"{self.name}: a series without a round")

    @property
    def median(self) -> float:
        """The middle round, or the mean of the two in the middle."""
        return statistics.median(self.rounds)

    @property
    def spread(self) -> tuple[float, float]:
        """The quartiles; of fewer than four rounds the least and the most."""
        return spread_of(self.rounds)


@dataclass(frozen=True, slots=True)
class Missing:
    """A contender that was not measured, and why, e.g. `not installed`."""

    name: str
    reason: str


Contender = Series | Missing


@dataclass(frozen=True, slots=True)
class Ratio:
    """Ours by another's: the ratio of the medians, and the spread of the ratios of the rounds taken in turn."""

    of_medians: float
    low: float
    high: float


class TargetOf(StrEnum):
    """Which figure of a row a target is about."""

    RATIO = "ratio"
    OURS = "ours"


@dataclass(frozen=True, slots=True)
class Target:
    """A bound: of the ratio to the limit or of our own median, from below or from above."""

    of: TargetOf
    bound: float
    at_least: bool

    def is_met(self, figure: float) -> bool:
        """At the bound is met."""
        return figure >= self.bound if self.at_least else figure <= self.bound


def ratio_at_least(bound: float) -> Target:
    """Ours is at least so many times the limit."""
    return Target(TargetOf.RATIO, bound, at_least=True)


def ratio_at_most(bound: float) -> Target:
    """Ours is at most so many times the limit."""
    return Target(TargetOf.RATIO, bound, at_least=False)


def ours_at_least(bound: float) -> Target:
    """Our median is at least this."""
    return Target(TargetOf.OURS, bound, at_least=True)


def ours_at_most(bound: float) -> Target:
    """Our median is at most this."""
    return Target(TargetOf.OURS, bound, at_least=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table; without `ours`, or the limit that a target is about, nothing is judged."""

    name: str  # unique, for machines: "window-offer-100"
    what: str
    unit: str
    ours: Contender
    better: Better = Better.HIGHER
    limit: Contender | None = None
    peers: Sequence[Contender] = ()
    target: Target | None = None
    note: str = ""

    @property
    def ratio(self) -> Ratio | None:
        """Ours by the limit; None where one of them is not known."""
        return ratio_of(self.ours, self.limit)

    @property
    def verdict(self) -> Verdict:
        """Judged by medians alone."""
        if isinstance(self.ours, Missing):
            return Verdict.NOT_MEASURED
        if self.target is None:
            return Verdict.NO_TARGET
        figure = self.ours.median
        if self.target.of is TargetOf.RATIO:
            if self.ratio is None:
                return Verdict.NOT_MEASURED
            figure = self.ratio.of_medians
        return Verdict.MET if self.target.is_met(figure) else Verdict.MISSED

    @property
    def reason(self) -> str | None:
        """Why it was not measured; None when it was."""
        if self.verdict is not Verdict.NOT_MEASURED:
            return None
        absent = [each for each in (self.ours, self.limit) if isinstance(each, Missing)]
        return f"{absent[0].name}: {absent[0].reason}" if absent else "the limit is not known"


@dataclass(frozen=True, slots=True)
class Point:
    """Measured at one size."""

    x: float
    rounds: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """How a figure grows with a size; one line per series name."""

    name: str
    what: str
    x: str  # what grows: "signals in the window"
    unit: str
    lines: Mapping[str, Sequence[Point]]


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence that a measurement ends in where a ratio would not say it."""

    what: str
    text: str


Told = Row | Curve | Finding


def ratio_of(ours: Contender | None, other: Contender | None) -> Ratio | None:
    """`ours` divided by `other`; rounds are paired in the order they were measured. None where that says nothing."""
    if not isinstance(ours, Series) or not isinstance(other, Series) or other.median == 0:
        return None
    paired = [mine / theirs for mine, theirs in zip(ours.rounds, other.rounds, strict=False) if theirs]
    of_medians = ours.median / other.median
    low, high = spread_of(paired) if paired else (of_medians, of_medians)
    return Ratio(of_medians, low, high)


def spread_of(values: Sequence[float]) -> tuple[float, float]:
    """The first and third quartile (inclusive); of fewer than four values the least and the most."""
    if len(values) < 4:
        return min(values), max(values)
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, third
