"""Everything a process may do: the list of ready use cases and what they stand on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.adapters.binance.rest import RestExchange
from app.adapters.redis.event_stream import (
    RedisEventSource,
)
from app.adapters.redis.rate_budget import RedisRateBudget
from app.domain.events import Event
from app.domain.signals import Signal
from app.ports import (
    AdmissionWindow,
    AlertChannel,
    Clock,
    DurableBuffer,
    EventGroup,
    Exchange,
    HintLatch,
    MarketData,
    MarketDataSink,
    ProgressBoard,
    QueueLengths,
    TaskQueue,
    UnitOfWorkFactory,
)
from app.services.acknowledge_trip import AcknowledgeTrip
from app.services.admit_together import AdmitTogether
from app.services.authenticate import Authenticator
from app.services.book_fills import BookFills
from app.services.chase_remainder import ChaseRemainder
from app.services.collect_fills import CollectFills
from app.services.console import Console
from app.services.count_outcomes import CountOutcomes
from app.services.dispatch_signals import DispatchSignals
from app.services.drain_spool import DrainSpool
from app.services.hear_order_update import HearOrderUpdate
from app.services.hear_protection_update import HearProtectionUpdate
from app.services.issue_token import IssueToken, ManageTokens
from app.services.keep_alerts import KeepAlerts
from app.services.manage_users import ManageUsers
from app.services.mend_events import MendEvents
from app.services.place_order import PlaceOrder
from app.services.policy_cache import PolicyCache
from app.services.protect_position import ProtectPosition
from app.services.reconcile import Reconcile
from app.services.reconcile_protections import ReconcileProtections
from app.services.refresh_account import RefreshAccount
from app.services.refresh_regimes import RefreshRegimes
from app.services.refresh_symbols import RefreshSymbols
from app.services.replay_events import ReplayEvents
from app.services.reset_ess import ResetEss
from app.services.resolve_attempt import ResolveAttempt
from app.services.resolve_protection import ResolveProtection
from app.services.set_up import SetUp
from app.services.settle_attempt import SettleAttempt
from app.services.sweep_orders import SweepOrders
from app.services.sweep_protections import SweepProtections
from app.services.sweep_signals import SweepSignals
from app.services.trip_ess import TripEss
from app.services.watch_account import WatchAccount
from app.services.what_if import WhatIf
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class System:
    """Everything a process may do. Made once per process, after forking; connections open when first used."""

    settings: Settings
    clock: Clock
    unit_of_work: UnitOfWorkFactory
    exchange: RestExchange
    budget: RedisRateBudget
    latch: HintLatch
    market: MarketData
    market_sink: MarketDataSink
    window: AdmissionWindow
    events: RedisEventSource
    authenticate: Authenticator
    issue_token: IssueToken
    tokens: ManageTokens
    users: ManageUsers
    admit_signals: AdmitTogether
    signal_spool: DurableBuffer[Signal]
    drain_spool: DrainSpool
    event_buffer: DurableBuffer[Event]
    replay_events: ReplayEvents
    mend_events: MendEvents
    event_group: EventGroup
    count_outcomes: CountOutcomes
    carry_on: Callable[[], None]  # take up, in the background, what an earlier process left on the disk
    dispatch_signals: DispatchSignals
    sweep_signals: SweepSignals
    place_order: PlaceOrder
    chase_remainder: ChaseRemainder
    settle_attempt: SettleAttempt
    resolve_attempt: ResolveAttempt
    book_fills: BookFills
    collect_fills: CollectFills
    hear_order_update: HearOrderUpdate
    sweep_orders: SweepOrders
    protect_position: ProtectPosition
    resolve_protection: ResolveProtection
    sweep_protections: SweepProtections
    reconcile_protections: ReconcileProtections
    hear_protection_update: HearProtectionUpdate
    refresh_regimes: RefreshRegimes
    refresh_account: RefreshAccount
    reconcile: Reconcile
    refresh_symbols: RefreshSymbols
    trip_ess: TripEss
    reset_ess: ResetEss
    watch_account: WatchAccount
    acknowledge_trip: AcknowledgeTrip
    set_up: SetUp
    what_if: WhatIf
    refuse_unsafe_key: Callable[[], None]  # raises when the key of a real exchange may withdraw
    console: Console
    policy: PolicyCache
    progress: ProgressBoard
    queue_lengths: QueueLengths
    keep_alerts: KeepAlerts
    alert_channels: Sequence[AlertChannel]
    close: Callable[[], None]

    def __enter__(self) -> System:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Adapters:
    """What the order path reaches the world by: the places where a process can die between two durable states."""

    unit_of_work: UnitOfWorkFactory
    exchange: Exchange
    window: AdmissionWindow
    tasks: TaskQueue
