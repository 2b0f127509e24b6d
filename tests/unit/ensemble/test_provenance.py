"""What a model's vote is worth, and that only votes worth something agree."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from app.cli.recorded_signals import RecordedSignal, read_recorded
from app.domain.ensemble.provenance import (
    EXPECTED_MODELS,
    VOTE_AGE_MAX,
    Ballot,
    Provenance,
    agreement,
    provenance,
    standings,
)
from app.domain.signals import ModelVote

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def vote(action: str = "BUY", source: str | None = "xgboost_v3") -> ModelVote:
    return ModelVote(action=action, confidence=Decimal("0.6"), source=source)


def ballot(signal_id: str = "s-1", *, age: timedelta = timedelta(), **votes: ModelVote) -> Ballot:
    return Ballot(signal_id=signal_id, symbol="BTCUSDT", cast_at=NOW - age, votes=votes)


@pytest.mark.parametrize(
    ("source", "age", "expected"),
    [
        ("xgboost", timedelta(), Provenance.LIVE),
        ("lgbm_model", VOTE_AGE_MAX, Provenance.LIVE),
        ("xgboost", VOTE_AGE_MAX + timedelta(seconds=1), Provenance.STALE),
        ("nhits_insufficient_history", timedelta(), Provenance.FALLBACK),
        ("patchtst_insufficient_history", timedelta(hours=1), Provenance.FALLBACK),
        ("xgb_fallback_rules", timedelta(), Provenance.FALLBACK),
        ("LGBM_FALLBACK_RULES", timedelta(), Provenance.FALLBACK),
        (None, timedelta(), Provenance.FALLBACK),
    ],
)
def test_what_a_vote_is_worth(source: str | None, age: timedelta, expected: Provenance) -> None:
    kind, reason = provenance(vote(source=source), cast_at=NOW - age, now=NOW)
    assert kind is expected
    assert (reason is None) == (expected is Provenance.LIVE)


def test_every_expected_model_is_listed_and_one_without_a_vote_is_missing() -> None:
    found = {each.model: each for each in standings([ballot(xgboost=vote(), lstm=vote())], now=NOW)}
    assert set(found) == {*EXPECTED_MODELS, "lstm"}
    assert found["xgboost"].provenance is Provenance.LIVE
    assert (found["nhits"].provenance, found["nhits"].vote) == (Provenance.UNAVAILABLE, None)


def test_the_newest_vote_of_each_model_counts() -> None:
    newer, older = ballot("new", xgboost=vote("SELL")), ballot("old", xgboost=vote("BUY"), nhits=vote("HOLD"))
    found = {each.model: each for each in standings([newer, older], now=NOW)}
    assert found["xgboost"].ballot is newer
    assert found["nhits"].ballot is older


def test_agreement_counts_live_votes_alone() -> None:
    mixed = ballot(
        xgboost=vote("SELL"),
        lightgbm=vote("BUY"),
        lstm=vote("BUY"),
        nhits=vote("SELL", "nhits_insufficient_history"),
        patchtst=vote("SELL", "patchtst_fallback_rules"),
    )
    found = agreement(mixed, now=NOW)
    assert (found.action, found.agreeing, found.live, found.share) == ("BUY", 2, 3, Decimal("0.6667"))


def test_a_tie_is_nobodys_opinion() -> None:
    found = agreement(ballot(xgboost=vote("SELL"), lightgbm=vote("BUY")), now=NOW)
    assert (found.action, found.agreeing, found.live, found.share) == (None, 1, 2, Decimal("0.5000"))


@pytest.mark.parametrize(
    "nothing_live",
    [
        None,
        ballot(nhits=vote(source="nhits_insufficient_history")),
        ballot(age=VOTE_AGE_MAX * 2, xgboost=vote()),
    ],
)
def test_without_a_live_vote_there_is_no_agreement(nothing_live: Ballot | None) -> None:
    found = agreement(nothing_live, now=NOW)
    assert (found.action, found.live, found.share) == (None, 0, None)
    assert found.reason


def test_of_the_recorded_votes_exactly_the_fallbacks_are_fallbacks(recorded_data: Path) -> None:
    with (recorded_data / "signals-2025-11-22.jsonl").open("rb") as lines:
        recorded = [each for each in read_recorded(lines, quote="USDT") if isinstance(each, RecordedSignal)]
    kinds: Counter[tuple[str, Provenance]] = Counter()
    for signal in recorded:
        for model, said in signal.models.items():
            kind, reason = provenance(
                ModelVote(action=said["action"], confidence=Decimal(str(said["confidence"])), source=said["source"]),
                cast_at=NOW,
                now=NOW,
            )
            kinds[model, kind] += 1
            is_fallback = said["source"].endswith(("_insufficient_history", "_fallback_rules"))
            assert (kind is Provenance.FALLBACK) is is_fallback, said
            assert reason == (said["source"] if is_fallback else None)
    count = len(recorded)
    assert count > 0
    assert kinds == {
        ("xgboost", Provenance.LIVE): count,
        ("lightgbm", Provenance.LIVE): count,
        ("nhits", Provenance.FALLBACK): count,
        ("patchtst", Provenance.FALLBACK): count,
    }
