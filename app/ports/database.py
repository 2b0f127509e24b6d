"""Postgres, the truth: one unit of work, its repositories, and how they fail."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from app.domain.access import Token
from app.domain.alerts import Alert
from app.domain.ess import EmergencyStop
from app.domain.events import Event
from app.domain.exposure import Exposure
from app.domain.fills import Fill
from app.domain.gates.verdicts import Verdict
from app.domain.ledger import Entry
from app.domain.market import AccountSnapshot, SymbolRules
from app.domain.orders import Attempt, Order, OrderState
from app.domain.policy import Policy, PolicyVersion
from app.domain.positions import Position
from app.domain.protection.levels import Guard
from app.domain.protection.orders import ProtectiveOrder
from app.domain.reconciliation import Course, Difference, Pass, PositionMark
from app.domain.regimes import MarketRegime
from app.domain.results import Closing
from app.domain.signals import Side, Signal, SignalEvent, SignalState, StoredSignal
from app.domain.throttles import StrategyThrottle
from app.ports.access import AccessRepository
from app.ports.event_record import EventRepository


class DatabaseUnavailableError(Exception):
    """Postgres could not be reached or did not answer in time; carries its cause. Nothing was committed... or it was
    not told: the caller must be idempotent."""


class ConstraintViolatedError(Exception):
    """The database refused a row that contradicts another; the unit of work can only be rolled back."""


class SecondOpenAttemptError(ConstraintViolatedError):
    """An order already has an attempt that is SENDING or UNKNOWN; the database refused another one."""


class OverfilledError(ConstraintViolatedError):
    """More would be filled or booked than was approved; the database refused to say so."""


class UnreadablePolicyError(Exception):
    """The stored policy is not whole, or of another release; entries must be denied."""


class InvalidCursorError(ValueError):
    """A cursor that was never handed out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDecision:
    """One run of the gates over a signal, as stored: verdicts, numbers, policy version."""

    signal_id: str
    order_id: uuid.UUID | None
    attempt_number: int
    policy_version: int | None
    outcome: str  # APPROVED | DENIED | OBSERVED
    code: str | None
    verdicts: Sequence[Verdict]
    inputs: Mapping[str, Any]  # JSON values
    decided_at: datetime


PAGE_ROWS_MAX = 500


EQUITY_POINTS_MAX = 5_000  # an hour of points every two seconds, and room to spare


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of rows (JSON-ready mappings) and the cursor of the next one."""

    items: Sequence[Mapping[str, Any]]
    next: str | None


class SignalRepository(Protocol):
    """Signals; state changes are guarded by the state table and by the row's current state."""

    def add_many(self, signals: Sequence[Signal]) -> Sequence[bool]:
        """Insert as QUEUED; False where the signal_id was stored before."""
        ...

    def get(self, signal_id: str) -> StoredSignal | None: ...

    def lock(self, signal_id: str) -> StoredSignal | None:
        """The row, FOR UPDATE."""
        ...

    def advance(
        self,
        signal_ids: Sequence[str],
        event: SignalEvent,
        *,
        now: datetime,
        reason_code: str | None = None,
        reason: str | None = None,
        policy_version: int | None = None,
    ) -> Sequence[str]:
        """Move those that are in a state with an arrow for `event`; returns the ids moved, others are left alone."""
        ...

    def queued_before(
        self, received_before: datetime, *, limit: int, after: StoredSignal | None = None
    ) -> Sequence[StoredSignal]:
        """QUEUED signals received before, oldest first, from behind `after` (the last of a page) on."""
        ...

    def dispatched_before(
        self, dispatched_before: datetime, *, limit: int, after: StoredSignal | None = None
    ) -> Sequence[StoredSignal]:
        """DISPATCHED signals whose hint may be lost, oldest first, from behind `after` (the last of a page) on."""
        ...

    def confidences(self, signal_ids: Sequence[str]) -> Mapping[str, Decimal]:
        """Their confidences, by id; unknown ids are left out."""
        ...

    def in_flight_count(self) -> int:
        """How many are DISPATCHED or ORDERED."""
        ...

    def page(self, *, states: Sequence[SignalState], after: str | None, limit: int) -> Page:
        """Newest first; items in the contract's shape of a signal item."""
        ...


class OrderRepository(Protocol):
    """Orders and attempts."""

    def add(self, order: Order) -> None: ...

    def get(self, order_id: uuid.UUID) -> Order | None: ...

    def lock(self, order_id: uuid.UUID) -> Order | None:
        """The row, FOR UPDATE."""
        ...

    def by_signal(self, signal_id: str) -> Order | None: ...

    def save(self, order: Order) -> None:
        """Write every mutable column of an order that exists."""
        ...

    def add_attempt(self, attempt: Attempt) -> None: ...

    def get_attempt(self, client_order_id: str) -> Attempt | None: ...

    def attempt_by_exchange_id(self, symbol: str, exchange_order_id: int) -> Attempt | None: ...

    def save_attempt(self, attempt: Attempt) -> None:
        """Write every mutable column of an attempt that exists."""
        ...

    def attempts(self, order_id: uuid.UUID) -> Sequence[Attempt]:
        """In order of their numbers."""
        ...

    def open_attempts(self, *, begun_before: datetime | None = None, limit: int) -> Sequence[Attempt]:
        """SENDING or UNKNOWN attempts begun before (None: all, whatever any machine's clock says), oldest first."""
        ...

    def due_chases(self, *, now: datetime, limit: int) -> Sequence[Order]:
        """CHASING orders whose `next_attempt_at` has come."""
        ...

    def unbooked(self, *, limit: int) -> Sequence[Order]:
        """Orders with `executed_quantity > booked_quantity`."""
        ...

    def unsettled_symbols(self, *, begun_until: datetime) -> frozenset[str]:
        """Symbols with an attempt begun until then that is open, or of an order whose fills are not all booked."""
        ...

    def last_entry_at(self, symbol: str, side: Side) -> datetime | None:
        """When the newest entry order of this symbol and side was created."""
        ...

    def troubled_since(self, since: datetime) -> int:
        """How many attempts begun since were UNKNOWN at some time, or were proved NOT_SENT."""
        ...

    def newest_ended_entries(self, *, since: datetime, limit: int) -> Sequence[Attempt]:
        """Attempts of entries begun since that have ended, newest first."""
        ...

    def executions_of(self, strategy: str, symbol: str, *, since: datetime) -> int:
        """Entry orders of a strategy's signals in a symbol, made after `since`."""
        ...

    def attempts_since(self, since: datetime) -> int:
        """How many entry attempts were begun since."""
        ...

    def page(self, *, after: str | None, limit: int) -> Page: ...

    def in_state(self, states: Sequence[OrderState], *, limit: int) -> Sequence[Order]: ...


class LedgerRepository(Protocol):
    """Fills, positions, the account, double-entry lines."""

    def add_fill(self, fill: Fill) -> bool:
        """Insert the fill; False when `(symbol, trade_id)` was booked before."""
        ...

    def give_fill_to_order(self, fill: Fill) -> bool:
        """Write the order and client order id of `fill` into a booked fill without one; False when it has an order."""
        ...

    def fills_of(self, order_id: uuid.UUID) -> Sequence[Fill]: ...

    def lock_position(self, symbol: str) -> Position:
        """The row, FOR UPDATE, created flat when missing."""
        ...

    def save_position(self, position: Position) -> None: ...

    def positions(self) -> Sequence[Position]:
        """All that were ever held, flat ones included."""
        ...

    def newest_closings(self, symbol: str, *, limit: int) -> Sequence[Closing]:
        """Orders whose fills realised something, newest first, among the symbol's newest fills."""
        ...

    def last_trade_id(self, symbol: str) -> int | None: ...

    def recently_traded(self, within: timedelta, *, limit: int) -> Sequence[str]:
        """Symbols of the fills that are no older than this before the newest of all, in the order of their names."""
        ...

    def position_marks(self, *, lag: timedelta) -> Mapping[str, PositionMark]:
        """Every position that was ever held, by symbol, and its newest trade that is older by `lag` than the newest."""
        ...

    def fills_since(self, symbol: str, trade_id: int, *, limit: int) -> Sequence[Fill]:
        """The newest booked fills from this trade on."""
        ...

    def position_course(self, symbol: str, *, since: int, fills_max: int) -> Course | None:
        """What the position was after the trade `since` and after each later one, seen in one moment; None when more
        than `fills_max` have been booked since."""
        ...

    def wallet_mark(self, asset: str, *, before: datetime) -> int:
        """The wallet's newest line that was booked before, or the opening balance; 0 when there is neither."""
        ...

    def wallet_course(self, asset: str, *, since: int) -> Course:
        """What the balance may have been since the line `since`, seen in one moment."""
        ...

    def post(self, *, fill: Fill, lines: Sequence[Any], now: datetime) -> None:
        """Book the double-entry lines of a fill (`app.domain.ledger.Line`); they sum to zero per asset."""
        ...

    def post_entry(self, entry: Entry, *, now: datetime) -> bool:
        """Book any other entry (funding, adoption); False when an entry of that name was booked before."""
        ...

    def opened_at(self) -> datetime | None:
        """When the opening balance was adopted: what the exchange paid before is in it."""
        ...

    def is_untouched(self) -> bool:
        """Whether nothing was ever ordered or booked."""
        ...

    def balance(self, account: str, asset: str) -> Decimal:
        """The sum of all lines of a ledger account."""
        ...

    def lock_account(self) -> AccountSnapshot | None:
        """The one account row, FOR UPDATE: decisions take turns here. None until the exchange has told."""
        ...

    def account(self) -> AccountSnapshot | None: ...

    def save_account(self, snapshot: AccountSnapshot) -> None: ...

    def exposure(self, symbol: str, marks: Mapping[str, Decimal]) -> Exposure:
        """Positions plus reservations, valued at `marks` where known."""
        ...

    def realised_since(self, since: datetime) -> Decimal:
        """Realised PnL minus fees of all fills since."""
        ...

    def record_equity(self, *, at: datetime, equity: Decimal, wallet: Decimal, unrealised: Decimal) -> None: ...

    def equity_at_or_after(self, since: datetime) -> Decimal | None:
        """The first equity recorded since (start-of-day equity)."""
        ...


class ProtectionRepository(Protocol):
    """How positions are left: guards, protective orders, regimes.

    Whoever writes a guard or a protective order holds the position's row lock (`LedgerRepository.lock_position`).
    """

    def guard(self, symbol: str) -> Guard | None: ...

    def guards(self) -> Sequence[Guard]:
        """All, by symbol."""
        ...

    def save_guard(self, guard: Guard) -> None: ...

    def drop_guard(self, symbol: str) -> None: ...

    def add(self, order: ProtectiveOrder) -> None: ...

    def get(self, client_algo_id: str) -> ProtectiveOrder | None: ...

    def save(self, order: ProtectiveOrder) -> None:
        """Write every mutable column of a protective order that exists."""
        ...

    def live(self, symbol: str | None = None, *, limit: int) -> Sequence[ProtectiveOrder]:
        """Those that exist at the exchange or may, of a symbol or of all, oldest first."""
        ...

    def of_exchange_order(self, symbol: str, exchange_order_id: int) -> ProtectiveOrder | None:
        """The one that became this order."""
        ...

    def last_entry_confidence(self, symbol: str, side: Side) -> Decimal | None:
        """The confidence of the signal behind the newest entry of this symbol and side."""
        ...

    def save_regimes(self, regimes: Sequence[MarketRegime]) -> None:
        """Replace what is known of these symbols."""
        ...

    def regime(self, symbol: str) -> MarketRegime | None: ...

    def regimes(self) -> Mapping[str, MarketRegime]:
        """All that are known, by symbol."""
        ...


class ControlRepository(Protocol):
    """The emergency stop, the policy, symbols, tokens, decisions, audit."""

    def ess(self) -> EmergencyStop | None: ...

    def lock_ess_shared(self) -> EmergencyStop | None:
        """The row, FOR SHARE: a trip waits for us, we wait for a trip."""
        ...

    def lock_ess(self) -> EmergencyStop | None:
        """The row, FOR UPDATE."""
        ...

    def save_ess(self, stop: EmergencyStop) -> None: ...

    def audit(self, *, at: datetime, actor: str, action: str, reason: str, detail: Mapping[str, Any]) -> None: ...

    def add_reconciliation(self, differences: Sequence[Difference], *, now: datetime) -> None:
        """Remember what a pass saw; only the newest passes are kept."""
        ...

    def last_reconciliation(self) -> Pass | None:
        """The newest pass; None when there was none."""
        ...

    def current_policy(self, *, now: datetime) -> PolicyVersion | None:
        """The newest version; `loaded_at` is `now`. Raises `UnreadablePolicyError`."""
        ...

    def policy_of_version(self, version: int, *, now: datetime) -> PolicyVersion | None:
        """That version, as it was stored. Raises `UnreadablePolicyError`."""
        ...

    def add_policy(self, policy: Policy, *, author: str, reason: str, now: datetime) -> PolicyVersion:
        """A new version; written into the emergency stop's row too, which every decision locks: waits for those."""
        ...

    def policy_versions(self, *, after: str | None, limit: int) -> Page: ...

    def save_symbols(self, rules: Sequence[SymbolRules], *, now: datetime) -> None: ...

    def symbol(self, symbol: str) -> SymbolRules | None: ...

    def symbols(self) -> Mapping[str, SymbolRules]: ...

    def add_token(
        self, *, name: str, token_hash: str, scopes: Sequence[str], now: datetime, expires_at: datetime | None = None
    ) -> None: ...

    def tokens(self) -> Sequence[Token]:
        """Every one that was ever issued, by name and time."""
        ...

    def revoke_tokens(self, name: str, *, mark: str | None, now: datetime) -> int:
        """Revoke the tokens of that name (and mark) that are not revoked; how many they were."""
        ...

    def token_scopes(self, token_hash: str, *, now: datetime) -> tuple[str, frozenset[str], datetime | None] | None:
        """(name, scopes, expires_at) of a token that is neither revoked nor past its expiry."""
        ...

    def add_decision(self, decision: NewDecision) -> None: ...

    def decisions(self, signal_id: str) -> Sequence[Mapping[str, Any]]:
        """JSON-ready, oldest first."""
        ...

    def recorded_decisions(
        self, *, since: datetime, until: datetime, before: tuple[datetime, int] | None, limit: int
    ) -> Sequence[Mapping[str, Any]]:
        """As `decisions`, with `signal_id`; newest first, at most `limit` (1 to `PAGE_ROWS_MAX`), taken from `since` on
        and before `until`.

        `before` is (decided_at, decision_id) of the last one of the page before.
        """
        ...

    def throttle(self, strategy: str) -> StrategyThrottle | None:
        """None: it was never disabled."""
        ...

    def throttles(self) -> Sequence[StrategyThrottle]:
        """Every strategy that was ever disabled, by its name."""
        ...

    def save_throttle(self, throttle: StrategyThrottle) -> None:
        """Insert or replace."""
        ...

    def try_lock(self, name: str) -> bool:
        """A transaction-scoped advisory lock; False when somebody else holds it."""
        ...


class AlertRepository(Protocol):
    """What was wrong, when, and whether it still is."""

    def save(self, alert: Alert) -> None:
        """Insert or replace; an older revision than the stored one changes nothing."""
        ...

    def open(self) -> Sequence[Alert]:
        """Not cleared, oldest first."""
        ...

    def page(self, *, only_open: bool, after: str | None, limit: int) -> Page:
        """Newest first."""
        ...


class UnitOfWork(AbstractContextManager["UnitOfWork"], Protocol):
    """One transaction. Leaving without `commit` rolls back. Events given to `emit` are published after the commit."""

    signals: SignalRepository
    orders: OrderRepository
    ledger: LedgerRepository
    control: ControlRepository
    alerts: AlertRepository
    events: EventRepository
    protection: ProtectionRepository
    access: AccessRepository

    def emit(self, *events: Event) -> None:
        """Record these with the commit, and publish them once it has succeeded."""
        ...

    def commit(self) -> None: ...


class UnitOfWorkFactory(Protocol):
    """Starts units of work; raises `DatabaseUnavailableError` (also from any method) when Postgres is away."""

    def __call__(self) -> UnitOfWork: ...
