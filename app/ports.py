"""What the core needs from the world, as Protocols, on one page; fakes and adapters pass the same contract tests."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from app.domain.attempt_outcomes import is_final_report
from app.domain.ess import EmergencyStop
from app.domain.events import Event, SequencedEvent
from app.domain.exposure import Exposure
from app.domain.fills import Fill
from app.domain.gates.verdicts import Verdict
from app.domain.ledger import Entry
from app.domain.market import AccountSnapshot, ExchangePosition, FundingRate, Quote, SymbolRules
from app.domain.orders import Attempt, Order, OrderState
from app.domain.policy import Policy, PolicyVersion
from app.domain.positions import Position
from app.domain.reconciliation import Difference, Pass
from app.domain.signals import Side, Signal, SignalEvent, SignalState, StoredSignal

T = TypeVar("T")

# ---------------------------------------------------------------------------------------------- time and randomness


class Clock(Protocol):
    """The machine's clock."""

    def now(self) -> datetime:
        """The current time, aware UTC."""
        ...


# ---------------------------------------------------------------------------------------------- the exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """An order as the exchange reports it. Judge it by `executed_quantity`, not by `status`."""

    exchange_order_id: int
    client_order_id: str
    symbol: str
    status: str  # NEW, PARTIALLY_FILLED, FILLED, CANCELED, EXPIRED, EXPIRED_IN_MATCH, REJECTED
    original_quantity: Decimal
    executed_quantity: Decimal
    average_price: Decimal | None
    reduce_only: bool = False

    @property
    def is_final(self) -> bool:
        """Whether nothing of it rests at the exchange any more, and nothing it says contradicts that."""
        return is_final_report(
            status=self.status,
            executed_quantity=self.executed_quantity,
            asked_quantity=self.original_quantity,
            reduce_only=self.reduce_only,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """Definitely not executed; sending the same again would be refused again."""

    code: str  # the exchange's code as text, e.g. "-2019"
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryAfter:
    """Definitely not executed; the exchange is busy or a limit was passed: the same may work after `seconds`."""

    code: str
    message: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Nothing is known of the outcome: a time-out, a dropped connection, a 5xx, an unlisted code."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFound:
    """The exchange knows no such order, as of its own clock `exchange_time_ms` (a lower bound, in ms)."""

    exchange_time_ms: int


SubmitReply = OrderReport | Rejected | RetryAfter | Unknown
QueryReply = OrderReport | NotFound | Rejected | RetryAfter | Unknown


class ExchangeError(Exception):
    """A question (not an order) could not be answered; carries its cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """`exchangeInfo.rateLimits`: weight a minute per IP, orders per minute and per 10 s per account."""

    weight_per_minute: int
    orders_per_minute: int
    orders_per_10_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeTrade:
    """A row of `userTrades`; amounts as the exchange gives them, fee positive when paid."""

    symbol: str
    trade_id: int
    exchange_order_id: int
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    realised_pnl: Decimal
    is_maker: bool
    traded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeIncome:
    """A row of the income history; `amount` is signed, positive when received. `symbol` is empty for transfers."""

    symbol: str
    income_type: str  # FUNDING_FEE, TRANSFER, REALIZED_PNL, COMMISSION, ...
    amount: Decimal
    asset: str
    at: datetime
    transaction_id: int  # unique within a type


class Exchange(Protocol):
    """Signed conversation with the exchange. Orders answer with values; questions raise `ExchangeError`.

    Every call has a connect and a read time-out; nothing is retried inside. Rate budget is the caller's business
    except that every answer's headers are reported to the budget by the adapter.
    """

    def now_ms(self) -> int:
        """The exchange's clock as well as we know it (local clock plus measured offset), in ms."""
        ...

    def submit(self, attempt: Attempt) -> SubmitReply:
        """POST the order with exactly the attempt's id, timestamp and recvWindow; response type RESULT."""
        ...

    def query_order(self, *, symbol: str, client_order_id: str) -> QueryReply:
        """GET the order by our id; `NotFound` only for -2013, with the exchange's time taken *before* the query."""
        ...

    def cancel_all(self, symbol: str) -> None:
        """Cancel every open order of a symbol, conditional ones included."""
        ...

    def trades(
        self, symbol: str, *, from_id: int | None = None, order_id: int | None = None, limit: int = 500
    ) -> Sequence[ExchangeTrade]:
        """Our trades, ascending; from a trade id, of one order, or the latest."""
        ...

    def open_orders(self) -> Sequence[OrderReport]:
        """All open orders of the account."""
        ...

    def conditional_order_symbols(self) -> frozenset[str]:
        """Symbols with open conditional orders, which are not among `open_orders` until they trigger."""
        ...

    def positions(self) -> Sequence[ExchangePosition]:
        """All positions that are not zero."""
        ...

    def account(self) -> AccountSnapshot:
        """Wallet, unrealised PnL, available balance."""
        ...

    def income(self, *, since: datetime, kind: str | None = None, limit: int = 1_000) -> Sequence[ExchangeIncome]:
        """The first `limit` rows of income from `since` on, ascending; of one kind (the exchange's word) or of all."""
        ...

    def symbol_rules(self) -> tuple[Sequence[SymbolRules], RateLimits]:
        """Trading rules of all symbols and the rate limits."""
        ...


class Lane(StrEnum):
    """Who asks for budget: ENTRY (entries, and whatever else can wait) may not touch the share reserved for SAFETY:
    cancels, exits, open questions, the stop."""

    ENTRY = "ENTRY"
    SAFETY = "SAFETY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """No budget now; ask again after `seconds`. `reason` names the limit or the closed gate."""

    seconds: float
    reason: str


class RateBudget(Protocol):
    """The exchange's limits, shared by all processes and machines."""

    def acquire(self, *, weight: int, orders: int, lane: Lane) -> Wait | None:
        """Take budget for one request (None: taken). Never blocks, never raises when Redis is away (local share)."""
        ...

    def observe(self, *, used_weight: int | None, orders_10s: int | None, orders_1m: int | None) -> None:
        """Correct ourselves from response headers; negatives are ignored."""
        ...

    def close(self, *, seconds: float, reason: str, orders_only: bool = False) -> None:
        """429 or 418: nobody sends anything for `seconds`; with `orders_only` nobody creates an order."""
        ...

    def set_limits(self, limits: RateLimits) -> None:
        """What `exchangeInfo` says."""
        ...


# ---------------------------------------------------------------------------------------------- Redis: speed


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A signal that wants a place in the window."""

    signal_id: str
    confidence: Decimal
    received_at: datetime
    expires_at: datetime


class OfferVerdict(StrEnum):
    """What the window did with an offer."""

    QUEUED = "QUEUED"
    REPLACED = "REPLACED"
    DROPPED = "DROPPED"
    EXPIRED = "EXPIRED"
    ALREADY_QUEUED = "ALREADY_QUEUED"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferResult:
    """The window's answer; `evicted` is the id that lost its place (only with REPLACED)."""

    signal_id: str
    verdict: OfferVerdict
    evicted: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Popped:
    """The best signals taken out of the window, best first, and those that expired in it."""

    signal_ids: Sequence[str]
    expired: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowStatus:
    """Occupancy and the counters since Redis was last empty."""

    occupancy: int
    capacity: int
    counters: Mapping[str, int]  # received, queued, evicted, dropped, expired, dispatched


class WindowUnavailableError(Exception):
    """Redis did not answer in time; carries its cause."""


class AdmissionWindow(Protocol):
    """At most `capacity` signals ranked by confidence (older first on a tie); every call is one atomic step.

    All methods raise `WindowUnavailableError` when Redis is away.
    """

    def offer(self, offers: Sequence[Offer], *, now: datetime) -> Sequence[OfferResult]:
        """Offer signals in order; answers in the same order."""
        ...

    def pop_best(self, count: int, *, now: datetime) -> Popped:
        """Take out the best `count`."""
        ...

    def remove(self, signal_ids: Sequence[str]) -> None:
        """Forget these (they were decided elsewhere)."""
        ...

    def members(self) -> Sequence[str]:
        """All ids in the window, best first."""
        ...

    def status(self) -> WindowStatus:
        """Occupancy and counters."""
        ...


class MarketData(Protocol):
    """The newest market facts; None means not known, which denies entries."""

    def quote(self, symbol: str) -> Quote | None:
        """Best bid, best ask, mark price."""
        ...

    def funding(self, symbol: str) -> FundingRate | None:
        """The coming funding rate."""
        ...

    def quotes(self) -> Mapping[str, Quote]:
        """All quotes known, by symbol."""
        ...


class MarketDataSink(Protocol):
    """Where the listener puts what the streams say."""

    def put(self, quotes: Sequence[Quote], funding: Sequence[FundingRate]) -> None:
        """Replace what is known of these symbols."""
        ...


class EventPublisher(Protocol):
    """The live event stream."""

    def publish(self, events: Sequence[Event]) -> None:
        """Publish after a commit; never raises for a stream that is away, never blocks a caller for long."""
        ...


class EventDelivery(Protocol):
    """The live event stream for those who have the time to try again."""

    def deliver(self, events: Sequence[Event]) -> None:
        """Publish in order; those published before change nothing. Raises `EventsUnavailableError`."""
        ...


class EventsUnavailableError(Exception):
    """The live event stream did not answer in time; carries its cause. A reader must know that silence is not peace."""


class EventSource(Protocol):
    """The reading side of the live event stream; every call raises `EventsUnavailableError` when it is away."""

    def read(self, *, after: int, block_seconds: float, limit: int) -> Sequence[SequencedEvent]:
        """Events with a sequence above `after`, oldest first; empty after `block_seconds` without any."""
        ...

    def bounds(self) -> tuple[int, int]:
        """The oldest and newest sequence still held; (0, 0) when nothing was ever published."""
        ...


class TaskQueue(Protocol):
    """Celery, as the core sees it: a hint to do something soon; the row in Postgres is the truth."""

    def send(self, task: str, *, priority: int = 5, countdown_seconds: float = 0.0, **arguments: Any) -> bool:
        """Send a hint; False (and one log line) when the broker is away. Priority 0 is the most urgent, 9 the least."""
        ...


class HintLatch(Protocol):
    """Keeps one hint pending at a time, however many callers want to send it; True/harmless when Redis is away."""

    def claim_hint(self, name: str, ttl_ms: int) -> bool:
        """True for the caller who is to send the hint; the claim lapses after `ttl_ms`."""
        ...

    def release_hint(self, name: str) -> None:
        """The hint was taken up: the next caller may send again."""
        ...


# ---------------------------------------------------------------------------------------------- the disk: last resort


class BufferUnavailableError(Exception):
    """The disk did not take or give what it was asked to; carries its cause. What was to be appended is not durable."""


class BufferFullError(BufferUnavailableError):
    """No space is left: on the disk, or within what the buffer may hold."""


class Loss(StrEnum):
    """Why something that was appended will never be delivered."""

    FELL_OFF = "FELL_OFF"  # more was appended than the ring holds
    CORRUPT = "CORRUPT"  # its checksum is wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferStatus:
    """How much waits since when, and what became of the rest since the buffer was made."""

    depth: int
    oldest_at: datetime | None
    replayed: int
    fell_off: int
    corrupt: int
    set_aside: int


class DurableBuffer(Protocol[T]):
    """Keeps items on this machine's disk while the server they are meant for is away, whatever happens to a process.

    Many processes append, one at a time replays. Every call raises `BufferUnavailableError` when the disk fails.
    """

    def append(self, items: Sequence[T]) -> None:
        """Durable when it returns; all of them or an error. Raises `BufferFullError`, never drops what it took."""
        ...

    def has_backlog(self) -> bool:
        """Whether anything waits; cheap enough to be asked for every event."""
        ...

    def replay(
        self,
        deliver: Callable[[Sequence[T]], None],
        *,
        on_lost: Callable[[int, Loss], None],
        batch_max: int,
        seconds_max: float,
    ) -> int | None:
        """Deliver what waits, oldest first, and forget what `deliver` returned for; how many were delivered.

        None while somebody else replays. What `deliver` raises ends the replay; its batch comes again. A process that
        dies in between makes at most one batch come twice. `on_lost` is told before what came after the loss.
        """
        ...

    def set_aside(self, item: T, reason: str) -> None:
        """Keep for a person what can never be delivered."""
        ...

    def status(self) -> BufferStatus:
        """As of now, all processes of this machine together."""
        ...

    def probe(self) -> None:
        """Raises `BufferFullError` or `BufferUnavailableError` when nothing could be appended now."""
        ...


# ---------------------------------------------------------------------------------------------- Postgres: truth


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

    def queued_before(self, received_before: datetime, *, limit: int) -> Sequence[StoredSignal]:
        """QUEUED signals received before, oldest first."""
        ...

    def dispatched_before(self, dispatched_before: datetime, *, limit: int) -> Sequence[StoredSignal]:
        """DISPATCHED signals whose hint may be lost, oldest first."""
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

    def busy_symbols(self) -> frozenset[str]:
        """Symbols with an open attempt or an execution whose fills are not booked yet."""
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

    def last_trade_id(self, symbol: str) -> int | None: ...

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

    def add_token(self, *, name: str, token_hash: str, scopes: Sequence[str], now: datetime) -> None: ...

    def token_scopes(self, token_hash: str, *, now: datetime) -> tuple[str, frozenset[str]] | None:
        """(name, scopes) of a token that is neither revoked nor past its expiry."""
        ...

    def add_decision(self, decision: NewDecision) -> None: ...

    def decisions(self, signal_id: str) -> Sequence[Mapping[str, Any]]:
        """JSON-ready, oldest first."""
        ...

    def try_lock(self, name: str) -> bool:
        """A transaction-scoped advisory lock; False when somebody else holds it."""
        ...


class UnitOfWork(AbstractContextManager["UnitOfWork"], Protocol):
    """One transaction. Leaving without `commit` rolls back. Events given to `emit` are published after the commit."""

    signals: SignalRepository
    orders: OrderRepository
    ledger: LedgerRepository
    control: ControlRepository

    def emit(self, *events: Event) -> None:
        """Publish these once the commit has succeeded."""
        ...

    def commit(self) -> None: ...


class UnitOfWorkFactory(Protocol):
    """Starts units of work; raises `DatabaseUnavailableError` (also from any method) when Postgres is away."""

    def __call__(self) -> UnitOfWork: ...


class ReadModels(Protocol):
    """What people look at. Mappings are JSON-ready: decimals as plain strings, times as RFC 3339 text.

    Every call is one read-only transaction that sees one moment and waits for no row lock; raises
    `DatabaseUnavailableError`.
    """

    def explain_signal(self, signal_id: str) -> Mapping[str, Any] | None:
        """`signal, state, decision` (the newest)`, decisions, order, attempts, fills, timeline`, or None."""
        ...

    def signals(self, *, states: Sequence[SignalState], after: str | None, limit: int) -> Page:
        """Newest first."""
        ...

    def orders(self, *, after: str | None, limit: int) -> Page:
        """Newest first."""
        ...

    def positions(self, quotes: Mapping[str, Quote], *, now: datetime) -> Sequence[Mapping[str, Any]]:
        """Those that are not flat, by symbol, valued at the quotes' mark prices."""
        ...

    def portfolio(self, *, now: datetime) -> Mapping[str, Any]:
        """The account as the exchange told it, and what our ledger has realised and paid in fees."""
        ...

    def equity(self, *, since: datetime | None, limit: int) -> Page:
        """Oldest first from `since` on, `next` being the `since` of the next page; without it the newest `limit`."""
        ...

    def ess(self) -> Mapping[str, Any]: ...

    def policy(self) -> Mapping[str, Any]: ...

    def policy_versions(self, *, after: str | None, limit: int) -> Page:
        """Newest first."""
        ...

    def counts(self, *, newest: int | None) -> Mapping[str, Any]:
        """Signals and orders by state among the `newest` of each (None: of all, which reads them all)."""
        ...

    def overview(self, quotes: Mapping[str, Quote], *, now: datetime, limit: int) -> Mapping[str, Any]:
        """`portfolio, positions, orders, signals, ess, policy, counts` as of one moment; lists hold `limit` rows."""
        ...
