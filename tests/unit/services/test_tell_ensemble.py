"""What is told of each model's last vote: no number for one that is too old or was never cast."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.domain.ensemble.provenance import VOTE_AGE_MAX, Ballot
from app.domain.signals import ModelVote
from app.services.tell_ensemble import TellEnsemble
from tests.fakes.clock import FakeClock

CLOCK = FakeClock()


class Ballots:
    """The part of `app.ports.ReadModels` that votes are read from."""

    def __init__(self, *ballots: Ballot) -> None:
        self.held = ballots

    def ballots(self, *, symbol: str | None, limit: int) -> Sequence[Ballot]:
        return self.held[:limit]


def told(model: str, *, age: timedelta, source: str | None = "xgboost_v3") -> dict[str, Any]:
    vote = ModelVote(action="BUY", confidence=Decimal("0.6"), source=source)
    ballot = Ballot(signal_id="s-1", symbol="BTCUSDT", cast_at=CLOCK.now() - age, votes={"xgboost": vote})
    answer = TellEnsemble(Ballots(ballot), CLOCK)()  # type: ignore[arg-type]
    return next(each for each in answer["models"] if each["model"] == model)


def test_a_live_vote_has_its_number() -> None:
    live = told("xgboost", age=timedelta(seconds=2))
    assert (live["provenance"], live["reason"], live["age_seconds"]) == ("LIVE", None, 2.0)
    assert (live["vote"]["confidence"], live["vote"]["reason"]) == ("0.6", None)


@pytest.mark.parametrize(("source", "reason"), [("xgb_fallback_rules", "xgb_fallback_rules"), (None, "did not say")])
def test_a_stand_ins_vote_says_who_cast_it(source: str | None, reason: str) -> None:
    fallback = told("xgboost", age=timedelta(), source=source)
    assert fallback["provenance"] == "FALLBACK"
    assert reason in fallback["reason"]


def test_a_stale_vote_has_a_reason_in_place_of_its_number() -> None:
    stale = told("xgboost", age=VOTE_AGE_MAX + timedelta(seconds=1))
    assert stale["provenance"] == "STALE"
    assert (stale["vote"]["confidence"], stale["vote"]["reason"]) == (None, "its last own vote is 301 s old")
    assert (stale["vote"]["action"], stale["vote"]["signal_id"]) == ("BUY", "s-1")


def test_a_model_that_never_voted_has_no_vote_and_a_reason() -> None:
    missing = told("patchtst", age=timedelta())
    assert (missing["provenance"], missing["vote"], missing["age_seconds"]) == ("UNAVAILABLE", None, None)
    assert missing["reason"]
