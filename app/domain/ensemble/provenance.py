"""What the models say, how far each vote can be believed, and whether those that can be believed agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fnmatch import fnmatchcase

from app.domain.signals import ModelVote

# The models of the ensemble (design, section 4): one of them that never voted is shown as missing, not left out.
EXPECTED_MODELS = ("xgboost", "lightgbm", "patchtst", "nhits")
# A model that has said nothing for ten times a signal's usual life says nothing about now.
VOTE_AGE_MAX = timedelta(seconds=300)
# What producers write when a model did not vote itself.
FALLBACK_SOURCES = ("*fallback*", "*insufficient_history*", "*mock*")
NO_SOURCE = "the producer did not say where the vote comes from"


class Provenance(StrEnum):
    """How far a vote can be believed."""

    LIVE = "LIVE"  # the model itself, just now
    FALLBACK = "FALLBACK"  # something stood in for the model
    STALE = "STALE"  # the model itself, too long ago
    UNAVAILABLE = "UNAVAILABLE"  # no vote


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """The votes that came with one signal; `cast_at` is the producer's clock, or ours where that ran ahead."""

    signal_id: str
    symbol: str
    cast_at: datetime
    votes: Mapping[str, ModelVote]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One model's last vote, if there is one, and what it is worth."""

    model: str
    provenance: Provenance
    reason: str | None
    vote: ModelVote | None
    ballot: Ballot | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How many of the LIVE votes of one ballot say the same; `share` is None while there are none."""

    action: str | None
    agreeing: int
    live: int
    share: Decimal | None
    reason: str | None


def standings(ballots: Sequence[Ballot], *, now: datetime) -> Sequence[Standing]:
    """Every model's last vote, by name; `ballots` newest first."""
    last: dict[str, Ballot] = {}
    for ballot in ballots:
        for model in ballot.votes:
            last.setdefault(model, ballot)
    return [
        _standing(model, last.get(model), now=now, looked_at=len(ballots))
        for model in sorted({*EXPECTED_MODELS, *last})
    ]


def agreement(ballot: Ballot | None, *, now: datetime) -> Agreement:
    """Of the LIVE votes of this ballot alone: votes about different signals do not agree, they happen to be equal."""
    live = [] if ballot is None else _live_actions(ballot, now=now)
    if not live:
        return Agreement(action=None, agreeing=0, live=0, share=None, reason="no model's own vote is recent")
    counted = Counter(live).most_common()
    action, agreeing = counted[0]
    is_tie = len(counted) > 1 and counted[1][1] == agreeing  # nobody's opinion
    share = (Decimal(agreeing) / len(live)).quantize(Decimal("0.0001"))
    return Agreement(action=None if is_tie else action, agreeing=agreeing, live=len(live), share=share, reason=None)


def provenance(vote: ModelVote, *, cast_at: datetime, now: datetime) -> tuple[Provenance, str | None]:
    """What a vote is worth, and why it is not LIVE."""
    if vote.source is None:
        return Provenance.FALLBACK, NO_SOURCE
    if any(fnmatchcase(vote.source.lower(), pattern) for pattern in FALLBACK_SOURCES):
        return Provenance.FALLBACK, vote.source
    age = now - cast_at
    if age > VOTE_AGE_MAX:
        return Provenance.STALE, f"its last own vote is {int(age.total_seconds())} s old"
    return Provenance.LIVE, None


def _live_actions(ballot: Ballot, *, now: datetime) -> list[str]:
    return [
        vote.action
        for vote in ballot.votes.values()
        if provenance(vote, cast_at=ballot.cast_at, now=now)[0] is Provenance.LIVE
    ]


def _standing(model: str, ballot: Ballot | None, *, now: datetime, looked_at: int) -> Standing:
    if ballot is None:
        reason = f"no vote of it in the newest {looked_at} signals with votes" if looked_at else "no signal had votes"
        return Standing(model=model, provenance=Provenance.UNAVAILABLE, reason=reason, vote=None, ballot=None)
    vote = ballot.votes[model]
    kind, why = provenance(vote, cast_at=ballot.cast_at, now=now)
    return Standing(model=model, provenance=kind, reason=why, vote=vote, ballot=ballot)
