"""The emergency stop, policies, symbols, tokens, decisions, audit and advisory locks in Postgres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from app.adapters.postgres.cursors import limit_of, page_of, sequence_before
from app.adapters.postgres.decision_time import limit_idling, until_commit
from app.adapters.postgres.items import decision_item, policy_item, verdict_item
from app.adapters.postgres.policy_body import policy_from_body, policy_to_body
from app.adapters.postgres.recordset import as_rows, recordset
from app.adapters.postgres.tables import audit, decisions, ess, policies, reconciliations, symbols, tokens
from app.adapters.postgres.throttle_tables import strategy_throttles
from app.adapters.postgres.transaction import Row, Transaction
from app.domain.access import Token
from app.domain.ess import EmergencyStop, EssState
from app.domain.market import SymbolRules
from app.domain.money import parse_decimal, plain
from app.domain.policy import Policy, PolicyVersion
from app.domain.reconciliation import Difference, Pass
from app.domain.throttles import StrategyThrottle
from app.ports import ControlRepository, NewDecision, Page

ESS_ID = 1
RECONCILIATIONS_KEPT = 1_000
TOKEN_MARK_CHARACTERS = 8  # of a token's hash: enough to tell a name's tokens apart
_ESS_FIELDS = tuple(field.name for field in fields(EmergencyStop))
_SYMBOL_FIELDS = tuple(field.name for field in fields(SymbolRules))

_ESS = sa.select(ess).where(ess.c.id == sa.literal_column(str(ESS_ID)))
_LOCK_ESS_SHARED = _ESS.with_for_update(read=True)
_LOCK_ESS = _ESS.with_for_update()
# Postgres lets a FOR SHARE join those that hold the row, past a FOR UPDATE that waits for them: decisions that overlap
# without a pause would keep a trip out for ever. These locks have a queue that nobody overtakes.
_STOP_QUEUE = sa.func.hashtextextended(sa.literal("emergency stop"), 0)
# A trip keeps its place in the queue for longer than a decision may stand still: asked for again after a time-out, it
# would stand at the end once more.
STOP_LOCK_SECONDS_MAX = 4.5  # within the statement's own time
_QUEUE_FOR_ESS_SHARED = sa.select(limit_idling(), sa.func.pg_advisory_xact_lock_shared(_STOP_QUEUE))
_QUEUE_FOR_ESS = sa.select(
    until_commit("lock_timeout", STOP_LOCK_SECONDS_MAX), sa.func.pg_advisory_xact_lock(_STOP_QUEUE)
)
_ESS_VALUES = {name: sa.bindparam(name, type_=ess.c[name].type) for name in _ESS_FIELDS}
_SAVE_ESS = (
    pg.insert(ess).values(id=ESS_ID, **_ESS_VALUES).on_conflict_do_update(index_elements=["id"], set_=_ESS_VALUES)
)
_AUDIT = sa.insert(audit).values(
    {name: sa.bindparam(name, type_=audit.c[name].type) for name in ("at", "actor", "action", "reason", "detail")}
)
_CURRENT_POLICY = sa.select(policies).order_by(policies.c.version.desc()).limit(1)
_POLICY_OF_VERSION = sa.select(policies).where(policies.c.version == sa.bindparam("of_version", type_=sa.BigInteger))
_ADD_POLICY = (
    sa.insert(policies)
    .values(
        {
            name: sa.bindparam(name, type_=policies.c[name].type)
            for name in ("mode", "body", "author", "reason", "created_at")
        }
    )
    .returning(policies.c.version)
)
# Waits for every decision that holds the row FOR SHARE; whoever decides afterwards reads the new version.
_ANNOUNCE_POLICY = (
    sa.update(ess)
    .where(ess.c.id == sa.literal_column(str(ESS_ID)))
    .values(policy_version=sa.bindparam("new_version", type_=sa.BigInteger))
)
_POLICY_PAGE = (
    sa.select(policies)
    .where(policies.c.version < sa.bindparam("version_before", type_=sa.BigInteger))
    .order_by(policies.c.version.desc())
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_SYMBOLS = sa.select(symbols).order_by(symbols.c.symbol)
_SYMBOL = sa.select(symbols).where(symbols.c.symbol == sa.bindparam("of_symbol", type_=sa.Text))
_ADD_TOKEN = sa.insert(tokens).values(
    {
        name: sa.bindparam(name, type_=tokens.c[name].type)
        for name in ("token_hash", "name", "scopes", "created_at", "expires_at")
    }
)
_TOKENS = sa.select(tokens).order_by(tokens.c.name, tokens.c.created_at)
_MARK = sa.func.left(tokens.c.token_hash, TOKEN_MARK_CHARACTERS)
_REVOKE_TOKENS = (
    sa.update(tokens)
    .where(
        tokens.c.name == sa.bindparam("of_name", type_=sa.Text),
        tokens.c.revoked_at.is_(None),
        sa.or_(sa.bindparam("of_mark", type_=sa.Text).is_(None), sa.bindparam("of_mark", type_=sa.Text) == _MARK),
    )
    .values(revoked_at=sa.bindparam("now", type_=tokens.c.revoked_at.type))
)
_TOKEN_SCOPES = sa.select(tokens.c.name, tokens.c.scopes, tokens.c.expires_at).where(
    tokens.c.token_hash == sa.bindparam("of_hash", type_=sa.Text),
    tokens.c.revoked_at.is_(None),
    sa.or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > sa.bindparam("now", type_=tokens.c.expires_at.type)),
)
_DECISION_COLUMNS = tuple(column.name for column in decisions.c if column.name != "decision_id")
_ADD_DECISION = sa.insert(decisions).values(
    {name: sa.bindparam(name, type_=decisions.c[name].type) for name in _DECISION_COLUMNS}
)
_DECISIONS = (
    sa.select(decisions)
    .where(decisions.c.signal_id == sa.bindparam("of_signal", type_=sa.Text))
    .order_by(decisions.c.decision_id)
)
_decided = (decisions.c.decided_at, decisions.c.decision_id)
_RECORDED_DECISIONS = (
    sa.select(decisions)
    .where(
        decisions.c.decided_at >= sa.bindparam("since", type_=decisions.c.decided_at.type),
        decisions.c.decided_at < sa.bindparam("until", type_=decisions.c.decided_at.type),
        sa.tuple_(*_decided)
        < sa.tuple_(
            sa.bindparam("before_at", type_=decisions.c.decided_at.type),
            sa.bindparam("before_id", type_=sa.BigInteger),
        ),
    )
    .order_by(*(column.desc() for column in _decided))
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_ADD_RECONCILIATION = sa.insert(reconciliations).values(
    at=sa.bindparam("at", type_=reconciliations.c.at.type),
    differences=sa.bindparam("differences", type_=reconciliations.c.differences.type),
)
_FORGET_RECONCILIATIONS = sa.delete(reconciliations).where(
    reconciliations.c.reconciliation_id
    <= sa.select(sa.func.max(reconciliations.c.reconciliation_id) - RECONCILIATIONS_KEPT).scalar_subquery()
)
_LAST_RECONCILIATION = (
    sa.select(reconciliations.c.at, reconciliations.c.differences)
    .order_by(reconciliations.c.reconciliation_id.desc())
    .limit(1)
)
_TRY_LOCK = sa.select(
    sa.func.pg_try_advisory_xact_lock(sa.func.hashtextextended(sa.bindparam("name", type_=sa.Text), 0))
)


_THROTTLE_FIELDS = tuple(column.name for column in strategy_throttles.c)
_THROTTLE = sa.select(strategy_throttles).where(
    strategy_throttles.c.strategy == sa.bindparam("of_strategy", type_=sa.Text)
)
_THROTTLES = sa.select(strategy_throttles).order_by(strategy_throttles.c.strategy)


def _save_throttle() -> sa.Executable:
    insert = pg.insert(strategy_throttles).values(
        {name: sa.bindparam(name, type_=strategy_throttles.c[name].type) for name in _THROTTLE_FIELDS}
    )
    changes = {name: insert.excluded[name] for name in _THROTTLE_FIELDS if name != "strategy"}
    return insert.on_conflict_do_update(index_elements=["strategy"], set_=changes)


_SAVE_THROTTLE = _save_throttle()


def _save_symbols() -> sa.Executable:
    """One statement for all; rows in order of their names, so that two listeners wait instead of deadlocking."""
    columns = (*_SYMBOL_FIELDS, "updated_at")
    given = recordset(symbols, columns, name="given")
    insert = pg.insert(symbols).from_select(
        list(columns), sa.select(*(given.c[name] for name in columns)).order_by(given.c.symbol)
    )
    changes = {name: insert.excluded[name] for name in columns if name != "symbol"}
    return insert.on_conflict_do_update(index_elements=["symbol"], set_=changes)


_SAVE_SYMBOLS = _save_symbols()


class PostgresControl(ControlRepository):
    """`app.ports.ControlRepository` on one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def ess(self) -> EmergencyStop | None:
        return _ess_from_row(self._transaction.row(_ESS))

    def lock_ess_shared(self) -> EmergencyStop | None:
        """The row, FOR SHARE: a trip waits for us, we wait for a trip, also for one that still waits."""
        self._transaction.run(_QUEUE_FOR_ESS_SHARED)
        return _ess_from_row(self._transaction.row(_LOCK_ESS_SHARED))

    def lock_ess(self) -> EmergencyStop | None:
        """The row, FOR UPDATE: whoever asks for it later, shared or not, comes after us."""
        self._transaction.run(_QUEUE_FOR_ESS)
        return _ess_from_row(self._transaction.row(_LOCK_ESS))

    def save_ess(self, stop: EmergencyStop) -> None:
        values = {name: getattr(stop, name) for name in _ESS_FIELDS}
        self._transaction.run(_SAVE_ESS, values | {"state": stop.state.value})

    def audit(self, *, at: datetime, actor: str, action: str, reason: str, detail: Mapping[str, Any]) -> None:
        self._transaction.run(
            _AUDIT, {"at": at, "actor": actor, "action": action, "reason": reason, "detail": dict(detail)}
        )

    def add_reconciliation(self, differences: Sequence[Difference], *, now: datetime) -> None:
        """Remember what a pass saw; only the newest `RECONCILIATIONS_KEPT` are kept."""
        rows = [
            {
                "subject": each.subject,
                "ours": plain(each.ours),
                "theirs": plain(each.theirs),
                "since": each.since,
            }
            for each in differences
        ]
        self._transaction.run(_ADD_RECONCILIATION, {"at": now, "differences": rows})
        self._transaction.run(_FORGET_RECONCILIATIONS)

    def last_reconciliation(self) -> Pass | None:
        """The newest pass."""
        row = self._transaction.row(_LAST_RECONCILIATION)
        if row is None:
            return None
        differences = [
            Difference(
                subject=each["subject"],
                ours=parse_decimal(each["ours"]),
                theirs=parse_decimal(each["theirs"]),
                since=each.get("since", 0),  # rows of older versions do not say
            )
            for each in row.differences
        ]
        return Pass(at=row.at, differences=differences)

    def current_policy(self, *, now: datetime) -> PolicyVersion | None:
        """The newest version, `loaded_at` is `now`; `UnreadablePolicyError` when it is not whole."""
        return _policy_from_row(self._transaction.row(_CURRENT_POLICY), now=now)

    def policy_of_version(self, version: int, *, now: datetime) -> PolicyVersion | None:
        """That version, `loaded_at` is `now`; `UnreadablePolicyError` when it is not whole."""
        return _policy_from_row(self._transaction.row(_POLICY_OF_VERSION, {"of_version": version}), now=now)

    def add_policy(self, policy: Policy, *, author: str, reason: str, now: datetime) -> PolicyVersion:
        """The newest version from the commit on, for decisions that are made after it everywhere."""
        version = self._transaction.value(
            _ADD_POLICY,
            {
                "mode": policy.mode.value,
                "body": policy_to_body(policy),
                "author": author,
                "reason": reason,
                "created_at": now,
            },
        )
        self._transaction.run(_QUEUE_FOR_ESS)
        self._transaction.run(_ANNOUNCE_POLICY, {"new_version": version})
        return PolicyVersion(
            version=version, policy=policy, author=author, reason=reason, created_at=now, loaded_at=now
        )

    def policy_versions(self, *, after: str | None, limit: int) -> Page:
        """Newest first; `policy` as it was stored, `changes` against the version before."""
        parameters = {"version_before": sequence_before(after), "limit": limit_of(limit)}
        rows = self._transaction.rows(_POLICY_PAGE, parameters)
        # One row more than is shown: the version before the last one.
        before = dict(zip((row.version for row in rows), (row.body for row in rows[1:]), strict=False))
        return page_of(
            rows,
            limit=limit,
            sequence=lambda row: int(row.version),
            item=lambda row: _policy_item(row, before.get(row.version)),
        )

    def save_symbols(self, rules: Sequence[SymbolRules], *, now: datetime) -> None:
        if rules:
            rows = [{name: getattr(each, name) for name in _SYMBOL_FIELDS} | {"updated_at": now} for each in rules]
            self._transaction.run(_SAVE_SYMBOLS, as_rows(rows))

    def symbol(self, symbol: str) -> SymbolRules | None:
        row = self._transaction.row(_SYMBOL, {"of_symbol": symbol})
        return None if row is None else _rules_from_row(row)

    def symbols(self) -> Mapping[str, SymbolRules]:
        return {row.symbol: _rules_from_row(row) for row in self._transaction.rows(_SYMBOLS)}

    def add_token(
        self, *, name: str, token_hash: str, scopes: Sequence[str], now: datetime, expires_at: datetime | None = None
    ) -> None:
        values = {"name": name, "token_hash": token_hash, "scopes": sorted(set(scopes)), "created_at": now}
        self._transaction.run(_ADD_TOKEN, {**values, "expires_at": expires_at})

    def tokens(self) -> Sequence[Token]:
        """Every one that was ever issued, by name and time."""
        return [
            Token(
                name=row.name,
                mark=row.token_hash[:TOKEN_MARK_CHARACTERS],
                scopes=frozenset(row.scopes),
                created_at=row.created_at,
                expires_at=row.expires_at,
                revoked_at=row.revoked_at,
            )
            for row in self._transaction.rows(_TOKENS)
        ]

    def revoke_tokens(self, name: str, *, mark: str | None, now: datetime) -> int:
        """Revoke the tokens of that name (and mark) that are not revoked; how many they were."""
        return self._transaction.run(_REVOKE_TOKENS, {"of_name": name, "of_mark": mark, "now": now}).rowcount

    def token_scopes(self, token_hash: str, *, now: datetime) -> tuple[str, frozenset[str], datetime | None] | None:
        """(name, scopes, expires_at) of a token that is neither revoked nor past its expiry."""
        row = self._transaction.row(_TOKEN_SCOPES, {"of_hash": token_hash, "now": now})
        return None if row is None else (row.name, frozenset(row.scopes), row.expires_at)

    def add_decision(self, decision: NewDecision) -> None:
        values = {name: getattr(decision, name) for name in _DECISION_COLUMNS}
        values["verdicts"] = [verdict_item(verdict) for verdict in decision.verdicts]
        values["inputs"] = dict(decision.inputs)
        self._transaction.run(_ADD_DECISION, values)

    def decisions(self, signal_id: str) -> Sequence[Mapping[str, Any]]:
        """JSON-ready, oldest first."""
        return [decision_from_row(row) for row in self._transaction.rows(_DECISIONS, {"of_signal": signal_id})]

    def recorded_decisions(
        self, *, since: datetime, until: datetime, before: tuple[datetime, int] | None, limit: int
    ) -> Sequence[Mapping[str, Any]]:
        """JSON-ready, newest first; every page is one range of an index."""
        limit_of(limit)
        before_at, before_id = before or (until, 0)
        parameters = {"since": since, "until": until, "before_at": before_at, "before_id": before_id, "limit": limit}
        rows = self._transaction.rows(_RECORDED_DECISIONS, parameters)
        return [{"signal_id": row.signal_id, **decision_from_row(row)} for row in rows]

    def throttle(self, strategy: str) -> StrategyThrottle | None:
        row = self._transaction.row(_THROTTLE, {"of_strategy": strategy})
        return None if row is None else _throttle_from_row(row)

    def throttles(self) -> Sequence[StrategyThrottle]:
        """Every strategy that was ever disabled, by its name."""
        return [_throttle_from_row(row) for row in self._transaction.rows(_THROTTLES)]

    def save_throttle(self, throttle: StrategyThrottle) -> None:
        self._transaction.run(_SAVE_THROTTLE, {name: getattr(throttle, name) for name in _THROTTLE_FIELDS})

    def try_lock(self, name: str) -> bool:
        """A lock by name until the end of the transaction; False when another transaction holds it."""
        return bool(self._transaction.value(_TRY_LOCK, {"name": name}))


def _throttle_from_row(row: Row) -> StrategyThrottle:
    return StrategyThrottle(**{name: getattr(row, name) for name in _THROTTLE_FIELDS})


def _policy_item(row: Row, body_before: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return policy_item(
        version=row.version,
        body=row.body,
        body_before=body_before,
        author=row.author,
        reason=row.reason,
        created_at=row.created_at,
    )


def _policy_from_row(row: Row | None, *, now: datetime) -> PolicyVersion | None:
    if row is None:
        return None
    return PolicyVersion(
        version=row.version,
        policy=policy_from_body(row.body),
        author=row.author,
        reason=row.reason,
        created_at=row.created_at,
        loaded_at=now,
    )


def decision_from_row(row: Row) -> Mapping[str, Any]:
    """A stored decision, JSON-ready; verdicts and inputs as they were written."""
    decision = NewDecision(
        signal_id=row.signal_id,
        order_id=row.order_id,
        attempt_number=row.attempt_number,
        policy_version=row.policy_version,
        outcome=row.outcome,
        code=row.code,
        verdicts=(),
        inputs=row.inputs,
        decided_at=row.decided_at,
    )
    return decision_item(row.decision_id, decision, row.verdicts)


def _ess_from_row(row: Row | None) -> EmergencyStop | None:
    if row is None:
        return None
    return EmergencyStop(
        state=EssState(row.state),
        trip_reason=row.trip_reason,
        tripped_at=row.tripped_at,
        tripped_by=row.tripped_by,
        safe_at=row.safe_at,
        cooldown_started_at=row.cooldown_started_at,
        cooldown_until=row.cooldown_until,
        trip_count=row.trip_count,
        reset_count=row.reset_count,
        flatten_requested=row.flatten_requested,
        updated_at=row.updated_at,
        entries_over_at=row.entries_over_at,
        orders_canceled_at=row.orders_canceled_at,
        flat_at=row.flat_at,
        held_because=row.held_because,
        policy_version=row.policy_version,
    )


def _rules_from_row(row: Row) -> SymbolRules:
    return SymbolRules(**{name: getattr(row, name) for name in _SYMBOL_FIELDS})
