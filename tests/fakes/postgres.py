"""Postgres in memory: units of work over copies of one state, with the guards of the real tables.

One unit of work writes at a time: a second commit over a state that has moved on is an error of the test, because
where Postgres would wait for a row lock, one thread cannot.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from types import TracebackType
from typing import Any, TypeVar

from app.adapters.postgres.alerts import alert_item
from app.adapters.postgres.cursors import encode_cursor, limit_of, sequence_before
from app.adapters.postgres.items import decision_item, order_item, policy_item, signal_item, verdict_item
from app.adapters.postgres.policy_body import policy_to_body
from app.adapters.postgres.transaction import UnitOfWorkFailedError, UnitOfWorkFinishedError
from app.domain.access import Token
from app.domain.alerts import Alert
from app.domain.ess import EmergencyStop, EssState
from app.domain.events import Event
from app.domain.exposure import Exposure
from app.domain.fills import Fill
from app.domain.ledger import WALLET, Entry, Line
from app.domain.market import AccountSnapshot, SymbolRules
from app.domain.money import ZERO, exactly
from app.domain.orders import Attempt, AttemptState, Order, OrderPurpose, OrderState
from app.domain.policy import Policy, PolicyVersion
from app.domain.positions import Position
from app.domain.protection.levels import Guard
from app.domain.protection.orders import ProtectiveOrder
from app.domain.reconciliation import Course, Difference, Pass, PositionMark, position_course, wallet_course
from app.domain.regimes import MarketRegime
from app.domain.results import Closing
from app.domain.signals import SIGNAL_TRANSITIONS, Side, Signal, SignalEvent, SignalState, StoredSignal
from app.domain.throttles import StrategyThrottle
from app.ports import (
    PAGE_ROWS_MAX,
    AccessRepository,
    AlertRepository,
    ConstraintViolatedError,
    ControlRepository,
    DatabaseUnavailableError,
    EventPublisher,
    EventRepository,
    LedgerRepository,
    NewDecision,
    OrderRepository,
    OverfilledError,
    Page,
    ProtectionRepository,
    RecordedEvent,
    SecondOpenAttemptError,
    SignalRepository,
    UnreadablePolicyError,
)
from tests.fakes.access import AccessState, FakeAccess
from tests.fakes.clock import FIRST_MOMENT

T = TypeVar("T")


@dataclass
class _State:
    """Every table; values are frozen, so a copy of the containers is a copy of all."""

    signals: dict[str, StoredSignal] = field(default_factory=dict)
    signals_drawn: int = 0
    orders: dict[uuid.UUID, Order] = field(default_factory=dict)  # in the order of their sequence
    attempts: dict[str, Attempt] = field(default_factory=dict)
    fills: dict[tuple[str, int], Fill] = field(default_factory=dict)
    positions: dict[str, Position] = field(default_factory=dict)
    lines: dict[tuple[str, str, str], Decimal] = field(default_factory=dict)  # in the order of their booking
    lines_at: dict[tuple[str, str, str], datetime] = field(default_factory=dict)
    account: AccountSnapshot | None = None
    equity: dict[datetime, tuple[Decimal, Decimal, Decimal]] = field(default_factory=dict)
    ess: EmergencyStop | None = None
    policies: list[PolicyVersion] = field(default_factory=list)
    symbols: dict[str, SymbolRules] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    decisions: list[NewDecision] = field(default_factory=list)
    audit: list[Mapping[str, Any]] = field(default_factory=list)
    access: AccessState = field(default_factory=AccessState)
    last_pass: Pass | None = None
    opened_at: datetime | None = None
    alerts: dict[str, Alert] = field(default_factory=dict)  # in the order of their sequence
    events: list[tuple[int, datetime, Event]] = field(default_factory=list)  # number, recorded at, event
    events_drawn: int = 0
    applied_events: set[tuple[str, str]] = field(default_factory=set)  # consumer, event id
    outcomes: dict[tuple[str, str], int] = field(default_factory=dict)  # strategy, state
    guards: dict[str, Guard] = field(default_factory=dict)
    protective: dict[str, ProtectiveOrder] = field(default_factory=dict)
    regimes: dict[str, MarketRegime] = field(default_factory=dict)
    throttles: dict[str, StrategyThrottle] = field(default_factory=dict)

    def copy(self) -> _State:
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return _State(**{name: value.copy() if hasattr(value, "copy") else value for name, value in values.items()})


class FakeDatabase:
    """What is committed, and how the fake is to misbehave."""

    def __init__(self, *, now: datetime = FIRST_MOMENT) -> None:
        # As the first migration leaves it.
        self.state = _State(
            ess=EmergencyStop(
                state=EssState.ARMED,
                trip_reason=None,
                tripped_at=None,
                tripped_by=None,
                safe_at=None,
                cooldown_started_at=None,
                cooldown_until=None,
                trip_count=0,
                reset_count=0,
                flatten_requested=False,
                updated_at=now,
            )
        )
        self.commits = 0
        self.now = now  # for what the database stamps by its own clock
        self.named_locks: dict[str, FakeUnitOfWork] = {}
        self.is_away = False
        self.policy_is_unreadable = False
        self._lost_commits: list[bool] = []

    def lose_answer_of_next_commit(self, *, committed: bool) -> None:
        """The next commit raises `DatabaseUnavailableError`; whether it happened all the same is up to the test."""
        self._lost_commits.append(committed)

    def require_up(self) -> None:
        if self.is_away:
            raise DatabaseUnavailableError("the fake database is away")

    def commit(self, state: _State, *, begun_at_commit: int) -> None:
        self.require_up()
        if self.commits != begun_at_commit:
            raise AssertionError("two units of work overlapped: the fake knows no row locks, use Postgres for this")
        lost = self._lost_commits.pop(0) if self._lost_commits else None
        if lost is not False:
            self.state = state
            self.commits += 1
        if lost is not None:
            raise DatabaseUnavailableError("the answer to the commit was lost")


class _Tables:
    """The state a unit of work works on; refuses everything once it is over."""

    def __init__(self, database: FakeDatabase) -> None:
        self._database = database
        self._state: _State | None = database.state.copy()
        self.begun_at_commit = database.commits
        self.failed = False

    def finish(self) -> None:
        self._state = None

    @property
    def state(self) -> _State:
        if self._state is None:
            raise UnitOfWorkFinishedError("the unit of work is over")
        self._database.require_up()
        if self.failed:
            raise AssertionError("a statement after one that failed: Postgres refuses it")
        return self._state

    @property
    def now(self) -> datetime:
        return self._database.now

    @property
    def policy_is_unreadable(self) -> bool:
        return self._database.policy_is_unreadable

    def require_open(self) -> None:
        """Raise as any statement would."""
        _ = self.state

    def refuse(self, error: Exception) -> Exception:
        """Nothing of this unit of work can be committed any more."""
        self.failed = True
        return error


class FakeUnitOfWork:
    """`app.ports.UnitOfWork` on a copy of the state."""

    signals: SignalRepository
    orders: OrderRepository
    ledger: LedgerRepository
    control: ControlRepository
    alerts: AlertRepository
    events: EventRepository
    protection: ProtectionRepository
    access: AccessRepository

    def __init__(self, database: FakeDatabase, publisher: EventPublisher) -> None:
        self._database = database
        self._publisher = publisher
        self._tables: _Tables | None = None
        self._emitted: list[Event] = []

    def __enter__(self) -> FakeUnitOfWork:
        if self._tables is not None:
            raise UnitOfWorkFinishedError("a unit of work is entered once at a time")
        self._database.require_up()
        self._tables = tables = _Tables(self._database)
        self._emitted = []
        self.signals = FakeSignals(tables)
        self.orders = FakeOrders(tables)
        self.ledger = FakeLedger(tables)
        self.control = FakeControl(tables, self._try_lock)
        self.alerts = FakeAlerts(tables)
        self.events = FakeEventRecord(tables)
        self.protection = FakeProtection(tables)
        self.access = FakeAccess(lambda: tables.state.access)
        return self

    def emit(self, *events: Event) -> None:
        if self._tables is None:
            raise UnitOfWorkFinishedError("events belong to an open unit of work")
        self._emitted.extend(events)

    def commit(self) -> None:
        if self._tables is None:
            raise UnitOfWorkFinishedError("a unit of work commits once")
        if self._tables.failed:
            raise UnitOfWorkFailedError("a statement of this unit of work failed: nothing of it can be committed")
        events, self._emitted = self._emitted, []
        for event in events:
            self._tables.state.events_drawn += 1
            self._tables.state.events.append((self._tables.state.events_drawn, self._database.now, event))
        self._database.commit(self._tables.state, begun_at_commit=self._tables.begun_at_commit)
        self._release()
        if events:
            self._publisher.publish(events)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._emitted = []
        self._release()

    def _release(self) -> None:
        if self._tables is not None:
            self._tables.finish()
            self._tables = None
        locks = self._database.named_locks
        self._database.named_locks = {name: owner for name, owner in locks.items() if owner is not self}

    def _try_lock(self, name: str) -> bool:
        return self._database.named_locks.setdefault(name, self) is self


class FakeUnitOfWorkFactory:
    """`app.ports.UnitOfWorkFactory`."""

    def __init__(self, database: FakeDatabase, publisher: EventPublisher) -> None:
        self._database = database
        self._publisher = publisher

    def __call__(self) -> FakeUnitOfWork:
        return FakeUnitOfWork(self._database, self._publisher)


class FakeSignals:
    """`app.ports.SignalRepository`."""

    def __init__(self, tables: _Tables) -> None:
        self._tables = tables

    def add_many(self, signals: Sequence[Signal]) -> Sequence[bool]:
        state = self._tables.state
        answers = []
        for signal in signals:
            # As a sequence does: numbers are drawn by duplicates too.
            state.signals_drawn += 1
            answers.append(signal.signal_id not in state.signals)
            if answers[-1]:
                state.signals[signal.signal_id] = StoredSignal(
                    signal=signal,
                    sequence=state.signals_drawn,
                    state=SignalState.QUEUED,
                    reason_code=None,
                    reason=None,
                    decided_at=None,
                    dispatched_at=None,
                    policy_version=None,
                )
        return answers

    def get(self, signal_id: str) -> StoredSignal | None:
        return self._tables.state.signals.get(signal_id)

    def lock(self, signal_id: str) -> StoredSignal | None:
        return self.get(signal_id)

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
        rows = self._tables.state.signals
        moved = []
        for signal_id in dict.fromkeys(signal_ids):
            stored = rows.get(signal_id)
            target = None if stored is None else SIGNAL_TRANSITIONS.get(stored.state, {}).get(event)
            if stored is None or target is None:
                continue
            dispatched = target is SignalState.DISPATCHED
            rows[signal_id] = replace(
                stored,
                state=target,
                reason_code=reason_code,
                reason=reason,
                policy_version=stored.policy_version if policy_version is None else policy_version,
                dispatched_at=now if dispatched else stored.dispatched_at,
                decided_at=stored.decided_at if dispatched else stored.decided_at or now,
            )
            moved.append(signal_id)
        return moved

    def queued_before(
        self, received_before: datetime, *, limit: int, after: StoredSignal | None = None
    ) -> Sequence[StoredSignal]:
        found = {(each.signal.received_at, each.sequence): each for each in self._in_state(SignalState.QUEUED)}
        place = None if after is None else (after.signal.received_at, after.sequence)
        return _oldest(found, before=received_before, place=place, limit=limit)

    def dispatched_before(
        self, dispatched_before: datetime, *, limit: int, after: StoredSignal | None = None
    ) -> Sequence[StoredSignal]:
        found = {
            (each.dispatched_at, each.sequence): each
            for each in self._in_state(SignalState.DISPATCHED)
            if each.dispatched_at is not None
        }
        place = None if after is None or after.dispatched_at is None else (after.dispatched_at, after.sequence)
        return _oldest(found, before=dispatched_before, place=place, limit=limit)

    def confidences(self, signal_ids: Sequence[str]) -> Mapping[str, Decimal]:
        rows = self._tables.state.signals
        return {each: rows[each].signal.confidence for each in signal_ids if each in rows}

    def in_flight_count(self) -> int:
        return len(self._in_state(SignalState.DISPATCHED, SignalState.ORDERED))

    def page(self, *, states: Sequence[SignalState], after: str | None, limit: int) -> Page:
        rows = self._in_state(*(states or SignalState))
        return _page(rows, number=lambda each: each.sequence, item=signal_item, after=after, limit=limit)

    def _in_state(self, *states: SignalState) -> list[StoredSignal]:
        return [each for each in self._tables.state.signals.values() if each.state in states]


class FakeOrders:
    """`app.ports.OrderRepository`."""

    def __init__(self, tables: _Tables) -> None:
        self._tables = tables

    def add(self, order: Order) -> None:
        state = self._tables.state
        if order.order_id in state.orders or (order.signal_id is not None and self.by_signal(order.signal_id)):
            raise self._tables.refuse(ConstraintViolatedError("an order, or one for this signal, exists"))
        if order.signal_id is not None and order.signal_id not in state.signals:
            raise self._tables.refuse(ConstraintViolatedError("no such signal"))
        self._check(order)
        state.orders[order.order_id] = order

    def get(self, order_id: uuid.UUID) -> Order | None:
        return self._tables.state.orders.get(order_id)

    def lock(self, order_id: uuid.UUID) -> Order | None:
        return self.get(order_id)

    def by_signal(self, signal_id: str) -> Order | None:
        return next((each for each in self._tables.state.orders.values() if each.signal_id == signal_id), None)

    def save(self, order: Order) -> None:
        stored = self.get(order.order_id)
        if stored is None:
            raise LookupError(f"no row to save: {order.order_id}")
        self._check(order)
        changed = {name: getattr(order, name) for name in _ORDER_MUTABLE}
        self._tables.state.orders[order.order_id] = replace(stored, **changed)

    def add_attempt(self, attempt: Attempt) -> None:
        state = self._tables.state
        beside = self.attempts(attempt.order_id)
        if attempt.order_id not in state.orders:
            raise self._tables.refuse(ConstraintViolatedError("no such order"))
        if attempt.client_order_id in state.attempts or attempt.number in [each.number for each in beside]:
            raise self._tables.refuse(ConstraintViolatedError("the attempt exists"))
        self._check_attempt(attempt, beside)
        state.attempts[attempt.client_order_id] = attempt

    def get_attempt(self, client_order_id: str) -> Attempt | None:
        return self._tables.state.attempts.get(client_order_id)

    def attempt_by_exchange_id(self, symbol: str, exchange_order_id: int) -> Attempt | None:
        found = [
            each
            for each in self._tables.state.attempts.values()
            if (each.symbol, each.exchange_order_id) == (symbol, exchange_order_id)
        ]
        return max(found, key=lambda each: each.begun_at, default=None)

    def save_attempt(self, attempt: Attempt) -> None:
        stored = self.get_attempt(attempt.client_order_id)
        if stored is None:
            raise LookupError(f"no row to save: {attempt.client_order_id}")
        beside = [each for each in self.attempts(stored.order_id) if each.number != stored.number]
        self._check_attempt(attempt, beside)
        changed = {name: getattr(attempt, name) for name in _ATTEMPT_MUTABLE}
        self._tables.state.attempts[attempt.client_order_id] = replace(stored, **changed)

    def attempts(self, order_id: uuid.UUID) -> Sequence[Attempt]:
        found = [each for each in self._tables.state.attempts.values() if each.order_id == order_id]
        return sorted(found, key=lambda each: each.number)

    def open_attempts(self, *, begun_before: datetime | None = None, limit: int) -> Sequence[Attempt]:
        found = [
            each
            for each in self._tables.state.attempts.values()
            if each.state.is_open and (begun_before is None or each.begun_at < begun_before)
        ]
        return sorted(found, key=lambda each: (each.begun_at, each.client_order_id))[:limit]

    def due_chases(self, *, now: datetime, limit: int) -> Sequence[Order]:
        found = [
            (each.next_attempt_at, number, each)
            for number, each in enumerate(self._tables.state.orders.values())
            if each.state is OrderState.CHASING and each.next_attempt_at is not None and each.next_attempt_at <= now
        ]
        return [each for _, _, each in sorted(found, key=lambda row: row[:2])][:limit]

    def unbooked(self, *, limit: int) -> Sequence[Order]:
        return self._oldest(lambda order: order.executed_quantity > order.booked_quantity, limit)

    def unsettled_symbols(self, *, begun_until: datetime) -> frozenset[str]:
        state = self._tables.state
        unbooked = {key for key, each in state.orders.items() if each.executed_quantity > each.booked_quantity}
        return frozenset(
            each.symbol
            for each in state.attempts.values()
            if each.begun_at <= begun_until and (each.state.is_open or each.order_id in unbooked)
        )

    def last_entry_at(self, symbol: str, side: Side) -> datetime | None:
        return max(
            (
                each.created_at
                for each in self._tables.state.orders.values()
                if (each.symbol, each.side, each.purpose) == (symbol, side, OrderPurpose.ENTRY)
            ),
            default=None,
        )

    def executions_of(self, strategy: str, symbol: str, *, since: datetime) -> int:
        state = self._tables.state
        return sum(
            each.created_at > since and state.signals[each.signal_id].signal.strategy == strategy
            for each in state.orders.values()
            if (each.symbol, each.purpose) == (symbol, OrderPurpose.ENTRY) and each.signal_id is not None
        )

    def troubled_since(self, since: datetime) -> int:
        rows = self._tables.state.attempts.values()
        return sum(
            1
            for each in rows
            if each.begun_at >= since and (each.unknown_since is not None or each.state is AttemptState.NOT_SENT)
        )

    def newest_ended_entries(self, *, since: datetime, limit: int) -> Sequence[Attempt]:
        found = [
            each
            for each in self._tables.state.attempts.values()
            if each.begun_at >= since and not each.reduce_only and not each.state.is_open
        ]
        return sorted(found, key=lambda each: (each.begun_at, each.client_order_id), reverse=True)[:limit]

    def attempts_since(self, since: datetime) -> int:
        rows = self._tables.state.attempts.values()
        return sum(1 for each in rows if each.begun_at >= since and not each.reduce_only)

    def page(self, *, after: str | None, limit: int) -> Page:
        rows = list(enumerate(self._tables.state.orders.values(), start=1))
        return _page(rows, number=lambda row: row[0], item=lambda row: order_item(row[1]), after=after, limit=limit)

    def in_state(self, states: Sequence[OrderState], *, limit: int) -> Sequence[Order]:
        return self._oldest(lambda order: order.state in states, limit)

    def _oldest(self, wanted: Callable[[Order], bool], limit: int) -> Sequence[Order]:
        found = [each for each in self._tables.state.orders.values() if wanted(each)]
        return sorted(found, key=lambda each: each.created_at)[:limit]  # a stable sort

    def _check(self, order: Order) -> None:
        if max(order.executed_quantity, order.booked_quantity) > order.quantity:
            raise self._tables.refuse(OverfilledError(f"order {order.order_id}"))
        if order.quantity <= ZERO:
            raise self._tables.refuse(ConstraintViolatedError("quantity_positive"))

    def _check_attempt(self, attempt: Attempt, beside: Sequence[Attempt]) -> None:
        if attempt.executed_quantity > attempt.quantity:
            raise self._tables.refuse(OverfilledError(f"attempt {attempt.client_order_id}"))
        if attempt.quantity <= ZERO:
            raise self._tables.refuse(ConstraintViolatedError("quantity_positive"))
        if attempt.state.is_open and any(each.state.is_open for each in beside):
            raise self._tables.refuse(SecondOpenAttemptError(f"order {attempt.order_id}"))


class FakeLedger:
    """`app.ports.LedgerRepository`."""

    def __init__(self, tables: _Tables) -> None:
        self._tables = tables

    def add_fill(self, fill: Fill) -> bool:
        state = self._tables.state
        if (fill.symbol, fill.trade_id) in state.fills:
            return False
        if fill.order_id is not None and fill.order_id not in state.orders:
            raise self._tables.refuse(ConstraintViolatedError("no such order"))
        state.fills[fill.symbol, fill.trade_id] = fill
        return True

    def give_fill_to_order(self, fill: Fill) -> bool:
        key = (fill.symbol, fill.trade_id)
        booked = self._tables.state.fills.get(key)
        if booked is None or booked.order_id is not None:
            return False
        self._tables.state.fills[key] = replace(
            booked, order_id=fill.order_id, client_order_id=fill.client_order_id, adopted=False
        )
        return True

    def fills_of(self, order_id: uuid.UUID) -> Sequence[Fill]:
        found = [each for each in self._tables.state.fills.values() if each.order_id == order_id]
        return sorted(found, key=lambda each: (each.traded_at, each.trade_id))

    def lock_position(self, symbol: str) -> Position:
        flat = Position(
            symbol=symbol,
            quantity=ZERO,
            entry_price=ZERO,
            entry_cost=ZERO,
            realised_pnl=ZERO,
            fees=ZERO,
            stop_price=None,
            target_price=None,
            updated_at=None,
        )
        return self._tables.state.positions.setdefault(symbol, flat)

    def save_position(self, position: Position) -> None:
        self._tables.state.positions[position.symbol] = position

    def positions(self) -> Sequence[Position]:
        return [each for _, each in sorted(self._tables.state.positions.items())]

    def newest_closings(self, symbol: str, *, limit: int) -> Sequence[Closing]:
        by_order: dict[int, list[Fill]] = {}
        for fill in self._tables.state.fills.values():
            if fill.symbol == symbol:
                by_order.setdefault(fill.exchange_order_id, []).append(fill)
        found = []
        for number, fills_of in by_order.items():
            if any(fill.realised_pnl for fill in fills_of):
                net = ZERO
                for fill in fills_of:
                    fee = fill.fee if fill.fee_asset == "USDT" else ZERO
                    net = exactly(net, "+", exactly(fill.realised_pnl, "-", fee))
                found.append((max(fill.traded_at for fill in fills_of), number, net))
        newest = sorted(found, reverse=True)[:limit]
        return [Closing(at=at, net=net) for at, _, net in newest]

    def last_trade_id(self, symbol: str) -> int | None:
        return max((number for of_symbol, number in self._tables.state.fills if of_symbol == symbol), default=None)

    def recently_traded(self, within: timedelta, *, limit: int) -> Sequence[str]:
        fills = self._tables.state.fills.values()
        newest = max((each.traded_at for each in fills), default=None)
        return sorted({each.symbol for each in fills if newest is not None and each.traded_at >= newest - within})[
            :limit
        ]

    def position_marks(self, *, lag: timedelta) -> Mapping[str, PositionMark]:
        marks = {}
        for symbol, position in self._tables.state.positions.items():
            newest_first = self.fills_since(symbol, 0, limit=len(self._tables.state.fills))
            older = (each for each in newest_first if each.traded_at <= newest_first[0].traded_at - lag)
            since = next((each.trade_id for each in older), 0)
            marks[symbol] = PositionMark(quantity=position.quantity, since=since)
        return marks

    def fills_since(self, symbol: str, trade_id: int, *, limit: int) -> Sequence[Fill]:
        found = [
            each
            for (of_symbol, number), each in sorted(self._tables.state.fills.items(), reverse=True)
            if of_symbol == symbol and number >= trade_id
        ]
        return found[:limit]

    def position_course(self, symbol: str, *, since: int, fills_max: int) -> Course | None:
        newest_first = self.fills_since(symbol, since + 1, limit=fills_max + 1)
        if len(newest_first) > fills_max:
            return None
        position = self._tables.state.positions.get(symbol)
        changes = [each.quantity * each.side.sign for each in newest_first]
        return position_course(ZERO if position is None else position.quantity, newest_first=changes)

    def wallet_mark(self, asset: str, *, before: datetime) -> int:
        of_wallet = self._wallet_lines(asset)
        opening = min((number for number, _ in of_wallet), default=0)
        return max((number for number, key in of_wallet if self._tables.state.lines_at[key] < before), default=opening)

    def wallet_course(self, asset: str, *, since: int) -> Course:
        newest = [self._tables.state.lines[key] for number, key in self._wallet_lines(asset) if number > since]
        return wallet_course(
            self.balance(WALLET, asset),
            gained=sum((each for each in newest if each > ZERO), ZERO),
            lost=sum((each for each in newest if each < ZERO), ZERO),
        )

    def _wallet_lines(self, asset: str) -> list[tuple[int, tuple[str, str, str]]]:
        lines = enumerate(self._tables.state.lines, start=1)
        return [(number, key) for number, key in lines if key[1:] == (WALLET, asset)]

    def post(self, *, fill: Fill, lines: Sequence[Line], now: datetime) -> None:
        for line in lines:
            key = (f"fill:{fill.symbol}:{fill.trade_id}", line.account, line.asset)
            if key in self._tables.state.lines:
                raise self._tables.refuse(ConstraintViolatedError(f"booked before: {key}"))
            self._tables.state.lines[key] = line.amount
            self._tables.state.lines_at[key] = now

    def post_entry(self, entry: Entry, *, now: datetime) -> bool:
        if any(name == entry.name for name, _, _ in self._tables.state.lines):
            return False
        if not self._tables.state.lines:
            self._tables.state.opened_at = now
        for line in entry.lines:
            self._tables.state.lines[entry.name, line.account, line.asset] = line.amount
            self._tables.state.lines_at[entry.name, line.account, line.asset] = now
        return bool(entry.lines)

    def opened_at(self) -> datetime | None:
        return self._tables.state.opened_at

    def is_untouched(self) -> bool:
        return not self._tables.state.lines and not self._tables.state.orders

    def balance(self, account: str, asset: str) -> Decimal:
        total = ZERO
        for (_, of_account, of_asset), amount in self._tables.state.lines.items():
            if (of_account, of_asset) == (account, asset):
                total = exactly(total, "+", amount)
        return total

    def lock_account(self) -> AccountSnapshot | None:
        return self._tables.state.account

    def account(self) -> AccountSnapshot | None:
        return self._tables.state.account

    def save_account(self, snapshot: AccountSnapshot) -> None:
        self._tables.state.account = snapshot

    def exposure(self, symbol: str, marks: Mapping[str, Decimal]) -> Exposure:
        state = self._tables.state
        held = [
            (each.symbol, each.quantity, each.entry_price, ZERO)
            for each in state.positions.values()
            if each.quantity != ZERO
        ]
        reserved = [
            (
                each.symbol,
                each.reserved_quantity * each.side.sign,
                each.limit_price,
                ZERO if each.state.is_terminal else each.remaining_quantity * each.side.sign,
            )
            for each in state.orders.values()
            if each.purpose is OrderPurpose.ENTRY
            and (not each.state.is_terminal or each.executed_quantity > each.booked_quantity)
        ]
        of_symbol = net = gross = ZERO
        pending = dict.fromkeys(("symbol_buys", "symbol_sells", "net_buys", "net_sells"), ZERO)
        for each, quantity, price, may_come in held + reserved:
            notional = exactly(quantity, "*", marks.get(each, price))
            side = "buys" if may_come > ZERO else "sells"
            for scope in ("net", "symbol") if each == symbol else ("net",):
                pending[f"{scope}_{side}"] += may_come * marks.get(each, price)
            net = exactly(net, "+", notional)
            gross = exactly(gross, "+", abs(notional))
            if each == symbol:
                of_symbol = exactly(of_symbol, "+", notional)
        return Exposure(
            open_symbols=frozenset(each for each, *_ in held + reserved),
            symbol_notional=of_symbol,
            net_notional=net,
            gross_notional=gross,
            symbol_pending_buys=pending["symbol_buys"],
            symbol_pending_sells=pending["symbol_sells"],
            net_pending_buys=pending["net_buys"],
            net_pending_sells=pending["net_sells"],
        )

    def realised_since(self, since: datetime) -> Decimal:
        total = ZERO
        for fill in self._tables.state.fills.values():
            if fill.traded_at >= since:
                fee = fill.fee if fill.fee_asset == "USDT" else ZERO
                total = exactly(total, "+", exactly(fill.realised_pnl, "-", fee))
        return total

    def record_equity(self, *, at: datetime, equity: Decimal, wallet: Decimal, unrealised: Decimal) -> None:
        self._tables.state.equity.setdefault(at, (equity, wallet, unrealised))

    def equity_at_or_after(self, since: datetime) -> Decimal | None:
        points = self._tables.state.equity
        first = min((at for at in points if at >= since), default=None)
        return None if first is None else points[first][0]


class FakeControl:
    """`app.ports.ControlRepository`."""

    def __init__(self, tables: _Tables, try_lock: Callable[[str], bool]) -> None:
        self._tables = tables
        self._try_lock = try_lock

    def ess(self) -> EmergencyStop | None:
        return self._tables.state.ess

    def lock_ess_shared(self) -> EmergencyStop | None:
        return self._tables.state.ess

    def lock_ess(self) -> EmergencyStop | None:
        return self._tables.state.ess

    def save_ess(self, stop: EmergencyStop) -> None:
        self._tables.state.ess = stop

    def audit(self, *, at: datetime, actor: str, action: str, reason: str, detail: Mapping[str, Any]) -> None:
        row = {"at": at, "actor": actor, "action": action, "reason": reason, "detail": detail}
        self._tables.state.audit.append(row)

    def throttle(self, strategy: str) -> StrategyThrottle | None:
        return self._tables.state.throttles.get(strategy)

    def throttles(self) -> Sequence[StrategyThrottle]:
        return [throttle for _, throttle in sorted(self._tables.state.throttles.items())]

    def save_throttle(self, throttle: StrategyThrottle) -> None:
        self._tables.state.throttles[throttle.strategy] = throttle

    def add_reconciliation(self, differences: Sequence[Difference], *, now: datetime) -> None:
        self._tables.state.last_pass = Pass(at=now, differences=list(differences))

    def last_reconciliation(self) -> Pass | None:
        return self._tables.state.last_pass

    def current_policy(self, *, now: datetime) -> PolicyVersion | None:
        if self._tables.policy_is_unreadable:
            raise UnreadablePolicyError("the fake policy is not whole")
        policies = self._tables.state.policies
        return replace(policies[-1], loaded_at=now) if policies else None

    def policy_of_version(self, version: int, *, now: datetime) -> PolicyVersion | None:
        found = [each for each in self._tables.state.policies if each.version == version]
        return replace(found[0], loaded_at=now) if found else None

    def add_policy(self, policy: Policy, *, author: str, reason: str, now: datetime) -> PolicyVersion:
        policies = self._tables.state.policies
        version = PolicyVersion(
            version=len(policies) + 1, policy=policy, author=author, reason=reason, created_at=now, loaded_at=now
        )
        policies.append(version)
        if self._tables.state.ess is not None:
            self._tables.state.ess = replace(self._tables.state.ess, policy_version=version.version)
        return version

    def policy_versions(self, *, after: str | None, limit: int) -> Page:
        return _page(
            self._tables.state.policies,
            number=lambda each: each.version,
            item=lambda each: policy_item(
                version=each.version,
                body=policy_to_body(each.policy),
                body_before=policy_to_body(self._tables.state.policies[each.version - 2].policy)
                if each.version > 1
                else None,
                author=each.author,
                reason=each.reason,
                created_at=each.created_at,
            ),
            after=after,
            limit=limit,
        )

    def save_symbols(self, rules: Sequence[SymbolRules], *, now: datetime) -> None:
        self._tables.state.symbols.update({each.symbol: each for each in rules})

    def symbol(self, symbol: str) -> SymbolRules | None:
        return self._tables.state.symbols.get(symbol)

    def symbols(self) -> Mapping[str, SymbolRules]:
        return dict(sorted(self._tables.state.symbols.items()))

    def add_token(
        self, *, name: str, token_hash: str, scopes: Sequence[str], now: datetime, expires_at: datetime | None = None
    ) -> None:
        if token_hash in self._tables.state.tokens:
            raise self._tables.refuse(ConstraintViolatedError("the token exists"))
        self._tables.state.tokens[token_hash] = Token(
            name=name,
            mark=token_hash[:8],
            scopes=frozenset(scopes),
            created_at=now,
            expires_at=expires_at,
            revoked_at=None,
        )

    def tokens(self) -> Sequence[Token]:
        return sorted(self._tables.state.tokens.values(), key=lambda each: (each.name, each.created_at))

    def revoke_tokens(self, name: str, *, mark: str | None, now: datetime) -> int:
        tokens = self._tables.state.tokens
        found = [
            key
            for key, each in tokens.items()
            if each.name == name and each.revoked_at is None and mark in (None, each.mark)
        ]
        for key in found:
            tokens[key] = replace(tokens[key], revoked_at=now)
        return len(found)

    def token_scopes(self, token_hash: str, *, now: datetime) -> tuple[str, frozenset[str], datetime | None] | None:
        token = self._tables.state.tokens.get(token_hash)
        return None if token is None or not token.is_good(now) else (token.name, token.scopes, token.expires_at)

    def add_decision(self, decision: NewDecision) -> None:
        if decision.signal_id not in self._tables.state.signals:
            raise self._tables.refuse(ConstraintViolatedError("no such signal"))
        self._tables.state.decisions.append(decision)

    def decisions(self, signal_id: str) -> Sequence[Mapping[str, Any]]:
        return [
            decision_item(number, each, [verdict_item(verdict) for verdict in each.verdicts])
            for number, each in enumerate(self._tables.state.decisions, start=1)
            if each.signal_id == signal_id
        ]

    def recorded_decisions(
        self, *, since: datetime, until: datetime, before: tuple[datetime, int] | None, limit: int
    ) -> Sequence[Mapping[str, Any]]:
        if not 1 <= limit <= PAGE_ROWS_MAX:
            raise ValueError(limit)
        numbered = ((each.decided_at, number, each) for number, each in enumerate(self._tables.state.decisions, 1))
        newest_first = sorted((one for one in numbered if since <= one[0] < until), key=lambda one: one[:2])[::-1]
        return [
            {"signal_id": each.signal_id}
            | decision_item(number, each, [verdict_item(verdict) for verdict in each.verdicts])
            for at, number, each in newest_first
            if before is None or (at, number) < before
        ][:limit]

    def try_lock(self, name: str) -> bool:
        self._tables.require_open()
        return self._try_lock(name)


class FakeAlerts:
    """`app.ports.AlertRepository`."""

    def __init__(self, tables: _Tables) -> None:
        self._tables = tables

    def save(self, alert: Alert) -> None:
        known = self._tables.state.alerts.get(alert.alert_id)
        if known is not None and alert.revision < known.revision:
            return
        delivered = {**known.delivered, **alert.delivered} if known is not None else alert.delivered
        self._tables.state.alerts[alert.alert_id] = replace(alert, delivered=delivered)

    def open(self) -> Sequence[Alert]:
        return [alert for alert in self._tables.state.alerts.values() if alert.is_open]

    def page(self, *, only_open: bool, after: str | None, limit: int) -> Page:
        numbered = list(enumerate(self._tables.state.alerts.values(), start=1))
        return _page(
            [(number, alert) for number, alert in numbered if alert.is_open or not only_open],
            number=lambda row: row[0],
            item=lambda row: alert_item(row[1]),
            after=after,
            limit=limit,
        )


class FakeProtection:
    """`app.ports.ProtectionRepository`."""

    def __init__(self, tables: _Tables) -> None:
        self._tables = tables

    def guard(self, symbol: str) -> Guard | None:
        return self._tables.state.guards.get(symbol)

    def guards(self) -> Sequence[Guard]:
        return [each for _, each in sorted(self._tables.state.guards.items())]

    def save_guard(self, guard: Guard) -> None:
        self._tables.state.guards[guard.symbol] = guard

    def drop_guard(self, symbol: str) -> None:
        self._tables.state.guards.pop(symbol, None)

    def add(self, order: ProtectiveOrder) -> None:
        if order.client_algo_id in self._tables.state.protective:
            raise self._tables.refuse(ConstraintViolatedError("the protective order exists"))
        if order.quantity <= ZERO:
            raise self._tables.refuse(ConstraintViolatedError("quantity_positive"))
        self._tables.state.protective[order.client_algo_id] = order

    def get(self, client_algo_id: str) -> ProtectiveOrder | None:
        return self._tables.state.protective.get(client_algo_id)

    def save(self, order: ProtectiveOrder) -> None:
        stored = self.get(order.client_algo_id)
        if stored is None:
            raise LookupError(f"no protective order to save: {order.client_algo_id}")
        changed = {name: getattr(order, name) for name in _PROTECTIVE_MUTABLE}
        self._tables.state.protective[order.client_algo_id] = replace(stored, **changed)

    def live(self, symbol: str | None = None, *, limit: int) -> Sequence[ProtectiveOrder]:
        found = [
            each
            for each in self._tables.state.protective.values()
            if each.state.is_live and symbol in (None, each.symbol)
        ]
        return sorted(found, key=lambda each: (each.begun_at, each.client_algo_id))[:limit]

    def of_exchange_order(self, symbol: str, exchange_order_id: int) -> ProtectiveOrder | None:
        rows = self._tables.state.protective.values()
        wanted = (symbol, exchange_order_id)
        return next((each for each in rows if (each.symbol, each.exchange_order_id) == wanted), None)

    def last_entry_confidence(self, symbol: str, side: Side) -> Decimal | None:
        state = self._tables.state
        found = [
            each
            for each in state.orders.values()
            if (each.symbol, each.side, each.purpose) == (symbol, side, OrderPurpose.ENTRY)
            and each.signal_id is not None
        ]
        newest = max(found, key=lambda each: each.created_at, default=None)
        return None if newest is None else state.signals[newest.signal_id or ""].signal.confidence

    def save_regimes(self, regimes: Sequence[MarketRegime]) -> None:
        self._tables.state.regimes.update({each.symbol: each for each in regimes})

    def regime(self, symbol: str) -> MarketRegime | None:
        return self._tables.state.regimes.get(symbol)

    def regimes(self) -> Mapping[str, MarketRegime]:
        return dict(sorted(self._tables.state.regimes.items()))


_PROTECTIVE_MUTABLE = (
    "state", "exchange_order_id", "cancel_requested_at", "error_code", "error_message", "unknown_since",
    "not_found_count", "last_asked_at", "ended_at",
)  # fmt: skip
_ORDER_MUTABLE = (
    "state", "reason_code", "reason", "executed_quantity", "booked_quantity", "attempts_made", "next_attempt_at",
    "ended_at",
)  # fmt: skip
_ATTEMPT_MUTABLE = (
    "state", "exchange_order_id", "executed_quantity", "average_price", "error_code", "error_message",
    "unknown_since", "not_found_count", "not_found_at_ms", "last_asked_at", "ended_at",
)  # fmt: skip


def _oldest(
    found: Mapping[tuple[datetime, int], StoredSignal],
    *,
    before: datetime,
    place: tuple[datetime, int] | None,
    limit: int,
) -> Sequence[StoredSignal]:
    kept = sorted(key for key in found if key[0] < before and (place is None or key > place))
    return [found[key] for key in kept[:limit]]


def _page(
    rows: Sequence[T],
    *,
    number: Callable[[T], int],
    item: Callable[[T], Mapping[str, Any]],
    after: str | None,
    limit: int,
) -> Page:
    below = sequence_before(after)
    limit_of(limit)
    found = sorted((each for each in rows if number(each) < below), key=number, reverse=True)
    shown = found[:limit]
    return Page(
        items=[item(each) for each in shown],
        next=encode_cursor(number(shown[-1])) if len(found) > limit else None,
    )


class FakeEventRecord:
    """`app.ports.EventRepository`; time passes by `FakeDatabase.now`."""

    def __init__(self, tables: _Tables) -> None:
        self._tables = tables

    def recorded(self, *, after: int, limit: int) -> Sequence[RecordedEvent]:
        return [
            RecordedEvent(number=number, event_id=event.event_id, age_seconds=self._age(at))
            for number, at, event in self._tables.state.events
            if number > after
        ][:limit]

    def number_before(self, *, age_seconds: float) -> int:
        return max((number for number, at, _ in self._tables.state.events if self._age(at) >= age_seconds), default=0)

    def newest_number(self) -> int:
        return max((number for number, _, _ in self._tables.state.events), default=0)

    def read(self, numbers: Sequence[int]) -> Sequence[Event]:
        return [event for number, _, event in self._tables.state.events if number in set(numbers)]

    def forget(self, *, older_than_seconds: float, limit: int) -> int:
        events = self._tables.state.events
        old = [row for row in events[:limit] if self._age(row[1]) >= older_than_seconds]
        self._tables.state.events = [row for row in events if row not in old]
        return len(old)

    def claim(self, consumer: str, event_ids: Sequence[str]) -> Sequence[str]:
        fresh = [each for each in event_ids if (consumer, each) not in self._tables.state.applied_events]
        self._tables.state.applied_events |= {(consumer, each) for each in fresh}
        return fresh

    def add_outcomes(self, ends: Sequence[tuple[str, SignalState]]) -> Mapping[str, Mapping[str, int]]:
        state = self._tables.state
        touched = set()
        for signal_id, end in ends:
            if signal_id in state.signals:
                strategy = state.signals[signal_id].signal.strategy
                touched.add(strategy)
                state.outcomes[strategy, end.value] = state.outcomes.get((strategy, end.value), 0) + 1
        return {strategy: counts for strategy, counts in self.outcomes().items() if strategy in touched}

    def outcomes(self) -> Mapping[str, Mapping[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for (strategy, state), count in sorted(self._tables.state.outcomes.items()):
            found.setdefault(strategy, {})[state] = count
        return found

    def _age(self, recorded_at: datetime) -> float:
        return (self._tables.now - recorded_at).total_seconds()
