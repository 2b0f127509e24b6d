"""The registry of models for whoever looks at it: what serves, how it does, and a rollback. Computes no forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from app.adapters.postgres.engine_tables import (
    ensemble_verdicts,
    live_skills,
    model_versions,
    signal_outcomes,
    training_runs,
)
from app.adapters.postgres.engine_values import (
    bins_to_json,
    comparison_from_json,
    comparison_to_json,
    metrics_from_json,
    skill_from_json,
    skill_item,
)
from app.adapters.postgres.json_values import plain_or_none, rfc3339, rfc3339_or_none
from app.adapters.postgres.tables import audit, signals
from app.adapters.postgres.transaction import Row, Transaction, core_errors
from app.domain.ensemble.skill import Skill
from app.domain.ensemble.versions import ModelVersion, Role, VersionEvent, next_role
from app.ports import ModelRegistry

SOURCE = "database"
# A pass is made every minute; two that are missing mean that something is wrong.
PASS_AGE_MAX = timedelta(minutes=3)
VERSIONS_SHOWN = 30
OUTCOMES_SHOWN = 5_000  # the newest signals with an outcome
CONFIDENCE_BINS = 10
NEVER = "the AI engine has not made a pass yet; it runs with ./qt up --engine"


class PostgresModelRegistry(ModelRegistry):
    """`app.ports.ModelRegistry`."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def engine_overview(self, *, now: datetime) -> Mapping[str, Any]:
        with core_errors(), self._engine.connect() as connection:
            transaction = Transaction(connection)
            return _overview(transaction, now)

    def roll_back_model(self, version: str, *, reason: str, actor: str, now: datetime) -> Mapping[str, Any] | None:
        with core_errors(), self._engine.begin() as connection:
            transaction = Transaction(connection)
            crowned = crown(transaction, version, reason=reason, actor=actor, now=now)
            return None if crowned is None else _version_item(crowned, _live(transaction))


def _overview(transaction: Transaction, now: datetime) -> Mapping[str, Any]:
    last: datetime | None = transaction.value(sa.select(sa.func.max(ensemble_verdicts.c.at)))
    query = sa.select(ensemble_verdicts).where(ensemble_verdicts.c.at == last).order_by(ensemble_verdicts.c.symbol)
    rows = transaction.rows(query) if last is not None else []
    age = None if last is None else max(0.0, (now - last).total_seconds())
    is_live = last is not None and now - last <= PASS_AGE_MAX
    reason = None
    if last is None:
        reason = NEVER
    elif not is_live:
        reason = f"the AI engine's last pass is of {rfc3339(last)}, {age:.0f} s ago: it does not run, or cannot"
    live = _live(transaction)
    return {
        "state": "LIVE" if is_live else "UNAVAILABLE" if last is None else "STALE",
        "reason": reason,
        "source": None if last is None else SOURCE,
        "age_seconds": age,
        "last_pass_at": rfc3339_or_none(last),
        "models": _model_items(rows, is_live=is_live, age=age, reason=reason),
        "symbols": [_verdict_item(row, is_live=is_live, reason=reason) for row in rows],
        "registry": [_version_item(version, live) for version in _versions(transaction)],
        "training": _training_item(transaction),
        "outcomes": _outcome_item(transaction),
    }


def _model_items(
    rows: Sequence[Row], *, is_live: bool, age: float | None, reason: str | None
) -> list[Mapping[str, Any]]:
    """Each model over all symbols of the pass: LIVE when it voted on any, else UNAVAILABLE with its own reason."""
    votes: dict[str, list[Mapping[str, Any]]] = {}
    silent: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        for vote in row.votes:
            votes.setdefault(vote["model"], []).append(vote)
        for abstention in row.abstentions:
            silent.setdefault(abstention["model"], []).append(abstention)
    items: list[Mapping[str, Any]] = []
    for model in sorted(votes.keys() | silent.keys()):
        voted, kept = votes.get(model, []), silent.get(model, [])
        said = voted[0] if voted else kept[0]
        status, code, why = "LIVE", None, None
        if not is_live:
            status, code, why = "STALE", "STALE", reason
        elif not voted:
            status, code, why = "UNAVAILABLE", kept[0]["code"], kept[0]["reason"]
        elif kept:
            why = f"abstains on {len(kept)} of {len(rows)} symbols: {kept[0]['reason']}"
        items.append(
            {
                "model": model,
                "status": status,
                "code": code,
                "reason": why,
                "version": said["version"],
                "votes": len(voted) if is_live else None,
                "abstentions": len(kept) if is_live else None,
                "weight": said["weight"] if is_live and voted else None,
                "skill": said["skill"] if voted else None,
                "source": SOURCE,
                "age_seconds": age,
            }
        )
    return items


def _verdict_item(row: Row, *, is_live: bool, reason: str | None) -> Mapping[str, Any]:
    """An old verdict keeps its words and loses its numbers."""
    probability = row.probability if is_live else None
    side = None
    if probability is not None and probability != 0.5:
        side = "BUY" if probability > 0.5 else "SELL"
    return {
        "symbol": row.symbol,
        "at": rfc3339(row.at),
        "side": side,
        "probability": probability,
        "agreement": row.agreement if is_live else None,
        "spread": row.spread if is_live else None,
        "votes": row.votes if is_live else [],
        "abstentions": row.abstentions,
        "signal_id": row.signal_id,
        "reason": row.reason if is_live else reason,
    }


def _live(transaction: Transaction) -> Mapping[str, Skill]:
    return {row.version: skill_from_json(row._asdict()) for row in transaction.rows(sa.select(live_skills))}


def _versions(transaction: Transaction) -> Sequence[ModelVersion]:
    """What serves and what challenges first, then the newest of the retired."""
    rank = sa.case((model_versions.c.role == "CHAMPION", 0), (model_versions.c.role == "CHALLENGER", 1), else_=2)
    query = sa.select(model_versions).order_by(rank, model_versions.c.created_at.desc()).limit(VERSIONS_SHOWN)
    return [version_of(row) for row in transaction.rows(query)]


def _version_item(version: ModelVersion, live: Mapping[str, Skill]) -> Mapping[str, Any]:
    metrics = version.metrics
    return {
        "version": version.version,
        "family": version.family,
        "role": version.role.value,
        "role_since": rfc3339(version.role_since),
        "reason": version.reason,
        "created_at": rfc3339(version.created_at),
        "data_from": rfc3339(version.data_from),
        "data_to": rfc3339(version.data_to),
        "symbols": list(version.symbols),
        "samples": version.samples,
        "horizon_minutes": version.horizon_minutes,
        "feature_set": version.feature_set,
        "sha256": version.sha256,
        "size_bytes": version.size_bytes,
        "walk_forward": skill_item(metrics.walk_forward),
        "holdout": skill_item(metrics.holdout),
        "live": skill_item(live[version.version]) if version.version in live else None,
        "log_loss": metrics.log_loss,
        "brier": metrics.brier,
        "reliability": bins_to_json(metrics.reliability),
        "comparison": comparison_to_json(version.comparison),
    }


def _training_item(transaction: Transaction) -> Mapping[str, Any] | None:
    row = transaction.row(sa.select(training_runs).order_by(training_runs.c.run_id.desc()).limit(1))
    if row is None:
        return None
    return {
        "started_at": rfc3339(row.started_at),
        "ended_at": rfc3339(row.ended_at),
        "data_from": rfc3339_or_none(row.data_from),
        "data_to": rfc3339_or_none(row.data_to),
        "symbols": list(row.symbols),
        "samples": row.samples,
        "horizon_minutes": row.horizon_minutes,
        "skill": skill_item(skill_from_json(row.skill)),
        "reliability": row.reliability,
        "families": row.families,
        "sentence": row.sentence,
    }


def _outcome_item(transaction: Transaction) -> Mapping[str, Any]:
    """What came of the newest signals with an outcome, whoever sent them; the share that was right by confidence."""
    newest = (
        sa.select(
            signal_outcomes.c.net_return,
            signal_outcomes.c.gross_return,
            signal_outcomes.c.horizon_minutes,
            signals.c.confidence,
            signals.c.strategy,
        )
        .join(signals, signals.c.signal_id == signal_outcomes.c.signal_id)
        .order_by(signal_outcomes.c.sequence.desc())
        .limit(OUTCOMES_SHOWN)
    )
    rows = transaction.rows(newest)
    known = [row for row in rows if row.net_return is not None]
    by_strategy: dict[str, list[Row]] = {}
    for row in known:
        by_strategy.setdefault(row.strategy, []).append(row)
    return {
        "signals": len(rows),
        "unknown": len(rows) - len(known),
        "horizon_minutes": rows[0].horizon_minutes if rows else None,
        "reason": None if known else "no signal has an outcome yet: the AI engine records them after the horizon",
        "strategies": [{"strategy": name, **_results(of)} for name, of in sorted(by_strategy.items())],
        "by_confidence": _by_confidence(known),
    }


def _results(rows: Sequence[Row]) -> Mapping[str, Any]:
    count = len(rows)
    right = sum(1 for row in rows if row.gross_return > 0)
    return {
        "signals": count,
        "right_share": right / count,
        "mean_gross_return": plain_or_none(_mean([row.gross_return for row in rows])),
        "mean_net_return": plain_or_none(_mean([row.net_return for row in rows])),
    }


def _by_confidence(rows: Sequence[Row]) -> list[Mapping[str, Any]]:
    bins: dict[int, list[Row]] = {}
    for row in rows:
        bins.setdefault(min(CONFIDENCE_BINS - 1, int(row.confidence * CONFIDENCE_BINS)), []).append(row)
    return [
        {
            "low": plain_or_none(Decimal(number) / CONFIDENCE_BINS),
            "high": plain_or_none(Decimal(number + 1) / CONFIDENCE_BINS),
            "mean_confidence": plain_or_none(_mean([row.confidence for row in of])),
            **_results(of),
        }
        for number, of in sorted(bins.items())
    ]


def _mean(values: Sequence[Decimal]) -> Decimal:
    return (sum(values, Decimal(0)) / len(values)).quantize(Decimal("1E-10"))


def crown(transaction: Transaction, version: str, *, reason: str, actor: str, now: datetime) -> ModelVersion | None:
    """Make it its family's champion; the one before retires; audited. None when there is no such version."""
    found = transaction.row(sa.select(model_versions).where(model_versions.c.version == version).with_for_update())
    if found is None:
        return None
    chosen = version_of(found)
    if chosen.role is Role.CHAMPION:
        return chosen
    champion = version_of_family(transaction, chosen.family, Role.CHAMPION)
    if champion is not None:
        give_role(transaction, champion, VersionEvent.DEPOSED, f"{version} serves in its place", now)
    event = VersionEvent.PROMOTED if chosen.role is Role.CHALLENGER else VersionEvent.RESTORED
    give_role(transaction, chosen, event, reason, now)
    detail = {"version": version, "in_place_of": champion.version if champion is not None else None}
    transaction.run(sa.insert(audit).values(at=now, actor=actor, action="model_crowned", reason=reason, detail=detail))
    row = transaction.row(sa.select(model_versions).where(model_versions.c.version == version))
    assert row is not None
    return version_of(row)


def version_of_family(transaction: Transaction, family: str, role: Role) -> ModelVersion | None:
    row = transaction.row(
        sa.select(model_versions)
        .where(model_versions.c.family == family, model_versions.c.role == role.value)
        .with_for_update()
    )
    return None if row is None else version_of(row)


def give_role(transaction: Transaction, version: ModelVersion, event: VersionEvent, reason: str, now: datetime) -> None:
    transaction.run(
        sa.update(model_versions)
        .where(model_versions.c.version == version.version)
        .values(role=next_role(version.role, event).value, reason=reason, role_since=now)
    )


def version_of(row: Row) -> ModelVersion:
    values = dict(row._asdict())
    return ModelVersion(
        **{
            **values,
            "role": Role(values["role"]),
            "symbols": tuple(values["symbols"]),
            "metrics": metrics_from_json(values["metrics"]),
            "comparison": comparison_from_json(values["comparison"]),
        }
    )
