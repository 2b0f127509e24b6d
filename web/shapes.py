"""The shapes of answers: they make the OpenAPI document, and tests hold real answers to them.

Use cases may add members; they may not leave out or rename these. A figure that is not known is null, with a
`reason` beside it. Money and quantities are decimal strings, times RFC 3339.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.domain.access import Role
from app.domain.alerts import AlertChange
from app.domain.ensemble.provenance import Provenance
from app.domain.ess import EssState
from app.domain.health import Status
from app.domain.orders import AttemptState, OrderPurpose, OrderState
from app.domain.policy import RiskMode
from app.domain.signals import IntakeVerdict, Side, SignalState

DecimalText = Annotated[str, Field(pattern=r"^-?[0-9]+(\.[0-9]+)?$", examples=["1234.5"])]


class Shape(BaseModel):
    """An answer; open to further members."""

    model_config = ConfigDict(extra="allow")


class Figure(Shape):
    """What every block of figures says of itself."""

    source: str | None = Field(description="Who said so; null when nobody did")
    age_seconds: float | None = Field(description="How long ago; null when never", ge=0)
    reason: str | None = Field(default=None, description="Why something in here is not known")


class SessionItem(Shape):
    name: str
    role: Role | None = Field(description="Of a person; a token has scopes alone")
    scopes: list[str]
    via: Literal["session", "token"]
    expires_at: datetime | None
    csrf_token: str | None = Field(description="To be sent as X-CSRF-Token with every change by cookie")


class LoggedOut(Shape):
    logged_out: bool


class AdmissionResult(Shape):
    signal_id: str
    verdict: IntakeVerdict
    evicted: str | None = Field(default=None, description="The signal that lost its place (REPLACED)")


class AdmissionResults(Shape):
    results: list[AdmissionResult]


class SignalItem(Shape):
    signal_id: str
    symbol: str
    side: Side
    confidence: DecimalText
    strategy: str | None = None
    state: SignalState
    reason_code: str | None = None
    reason: str | None
    received_at: datetime
    decided_at: datetime | None


class GateVerdict(Shape):
    gate: str
    passed: bool
    code: str | None
    numbers: dict[str, str]


class Decision(Shape):
    outcome: str
    code: str | None
    attempt_number: int
    policy_version: int | None
    verdicts: list[GateVerdict]
    decided_at: datetime


class OrderItem(Shape):
    order_id: str
    signal_id: str | None
    symbol: str
    side: Side
    purpose: OrderPurpose
    state: OrderState
    reason_code: str | None
    reason: str | None
    quantity: DecimalText = Field(description="Approved; never exceeded")
    executed_quantity: DecimalText
    limit_price: DecimalText
    created_at: datetime


class AttemptItem(Shape):
    client_order_id: str
    number: int
    state: AttemptState
    quantity: DecimalText
    price: DecimalText | None
    executed_quantity: DecimalText
    average_price: DecimalText | None
    error_code: str | None
    error_message: str | None
    begun_at: datetime
    ended_at: datetime | None


class FillItem(Shape):
    trade_id: int
    price: DecimalText
    quantity: DecimalText
    fee: DecimalText
    fee_asset: str
    realised_pnl: DecimalText
    traded_at: datetime


class SignalExplanation(Shape):
    signal: SignalItem
    state: SignalState
    decision: Decision | None = Field(description="The newest; null while none was made")
    order: OrderItem | None
    attempts: list[AttemptItem]
    fills: list[FillItem]


class OrderExplanation(Shape):
    order: OrderItem
    attempts: list[AttemptItem]
    fills: list[FillItem]


class PositionItem(Figure):
    symbol: str
    quantity: DecimalText = Field(description="Signed")
    entry_price: DecimalText | None
    mark_price: DecimalText | None
    unrealised_pnl: DecimalText | None
    realised_pnl: DecimalText | None
    stop_price: DecimalText | None = Field(description="As confirmed by the exchange for all of it; null: see `reason`")
    target_price: DecimalText | None = Field(description="As `stop_price`")


class Portfolio(Figure):
    equity: DecimalText | None
    wallet_balance: DecimalText | None
    unrealised_pnl: DecimalText | None
    available_balance: DecimalText | None


class EquityPoint(Shape):
    at: datetime
    equity: DecimalText


class TriggerReading(Shape):
    trigger: str
    sight: Literal["CLEAR", "FIRED", "UNKNOWN"]
    numbers: dict[str, str] = Field(description="What it saw, USDT where it is money; why, when it saw nothing")


class ExposureAnswer(Shape):
    gross: DecimalText = Field(description="USDT; positions and reservations one by one")
    gross_max: DecimalText | None
    net: DecimalText
    net_max: DecimalText | None
    open_positions: int
    open_positions_max: int | None
    reason: str | None


class Risk(Figure):
    triggers: list[TriggerReading]
    exposure: ExposureAnswer


class TripStep(Shape):
    step: str = Field(description="entries_over, orders_canceled, and flat where that was asked for")
    done: bool
    at: datetime | None


class EmergencyStop(Shape):
    state: EssState
    trip_reason: str | None
    tripped_at: datetime | None
    safe: bool | None = Field(description="True once a trip is acknowledged: no new entry can be accepted any more")
    steps: list[TripStep] | None = Field(
        description="How far a trip has been carried; empty while nothing is tripped, null when the stop is not known"
    )
    cooldown_until: datetime | None
    held_because: str | None = Field(
        default=None, description="Why a cooldown that is over has not armed the stop again"
    )
    trip_count: int
    reset_count: int


class EmergencyStopBlock(EmergencyStop, Figure):
    state: EssState | None  # type: ignore[assignment]
    trip_count: int | None  # type: ignore[assignment]
    reset_count: int | None  # type: ignore[assignment]


class PolicyChange(Shape):
    field: str
    before: Any = None
    after: Any = None


class WhatIfCounts(Shape):
    read: int
    compared: int
    changed: int
    not_reproduced: int = Field(description="Not as recorded under their own policy either: left out")
    unreadable: int


class WhatIfEntered(Shape):
    """What would have entered the market, in USDT."""

    entries: int
    bought: DecimalText
    sold: DecimalText
    gross: DecimalText
    net: DecimalText


class WhatIfSides(Shape):
    before: WhatIfEntered
    after: WhatIfEntered


class WhatIfGate(Shape):
    gate: str
    denied_before: int
    denied_after: int
    denies_now: int
    passes_now: int


class WhatIfDecision(Shape):
    outcome: str
    code: str | None
    quantity: DecimalText
    notional: DecimalText


class WhatIfGateChange(Shape):
    gate: str
    before: str | None = Field(description="The code it denied with; null: it passed")
    after: str | None
    numbers: dict[str, str]


class WhatIfChanged(Shape):
    signal_id: str
    symbol: str
    side: Side
    confidence: DecimalText
    attempt_number: int
    policy_version: int | None
    decided_at: datetime
    before: WhatIfDecision
    after: WhatIfDecision
    gates: list[WhatIfGateChange]


class WhatIfOutcomes(Shape):
    before: dict[str, int]
    after: dict[str, int]


class WhatIfSymbol(WhatIfSides):
    symbol: str


class WhatIf(Shape):
    base_version: int = Field(description="The version that `changes` are against")
    policy: dict[str, Any] = Field(description="The policy that was tried; decimals as strings")
    changes: list[PolicyChange]
    since: datetime
    until: datetime
    oldest: datetime | None = Field(description="The oldest decision that was looked at")
    newest: datetime | None
    is_complete: bool = Field(description="False: the period holds older decisions that were not looked at")
    decisions: WhatIfCounts
    outcomes: WhatIfOutcomes
    gates: list[WhatIfGate]
    entered: WhatIfSides
    symbols: list[WhatIfSymbol]
    changed: list[WhatIfChanged] = Field(description="The newest of the decisions that would have been different")


class PolicyVersionItem(Shape):
    version: int
    mode: RiskMode
    policy: dict[str, Any] = Field(description="Every field; decimals as strings")
    changes: list[PolicyChange] | None = Field(description="Against the version before; null for the first")
    author: str
    reason: str
    created_at: datetime


class Policy(Shape):
    version: int | None
    mode: RiskMode | None
    policy: dict[str, Any] | None = Field(description="Every field; null while no policy was ever stored")


class PolicyBlock(Policy, Figure):
    pass


class WindowBlock(Figure):
    occupancy: int | None
    capacity: int | None
    counters: dict[str, int] | None


class CastVote(Shape):
    action: str
    confidence: DecimalText | None = Field(description="null once the vote is STALE: see `reason`")
    reason: str | None = Field(default=None, description="Why there is no confidence")
    source: str | None = Field(description="The producer's own word")
    symbol: str
    signal_id: str
    at: datetime


class ModelStanding(Figure):
    model: str
    provenance: Provenance = Field(
        description="LIVE: the model itself, just now. FALLBACK: something stood in for it. STALE: the model, too long "
        "ago. UNAVAILABLE: no vote. `reason` says why it is not LIVE"
    )
    vote: CastVote | None = Field(description="The last one")


class ModelAgreement(Shape):
    action: str | None = Field(description="What most LIVE votes say; null for a tie or for none")
    agreeing: int
    live: int = Field(description="LIVE votes of the newest signal with votes; no other counts")
    share: DecimalText | None
    reason: str | None
    signal_id: str | None
    symbol: str | None


class Ensemble(Figure):
    symbol: str | None = Field(description="Whose signals were looked at; null for all")
    models: list[ModelStanding]
    agreement: ModelAgreement


class ProcessItem(Shape):
    name: str
    state: str
    pid: int | None
    restarts: int
    reason: str | None


class ProcessesBlock(Figure):
    ready: bool | None = None
    items: list[ProcessItem] | None = None


class WorkerItem(Shape):
    name: str
    role: str
    facts: dict[str, Any]
    age_seconds: float


class WorkersBlock(Figure):
    items: list[WorkerItem] | None


class QueuesBlock(Figure):
    waiting: dict[str, int] | None = Field(description="Messages in the broker, by queue")


class BudgetBlock(Figure):
    used: dict[str, int] | None = None
    limits: dict[str, int] | None = None
    closed_seconds: float | None = Field(default=None, description="How long the exchange lets nobody in")
    orders_closed_seconds: float | None = None
    recovering: bool | None = None


class BufferBlock(Figure):
    depth: int | None
    oldest_age_seconds: float | None


class OpenAttempts(Figure):
    items: list[AttemptItem] | None


class OpenAlerts(Figure):
    items: list[AlertItem] | None


class HealthComponent(Shape):
    component: str
    status: Status
    cause: str | None
    because_of: str | None = Field(description="The component whose failure explains this one")
    latency_ms: float | None = Field(description="How long the check took")
    age_seconds: float | None = Field(description="How old the fact behind it is; null when it was asked just now")


class HealthBlock(Figure):
    """As the health service on port 8005 judges; null with a `reason` when it does not answer in time."""

    status: Status | None
    components: list[HealthComponent] | None


class SystemState(Figure):
    stage: str
    health: HealthBlock
    processes: ProcessesBlock
    workers: WorkersBlock
    queues: QueuesBlock
    window: WindowBlock
    budget: BudgetBlock
    buffers: dict[str, BufferBlock]
    attempts: OpenAttempts
    alerts: OpenAlerts


class AuditItem(Shape):
    audit_id: int
    at: datetime
    actor: str
    action: str
    reason: str
    detail: dict[str, Any]


class AuditPage(Shape):
    items: list[AuditItem]
    next: str | None


class SignalsBlock(Figure):
    items: list[SignalItem]


class OrdersBlock(Figure):
    items: list[OrderItem]


class PositionsBlock(Figure):
    items: list[PositionItem]


class Snapshot(Shape):
    seq: int | None = Field(description="Follow the live socket from here: /ws/dashboard?after=SEQ")
    reason: str | None = Field(default=None, description="Why `seq` is not known")
    at: datetime
    portfolio: Portfolio
    positions: PositionsBlock
    orders: OrdersBlock
    signals: SignalsBlock
    ess: EmergencyStopBlock
    policy: PolicyBlock
    window: WindowBlock
    ensemble: Ensemble
    system: Figure


class SignalPage(Shape):
    items: list[SignalItem]
    next: str | None


class OrderPage(Shape):
    items: list[OrderItem]
    next: str | None


class AlertItem(Shape):
    alert_id: str
    component: str
    status: Status = Field(description="DEGRADED or CRITICAL: how bad it is, or was when it was cleared")
    cause: str
    open: bool
    raised_at: datetime
    changed_at: datetime
    cleared_at: datetime | None
    last_change: AlertChange
    occurrences: int = Field(description="How often it came back soon after it had cleared, and the first time")
    revision: int
    delivered: dict[str, int] = Field(description="By channel, the newest revision that it took")


class AlertPage(Shape):
    items: list[AlertItem]
    next: str | None


class ThrottleItem(Shape):
    strategy: str
    is_disabled: bool
    disabled_at: datetime | None
    symbol: str = Field(description="Where it was executed once too often, the last time")
    executions: int
    maximum: int = Field(description="Of the policy then")
    window_seconds: int
    times_disabled: int
    enabled_at: datetime | None
    enabled_by: str | None
    enabled_because: str | None


class ThrottlePage(Shape):
    items: list[ThrottleItem]
    next: str | None


class PositionPage(Shape):
    items: list[PositionItem]
    next: str | None


class EquityPage(Shape):
    items: list[EquityPoint]
    next: str | None


class PolicyVersionPage(Shape):
    items: list[PolicyVersionItem]
    next: str | None


class ProblemField(Shape):
    pointer: str | None = None
    parameter: str | None = None
    code: str
    detail: str


class Problem(Shape):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[ProblemField] = []


class ProblemDescription(Shape):
    type: str
    title: str
    status: int


JsonObject = dict[str, Any]
