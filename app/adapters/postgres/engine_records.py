"""The AI engine's record in Postgres: each call one transaction; idempotent where a repeated call makes sense."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from app.adapters.postgres.engine_tables import (
    ensemble_verdicts,
    forecasts,
    live_skills,
    model_versions,
    signal_outcomes,
    training_runs,
)
from app.adapters.postgres.engine_values import (
    abstentions_to_json,
    bins_to_json,
    comparison_to_json,
    metrics_to_json,
    skill_from_json,
    skill_to_json,
    votes_to_json,
)
from app.adapters.postgres.model_registry import crown, give_role, version_of, version_of_family
from app.adapters.postgres.tables import signals
from app.adapters.postgres.transaction import Transaction, core_errors
from app.domain.ensemble.opinions import Vote
from app.domain.ensemble.outcomes import Outcome, WatchedSignal
from app.domain.ensemble.skill import Skill
from app.domain.ensemble.versions import ModelVersion, Role, TrainingRun, VersionEvent
from app.domain.signals import Side
from app.ports.forecasting import EngineRecords, Forecast, OpenForecast, SettledForecasts, SymbolVerdict

TRAINING_LOCK = 7_240_118_010  # an advisory lock of our own; any number that nobody else uses
FORGET_ROWS_MAX = 20_000
SIGNALS_LOOKED_AT_MAX = 200_000
_COLUMNS = tuple(column.name for column in model_versions.c)


class PostgresEngineRecords(EngineRecords):
    """`app.ports.forecasting.EngineRecords` on an engine of its own or shared."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @contextmanager
    def _transaction(self) -> Iterator[Transaction]:
        with core_errors():
            connection = self._engine.connect()
        try:
            transaction = Transaction(connection)
            yield transaction
            with core_errors():
                connection.commit()
        finally:
            connection.close()

    # ------------------------------------------------------------------------------------------------ training

    @contextmanager
    def training_turn(self) -> Iterator[bool]:
        """An advisory lock of the session, on a connection that idles in no transaction while the block lasts."""
        with core_errors():
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            with core_errors():
                mine = bool(connection.scalar(sa.select(sa.func.pg_try_advisory_lock(TRAINING_LOCK))))
            yield mine
        finally:
            # Thrown away rather than given back: whatever happened, the lock ends with the connection.
            connection.invalidate()
            connection.close()

    def last_training_at(self) -> datetime | None:
        with self._transaction() as transaction:
            found: datetime | None = transaction.value(sa.select(sa.func.max(training_runs.c.ended_at)))
        return found

    def add_training_run(self, run: TrainingRun) -> None:
        values = {
            **asdict(run),
            "symbols": list(run.symbols),
            "skill": skill_to_json(run.skill),
            "reliability": bins_to_json(run.reliability),
            "families": {family: dict(said) for family, said in run.families.items()},
        }
        with self._transaction() as transaction:
            transaction.run(sa.insert(training_runs).values(values))

    def last_ensemble_skill(self) -> Skill | None:
        query = sa.select(training_runs.c.skill).order_by(training_runs.c.run_id.desc()).limit(1)
        with self._transaction() as transaction:
            value = transaction.value(query)
        return None if value is None else skill_from_json(value)

    # ------------------------------------------------------------------------------------------------ versions

    def add_version(self, version: ModelVersion) -> None:
        """A CHALLENGER; the family's former challenger retires."""
        if version.role is not Role.CHALLENGER:
            raise ValueError(f"a new version is a challenger, not {version.role}")
        with self._transaction() as transaction:
            before = version_of_family(transaction, version.family, Role.CHALLENGER)
            if before is not None:
                reason = f"superseded by {version.version}"
                give_role(transaction, before, VersionEvent.SUPERSEDED, reason, version.created_at)
            transaction.run(sa.insert(model_versions).values(_version_values(version)))

    def versions(self, *, roles: Sequence[Role], limit: int) -> Sequence[ModelVersion]:
        """Newest first."""
        query = (
            sa.select(model_versions)
            .where(model_versions.c.role.in_([role.value for role in roles]))
            .order_by(model_versions.c.created_at.desc(), model_versions.c.version.desc())
            .limit(limit)
        )
        with self._transaction() as transaction:
            return [version_of(row) for row in transaction.rows(query)]

    def crown(self, version: str, *, reason: str, actor: str, now: datetime) -> ModelVersion | None:
        """In one transaction: the present champion retires, the version takes its place, the change is audited."""
        with self._transaction() as transaction:
            return crown(transaction, version, reason=reason, actor=actor, now=now)

    # ------------------------------------------------------------------------------------------------ passes

    def last_pass_at(self) -> datetime | None:
        with self._transaction() as transaction:
            found: datetime | None = transaction.value(sa.select(sa.func.max(ensemble_verdicts.c.at)))
        return found

    def record_pass(
        self, said: Sequence[Forecast], verdicts: Sequence[SymbolVerdict], *, horizon_minutes: int, now: datetime
    ) -> None:
        votes = [
            {
                "at": each.at,
                "symbol": each.symbol,
                "version": each.opinion.version,
                "model": each.opinion.model,
                "is_shadow": each.is_shadow,
                "probability": each.opinion.probability,
                "horizon_minutes": horizon_minutes,
            }
            for each in said
            if isinstance(each.opinion, Vote)
        ]
        judged = [
            {
                "at": each.at,
                "symbol": each.symbol,
                "probability": each.verdict.probability,
                "agreement": each.verdict.agreement,
                "spread": each.verdict.spread,
                "votes": votes_to_json(each.verdict, each.skills),
                "abstentions": abstentions_to_json(each.verdict),
                "signal_id": each.signal_id,
                "reason": each.reason,
                "recorded_at": now,
            }
            for each in verdicts
        ]
        with self._transaction() as transaction:
            for table, rows in ((forecasts, votes), (ensemble_verdicts, judged)):
                if rows:
                    transaction.run(pg.insert(table).values(rows).on_conflict_do_nothing())

    # ------------------------------------------------------------------------------------------------ outcomes

    def open_forecasts(self, *, due: datetime, limit: int) -> Sequence[OpenForecast]:
        """Those whose last candle closed before `due`; every horizon is whole minutes after the minute that follows."""
        ends = forecasts.c.at + forecasts.c.horizon_minutes * sa.literal(timedelta(minutes=1), sa.Interval)
        query = (
            sa.select(
                forecasts.c.symbol, forecasts.c.at, forecasts.c.model, forecasts.c.version, forecasts.c.horizon_minutes
            )
            .where(forecasts.c.settled_at.is_(None), ends <= due)
            .order_by(forecasts.c.at)
            .limit(limit)
        )
        with self._transaction() as transaction:
            return [OpenForecast(**row._asdict()) for row in transaction.rows(query)]

    def settle_forecasts(self, outcomes: Sequence[tuple[OpenForecast, float | None, str | None]]) -> None:
        statement = (
            sa.update(forecasts)
            .where(
                forecasts.c.at == sa.bindparam("of_at"),
                forecasts.c.symbol == sa.bindparam("of_symbol"),
                forecasts.c.version == sa.bindparam("of_version"),
                forecasts.c.settled_at.is_(None),
            )
            .values(move=sa.bindparam("of_move"), reason=sa.bindparam("of_reason"), settled_at=sa.func.now())
        )
        if not outcomes:
            return
        rows = [
            {
                "of_at": each.at,
                "of_symbol": each.symbol,
                "of_version": each.version,
                "of_move": move,
                "of_reason": reason,
            }
            for each, move, reason in outcomes
        ]
        with core_errors(), self._engine.begin() as connection:
            connection.execute(statement, rows)

    def settled_forecasts(self, *, versions: Sequence[str], limit: int) -> Sequence[SettledForecasts]:
        found = []
        with self._transaction() as transaction:
            for version in versions:
                query = (
                    sa.select(forecasts.c.model, forecasts.c.at, forecasts.c.probability, forecasts.c.move)
                    .where(forecasts.c.version == version, forecasts.c.move.is_not(None), forecasts.c.move != 0.0)
                    .order_by(forecasts.c.at.desc(), forecasts.c.symbol)
                    .limit(limit)
                )
                rows = list(reversed(transaction.rows(query)))
                if rows:
                    found.append(
                        SettledForecasts(
                            model=rows[0].model,
                            version=version,
                            at=[row.at for row in rows],
                            probabilities=[row.probability for row in rows],
                            rises=[row.move > 0.0 for row in rows],
                        )
                    )
        return found

    def signals_due(
        self, *, received_after: datetime, received_before: datetime, limit: int
    ) -> Sequence[WatchedSignal]:
        """In order of arrival, after the last signal that has an outcome: horizons are all the same.

        An engine that starts beside millions of old signals looks at the newest `SIGNALS_LOOKED_AT_MAX` only.
        """
        last = sa.select(sa.func.coalesce(sa.func.max(signal_outcomes.c.sequence), 0)).scalar_subquery()
        newest = sa.select(sa.func.coalesce(sa.func.max(signals.c.sequence), 0)).scalar_subquery()
        query = (
            sa.select(signals.c.signal_id, signals.c.sequence, signals.c.symbol, signals.c.side, signals.c.received_at)
            .where(
                signals.c.sequence > last,
                signals.c.sequence > newest - SIGNALS_LOOKED_AT_MAX,
                signals.c.received_at > received_after,
            )
            .order_by(signals.c.sequence)
            .limit(limit)
        )
        with self._transaction() as transaction:
            rows = transaction.rows(query)
        due = []
        for row in rows:
            if row.received_at > received_before:
                break  # the next ones are younger still; the order of arrival is the order of the record
            due.append(WatchedSignal(**{**row._asdict(), "side": Side(row.side)}))
        return due

    def add_outcomes(self, outcomes: Sequence[Outcome], *, now: datetime) -> None:
        rows = [
            {
                "signal_id": each.signal.signal_id,
                "sequence": each.signal.sequence,
                "horizon_minutes": each.horizon_minutes,
                "entry_price": each.entry_price,
                "exit_price": each.exit_price,
                "gross_return": each.gross_return,
                "cost": each.cost,
                "net_return": each.net_return,
                "reason": each.reason,
                "recorded_at": now,
            }
            for each in outcomes
        ]
        if rows:
            with self._transaction() as transaction:
                transaction.run(pg.insert(signal_outcomes).values(rows).on_conflict_do_nothing())

    def save_live_skills(self, skills: Mapping[str, Skill], *, now: datetime) -> None:
        rows = [{"version": version, **skill_to_json(skill), "updated_at": now} for version, skill in skills.items()]
        if not rows:
            return
        insert = pg.insert(live_skills).values(rows)
        changes = {
            name: insert.excluded[name] for name in ("estimate", "standard_error", "blocks", "samples", "updated_at")
        }
        with self._transaction() as transaction:
            transaction.run(insert.on_conflict_do_update(index_elements=["version"], set_=changes))

    def live_skills(self) -> Mapping[str, Skill]:
        with self._transaction() as transaction:
            rows = transaction.rows(sa.select(live_skills))
        return {row.version: skill_from_json(row._asdict()) for row in rows}

    def forget(self, *, before: datetime) -> None:
        with self._transaction() as transaction:
            for table in (forecasts, ensemble_verdicts):
                key = tuple(column for column in table.primary_key.columns)
                oldest = sa.select(*key).where(table.c.at < before).order_by(table.c.at).limit(FORGET_ROWS_MAX)
                transaction.run(sa.delete(table).where(sa.tuple_(*key).in_(oldest)))


def _version_values(version: ModelVersion) -> Mapping[str, Any]:
    return {
        **{name: getattr(version, name) for name in _COLUMNS},
        "role": version.role.value,
        "symbols": list(version.symbols),
        "metrics": metrics_to_json(version.metrics),
        "comparison": comparison_to_json(version.comparison),
    }
