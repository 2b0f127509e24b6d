"""The verdict: who counts, by what weight, and what is said when nobody does."""

from __future__ import annotations

import pytest

from app.domain.ensemble.combine import NO_SKILL, NO_VOTES, combine
from app.domain.ensemble.opinions import Abstention, AbstentionCode, Vote
from app.domain.ensemble.skill import UNMEASURED, Skill, SkillVerdict, pooled


def vote(model: str, probability: float) -> Vote:
    return Vote(model=model, version=f"{model}-1", probability=probability)


def skill(estimate: float, error: float = 0.02, blocks: int = 40) -> Skill:
    return Skill(estimate=estimate, standard_error=error, blocks=blocks, samples=blocks * 100)


AWAY = Abstention(model="nhits", version=None, code=AbstentionCode.NOT_INSTALLED, reason="not installed")


def test_votes_weigh_their_skill_less_its_error() -> None:
    verdict = combine([vote("a", 0.7), vote("b", 0.4), AWAY], {"a": skill(0.08), "b": skill(0.04)})
    assert [(each.vote.model, round(each.weight, 6)) for each in verdict.votes] == [("a", 0.75), ("b", 0.25)]
    assert verdict.probability == pytest.approx(0.625)
    assert verdict.agreement == pytest.approx(0.75)
    assert verdict.spread == pytest.approx(0.3)
    assert list(verdict.abstentions) == [AWAY]


def test_agreement_counts_live_votes_only() -> None:
    verdict = combine([vote("a", 0.7), AWAY], {"a": skill(0.08), "nhits": skill(0.5)})
    assert (verdict.probability, verdict.agreement) == (0.7, 1.0)


def test_without_a_vote_there_is_no_number() -> None:
    verdict = combine([AWAY], {"nhits": skill(0.5)})
    assert (verdict.probability, verdict.agreement, verdict.spread, verdict.reason) == (None, None, None, NO_VOTES)


def test_without_shown_skill_there_is_no_number_either() -> None:
    verdict = combine([vote("a", 0.9), vote("b", 0.9)], {"a": skill(0.01), "b": UNMEASURED})
    assert (verdict.probability, verdict.reason) == (None, NO_SKILL)
    assert [each.weight for each in verdict.votes] == [0.0, 0.0]


def test_what_was_never_measured_weighs_nothing() -> None:
    verdict = combine([vote("a", 0.6), vote("new", 0.99)], {"a": skill(0.1)})
    assert verdict.probability == pytest.approx(0.6)


@pytest.mark.parametrize("wrong", [float("nan"), -0.1, 1.1, float("inf")])
def test_a_vote_that_is_no_probability_is_no_vote(wrong: float) -> None:
    with pytest.raises(ValueError, match="no probability"):
        vote("a", wrong)


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [
        (skill(0.10), SkillVerdict.PROVEN),
        (skill(0.03), SkillVerdict.INDISTINGUISHABLE_FROM_ZERO),
        (skill(-0.10), SkillVerdict.WORSE_THAN_CHANCE),
        (skill(0.10, blocks=9), SkillVerdict.NOT_MEASURED),
        (UNMEASURED, SkillVerdict.NOT_MEASURED),
    ],
)
def test_what_may_be_said_of_a_skill(measured: Skill, verdict: SkillVerdict) -> None:
    assert measured.verdict is verdict


def test_two_measurements_count_by_what_each_is_sure_of() -> None:
    together = pooled(skill(0.10, error=0.02), skill(0.00, error=0.04))
    assert together.estimate == pytest.approx(0.08)
    assert together.standard_error == pytest.approx(0.02 / 1.25**0.5)
    assert pooled(skill(0.1), UNMEASURED) == skill(0.1)
    assert not pooled(UNMEASURED, skill(0.1, blocks=3)).is_measured
