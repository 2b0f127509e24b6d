"""What the models said last, with the provenance of each vote, and whether those that can be believed agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.ensemble.provenance import Agreement, Provenance, Standing, agreement, standings
from app.domain.money import plain
from app.ports import Clock, ReadModels

BALLOTS_MAX = 200


@dataclass(frozen=True, slots=True)
class TellEnsemble:
    """Read from the votes that signals brought along; nothing is computed that no producer said."""

    read_models: ReadModels
    clock: Clock

    def __call__(self, *, symbol: str | None = None) -> Mapping[str, Any]:
        """`models`, each with `provenance, reason, age_seconds` and its `vote`, and the `agreement` of the newest."""
        ballots = self.read_models.ballots(symbol=symbol, limit=BALLOTS_MAX)
        now = self.clock.now()
        newest = ballots[0] if ballots else None
        told: dict[str, Any] = {
            "symbol": symbol,
            "models": [_model(each, now) for each in standings(ballots, now=now)],
            "agreement": _agreement(agreement(newest, now=now)),
        }
        if newest is None:
            return {**told, "source": None, "age_seconds": None, "reason": "no recent signal brought votes along"}
        told["agreement"] |= {"signal_id": newest.signal_id, "symbol": newest.symbol}
        return {**told, "source": "signals", "age_seconds": _age(newest.cast_at, now), "reason": None}


def _model(standing: Standing, now: datetime) -> Mapping[str, Any]:
    vote, ballot = standing.vote, standing.ballot
    told: dict[str, Any] = {
        "model": standing.model,
        "provenance": standing.provenance.value,
        "reason": standing.reason,
        "source": "signals",
        "age_seconds": None,
        "vote": None,
    }
    if vote is not None and ballot is not None:
        told["age_seconds"] = _age(ballot.cast_at, now)
        # What a model said too long ago is no number for now; that it spoke, of what and when, is told.
        is_stale = standing.provenance is Provenance.STALE
        told["vote"] = {
            "action": vote.action,
            "confidence": None if is_stale else plain(vote.confidence),
            "reason": standing.reason if is_stale else None,
            "source": vote.source,
            "symbol": ballot.symbol,
            "signal_id": ballot.signal_id,
            "at": ballot.cast_at.isoformat(),
        }
    return told


def _agreement(found: Agreement) -> dict[str, Any]:
    return {
        "action": found.action,
        "agreeing": found.agreeing,
        "live": found.live,
        "share": None if found.share is None else plain(found.share),
        "reason": found.reason,
        "signal_id": None,
        "symbol": None,
    }


def _age(at: datetime, now: datetime) -> float:
    return max(0.0, round((now - at).total_seconds(), 3))
