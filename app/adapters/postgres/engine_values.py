"""Skills, metrics and opinions as JSON columns hold them, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import inf, isfinite
from typing import Any

from app.domain.ensemble.combine import Verdict
from app.domain.ensemble.skill import Skill
from app.domain.ensemble.versions import Comparison, Metrics, ReliabilityBin


def skill_to_json(skill: Skill) -> Mapping[str, Any]:
    """An error that is not known is null: JSON has no infinity."""
    error = skill.standard_error
    return {
        "estimate": skill.estimate,
        "standard_error": error if isfinite(error) else None,
        "blocks": skill.blocks,
        "samples": skill.samples,
    }


def skill_from_json(value: Mapping[str, Any]) -> Skill:
    error = value["standard_error"]
    return Skill(
        estimate=value["estimate"],
        standard_error=inf if error is None else error,
        blocks=value["blocks"],
        samples=value["samples"],
    )


def skill_item(skill: Skill) -> Mapping[str, Any]:
    """For people: what is not measured has no figures, and says why."""
    if not skill.is_measured:
        figures: Mapping[str, Any] = {"estimate": None, "low": None, "high": None}
    else:
        low, high = skill.interval
        figures = {"estimate": skill.estimate, "low": low, "high": high}
    return {
        **figures,
        "verdict": skill.verdict.value,
        "sentence": skill.sentence,
        "blocks": skill.blocks,
        "samples": skill.samples,
    }


def bins_to_json(bins: Sequence[ReliabilityBin]) -> list[Mapping[str, Any]]:
    return [asdict(each) for each in bins]


def bins_from_json(values: Sequence[Mapping[str, Any]]) -> tuple[ReliabilityBin, ...]:
    return tuple(ReliabilityBin(**value) for value in values)


def metrics_to_json(metrics: Metrics) -> Mapping[str, Any]:
    return {
        "walk_forward": skill_to_json(metrics.walk_forward),
        "holdout": skill_to_json(metrics.holdout),
        "log_loss": metrics.log_loss,
        "brier": metrics.brier,
        "reliability": bins_to_json(metrics.reliability),
    }


def metrics_from_json(value: Mapping[str, Any]) -> Metrics:
    return Metrics(
        walk_forward=skill_from_json(value["walk_forward"]),
        holdout=skill_from_json(value["holdout"]),
        log_loss=value["log_loss"],
        brier=value["brier"],
        reliability=bins_from_json(value["reliability"]),
    )


def comparison_to_json(comparison: Comparison | None) -> Mapping[str, Any] | None:
    return None if comparison is None else asdict(comparison)


def comparison_from_json(value: Mapping[str, Any] | None) -> Comparison | None:
    return None if value is None else Comparison(**value)


def votes_to_json(verdict: Verdict, skills: Mapping[str, Skill]) -> list[Mapping[str, Any]]:
    """Who voted, with what weight, and the skill that the weight came from."""
    return [
        {
            "model": each.vote.model,
            "version": each.vote.version,
            "probability": each.vote.probability,
            "weight": each.weight,
            "skill": skill_item(skills[each.vote.model]) if each.vote.model in skills else None,
        }
        for each in verdict.votes
    ]


def abstentions_to_json(verdict: Verdict) -> list[Mapping[str, Any]]:
    return [
        {"model": each.model, "version": each.version, "code": each.code.value, "reason": each.reason}
        for each in verdict.abstentions
    ]
