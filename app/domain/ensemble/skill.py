"""Skill as a figure with an error: whether forecasts made before the fact went with what came, beyond chance.

The measure is the correlation between a forecast's lean and the outcome's: with p the forecast and y what came (1 up,
0 down), sum((p-1/2)(y-1/2)) / sqrt(sum (p-1/2)^2 * sum (y-1/2)^2). Whoever does not know the future has an expected
product of zero, however wild the forecasts: the measure has no bias to be forgiven.
Forecasts of neighbouring minutes and of symbols that move together share their luck; so the error comes from sums over
whole blocks of time, never from counting samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf, sqrt

BLOCKS_MIN = 10  # fewer independent stretches of time measure nothing


class SkillVerdict(StrEnum):
    """What may be said of a skill, in words that people read."""

    PROVEN = "PROVEN"  # the whole 95 % interval is above zero
    INDISTINGUISHABLE_FROM_ZERO = "INDISTINGUISHABLE_FROM_ZERO"
    WORSE_THAN_CHANCE = "WORSE_THAN_CHANCE"  # the whole interval is below zero
    NOT_MEASURED = "NOT_MEASURED"  # too few blocks of time


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """`estimate` -1..1 with its standard error, from `blocks` stretches of time that hold `samples` forecasts."""

    estimate: float
    standard_error: float
    blocks: int
    samples: int

    @property
    def is_measured(self) -> bool:
        return self.blocks >= BLOCKS_MIN and 0.0 < self.standard_error < inf

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, by Student's t."""
        reach = t_quantile_975(self.blocks - 1) * self.standard_error
        return max(-1.0, self.estimate - reach), min(1.0, self.estimate + reach)

    @property
    def verdict(self) -> SkillVerdict:
        if not self.is_measured:
            return SkillVerdict.NOT_MEASURED
        low, high = self.interval
        if low > 0.0:
            return SkillVerdict.PROVEN
        return SkillVerdict.WORSE_THAN_CHANCE if high < 0.0 else SkillVerdict.INDISTINGUISHABLE_FROM_ZERO

    @property
    def merit(self) -> float:
        """What a vote weighs before it is shared out: the skill less its error, never negative."""
        return max(0.0, self.estimate - self.standard_error) if self.is_measured else 0.0

    @property
    def sentence(self) -> str:
        """The skill in words, for people."""
        if not self.is_measured:
            return f"not measured: {self.blocks} independent stretches of time, {BLOCKS_MIN} are needed"
        low, high = self.interval
        says = {
            SkillVerdict.PROVEN: "skill beyond chance",
            SkillVerdict.INDISTINGUISHABLE_FROM_ZERO: "indistinguishable from zero",
            SkillVerdict.WORSE_THAN_CHANCE: "worse than chance",
        }[self.verdict]
        return f"{says}: {self.estimate:+.3f}, 95 % interval {low:+.3f} to {high:+.3f} over {self.blocks} stretches"


UNMEASURED = Skill(estimate=0.0, standard_error=inf, blocks=0, samples=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockSums:
    """Sums over the forecasts of one block of time."""

    product: float  # of lean and outcome
    lean_square: float
    outcome_square: float
    samples: int


def skill_of(blocks: Sequence[BlockSums]) -> Skill:
    """The skill that blocks of time show, with its error from how the blocks differ."""
    count = len(blocks)
    lean = sum(block.lean_square for block in blocks)
    outcome = sum(block.outcome_square for block in blocks)
    samples = sum(block.samples for block in blocks)
    scale = sqrt(lean * outcome)
    if count < 2 or scale <= 0.0:
        # Forecasts that never lean say nothing, rightly or wrongly.
        return Skill(estimate=0.0, standard_error=inf, blocks=count, samples=samples)
    total = sum(block.product for block in blocks)
    mean = total / count
    spread = sum((block.product - mean) ** 2 for block in blocks)
    return Skill(
        estimate=total / scale,
        standard_error=sqrt(spread * count / (count - 1)) / scale,
        blocks=count,
        samples=samples,
    )


def pooled(first: Skill, second: Skill) -> Skill:
    """Two measurements of one thing, on different stretches of time, weighed by what each is sure of."""
    measured = [skill for skill in (first, second) if skill.is_measured]
    if len(measured) < 2:
        return measured[0] if measured else max(first, second, key=lambda skill: skill.blocks)
    certainties = [skill.standard_error**-2 for skill in measured]
    total = sum(certainties)
    return Skill(
        estimate=sum(skill.estimate * certainty for skill, certainty in zip(measured, certainties, strict=True))
        / total,
        standard_error=sqrt(1.0 / total),
        blocks=first.blocks + second.blocks,
        samples=first.samples + second.samples,
    )


def t_quantile_975(freedom: int) -> float:
    """Student's t at 97.5 %; a series in 1/freedom, within 0.03 of the table from 4 degrees on."""
    if freedom < 1:
        return inf
    return 1.96 + 2.372 / freedom + 2.82 / freedom**2
