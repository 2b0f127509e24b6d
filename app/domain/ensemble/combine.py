"""From the models' opinions to one verdict: who voted, what each weighs by measured skill, how far they disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.domain.ensemble.opinions import Abstention, Opinion, Vote
from app.domain.ensemble.skill import Skill

NO_VOTES = "no model voted"
NO_SKILL = "no voting model has shown skill out of sample"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """A vote and its part of the verdict; weights of one verdict sum to 1, or are all 0."""

    vote: Vote
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the ensemble says; without a probability it says why.

    `agreement` is the share of the weight on the verdict's own side, `spread` the distance between the highest and the
    lowest vote. Both count only models that voted and weigh something.
    """

    votes: Sequence[Weighed]
    abstentions: Sequence[Abstention]
    probability: float | None
    agreement: float | None
    spread: float | None
    reason: str | None


def weights_by_skill(votes: Sequence[Vote], skills: Mapping[str, Skill]) -> Mapping[str, float]:
    """By model: measured skill less its standard error, in proportion; all 0 when nobody has shown any.

    What has not been measured weighs nothing: a newcomer earns its weight. Subtracting the error makes a skill that is
    large but hardly known weigh less than one that is smaller and well known.
    """
    merits = {vote.model: skills[vote.model].merit if vote.model in skills else 0.0 for vote in votes}
    total = sum(merits.values())
    return {model: merit / total if total > 0.0 else 0.0 for model, merit in merits.items()}


def combine(opinions: Sequence[Opinion], skills: Mapping[str, Skill]) -> Verdict:
    """The weighted mean of the votes. Abstentions are listed and count for nothing."""
    votes = [opinion for opinion in opinions if isinstance(opinion, Vote)]
    weights = weights_by_skill(votes, skills)
    weighed = [Weighed(vote=vote, weight=weights[vote.model]) for vote in votes]
    counted = [each for each in weighed if each.weight > 0.0]
    abstentions = [opinion for opinion in opinions if isinstance(opinion, Abstention)]
    if not counted:
        return Verdict(
            votes=weighed,
            abstentions=abstentions,
            probability=None,
            agreement=None,
            spread=None,
            reason=NO_SKILL if votes else NO_VOTES,
        )
    probability = min(1.0, max(0.0, sum(each.weight * each.vote.probability for each in counted)))
    agreeing = sum(each.weight for each in counted if (each.vote.probability > 0.5) == (probability > 0.5))
    voted = [each.vote.probability for each in counted]
    return Verdict(
        votes=weighed,
        abstentions=abstentions,
        probability=probability,
        agreement=min(1.0, agreeing),
        spread=max(voted) - min(voted),
        reason=None,
    )
