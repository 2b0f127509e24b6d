"""Settings in, a System of ready use cases out."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import structlog
from celery import Celery

from app.adapters.celery.queue_lengths import RabbitQueueLengths, RedisQueueLengths
from app.adapters.celery.task_queue import CeleryTaskQueue, producer
from app.adapters.disk.buffer import Bounds, DiskBuffer
from app.adapters.disk.buffered_publisher import BufferedEventPublisher
from app.adapters.disk.codecs import AlertCodec, EventCodec, SignalCodec
from app.adapters.disk.token_file import TokenFile
from app.adapters.health_api import HealthApi
from app.adapters.metrics.counting_publisher import CountingPublisher
from app.adapters.passwords import Argon2Passwords
from app.adapters.postgres.engine import create_engine
from app.adapters.postgres.model_registry import PostgresModelRegistry
from app.adapters.postgres.orders_begun import OrdersBegun
from app.adapters.postgres.outage_gate import GuardedUnitOfWorkFactory, OutageGate
from app.adapters.postgres.read_models import PostgresReadModels
from app.adapters.postgres.unit_of_work import PostgresUnitOfWorkFactory
from app.adapters.redis.admission_window import RedisAdmissionWindow
from app.adapters.redis.client import connect
from app.adapters.redis.event_group import RedisEventGroup
from app.adapters.redis.event_stream import (
    RedisEventMending,
    RedisEventPublisher,
    RedisEventSource,
    connect_publisher,
)
from app.adapters.redis.hint_latch import RedisHintLatch
from app.adapters.redis.market_data import RedisMarketData
from app.adapters.redis.progress import RedisProgressBoard
from app.adapters.redis.rate_budget import RedisRateBudget
from app.adapters.system_clock import SystemClock, random_id, random_share, random_text
from app.adapters.until_done import UntilDone
from app.bootstrap.alerting import open_channels
from app.bootstrap.exchange import open_exchange, refuse_unsafe_key
from app.bootstrap.system import Adapters, System
from app.bootstrap.told_state import local_host, told_budget, told_processes
from app.ports import (
    BufferUnavailableError,
    DurableBuffer,
    UnitOfWorkFactory,
)
from app.services.acknowledge_trip import AcknowledgeTrip
from app.services.admit_signals import AdmitSignals
from app.services.admit_together import AdmitTogether
from app.services.authenticate import Authenticator
from app.services.book_fills import BookFills
from app.services.change_policy import ChangePolicy
from app.services.chase_remainder import ChaseRemainder
from app.services.collect_fills import CollectFills
from app.services.console import Console
from app.services.count_outcomes import CONSUMER, CountOutcomes
from app.services.dispatch_signals import DispatchSignals
from app.services.drain_spool import DrainSpool
from app.services.exit_position import ExitPosition
from app.services.hear_order_update import HearOrderUpdate
from app.services.hear_protection_update import HearProtectionUpdate
from app.services.issue_token import IssueToken, ManageTokens
from app.services.keep_alerts import KeepAlerts
from app.services.know_symbols import KnowSymbols
from app.services.log_in import LogIn
from app.services.manage_users import ManageUsers
from app.services.mend_events import MendEvents
from app.services.place_order import PlaceOrder
from app.services.policy_cache import PolicyCache
from app.services.protect_position import ProtectPosition
from app.services.read_risk import ReadRisk
from app.services.reconcile import Reconcile
from app.services.reconcile_protections import ReconcileProtections
from app.services.refresh_account import RefreshAccount
from app.services.refresh_regimes import RefreshRegimes
from app.services.refresh_symbols import RefreshSymbols
from app.services.replay_events import ReplayEvents
from app.services.reset_ess import ResetEss
from app.services.resolve_attempt import ResolveAttempt
from app.services.resolve_protection import ResolveProtection
from app.services.sessions import Sessions
from app.services.set_up import SetUp
from app.services.settle_attempt import SettleAttempt
from app.services.settle_protection import SettleProtection
from app.services.sweep_orders import SweepOrders
from app.services.sweep_protections import SweepProtections
from app.services.sweep_signals import SweepSignals
from app.services.switch_ess import SwitchEss
from app.services.tell_ensemble import TellEnsemble
from app.services.tell_system import TellSystem
from app.services.throttle_strategies import ThrottleStrategies
from app.services.trip_ess import TripEss
from app.services.try_policy import TryPolicy
from app.services.watch_account import WatchAccount
from app.services.what_if import WhatIf
from app.settings import Settings, SettingsError

log = structlog.get_logger(__name__)

DATABASE_POOL_SIZE = 10
# What each process of a machine may spend of the exchange's limits while Redis is away; together no more than all.
BUDGET_SHARES = {
    "worker-critical": Fraction(1, 4),
    "worker-orders": Fraction(1, 2),
    "worker-default": Fraction(1, 8),
    "listener": Fraction(1, 16),
}
BUDGET_SHARE_OF_OTHERS = Fraction(1, 64)  # web, health, the AI engine's worker, a command: four at most
# The same of the weight, which entries do not cost: cancels, questions, housekeeping.
SAFETY_SHARES = {
    "worker-critical": Fraction(1, 2),
    "worker-orders": Fraction(1, 8),
    "worker-default": Fraction(1, 4),  # without account and books being looked at no stop is armed again
    "listener": Fraction(1, 16),
}
# The same of the orders that only exits and protective orders may take. One process makes them, so it has nearly all.
EXIT_SHARES = {"worker-critical": Fraction(57, 64)}
# Events tell of what Postgres knows: the newest are kept. Signals were promised: what does not fit is refused.
EVENT_BUFFER_BOUNDS = Bounds(records_max=10_000, bytes_max=256 << 20)
ALERT_JOURNAL_BOUNDS = Bounds(bytes_max=16 << 20)
SIGNAL_SPOOL_BOUNDS = Bounds(bytes_max=256 << 20)
TOKEN_FILE = "known-tokens.json"  # hashes of tokens that Postgres accepted lately, for when it is away
RATE_GATE_FILE = "rate_gate.json"  # what the exchange has forbidden this machine, until when


def open_system(
    settings: Settings,
    *,
    celery: Celery | None = None,
    adapt: Callable[[Adapters], Adapters] = lambda adapters: adapters,
) -> System:
    """Join the adapters that `settings` name. `SettingsError` names the variable that is missing.

    `adapt` may put something between the use cases and their adapters, as the recovery tests do.
    """
    if settings.database_url is None:
        raise SettingsError("QT_DATABASE_URL: not set (./qt up sets it for its processes)")
    if settings.redis_url is None:
        raise SettingsError("QT_REDIS_URL: not set (./qt up sets it for its processes)")
    clock = SystemClock()
    process = os.environ.get("QT_PROCESS_NAME", "process")
    engine = create_engine(
        settings.database_url.get_secret_value(),
        application_name=f"quantum-trader {process}@{socket.gethostname()}",
        pool_size=DATABASE_POOL_SIZE,
    )
    link = connect(settings.redis_url.get_secret_value())
    # Readers block for seconds, writers must not wait for milliseconds: a connection of its own for each.
    # (Blocking reads bring their own time-out; this one is for the others.)
    reading_link = connect(settings.redis_url.get_secret_value(), name="redis-reader", answer_seconds_max=1.0)
    publishing_link = connect_publisher(settings.redis_url.get_secret_value())
    buffers = settings.state_dir / "buffer"
    event_buffer = DiskBuffer(buffers / "events", EventCodec(), EVENT_BUFFER_BOUNDS)
    signal_spool = DiskBuffer(buffers / "signals", SignalCodec(), SIGNAL_SPOOL_BOUNDS)
    alert_journal = DiskBuffer(buffers / "alerts", AlertCodec(), ALERT_JOURNAL_BOUNDS)
    publisher = BufferedEventPublisher(
        RedisEventPublisher(publishing_link, on_unpublished=lambda events, error: publisher.keep(events, error)),
        event_buffer,
        on_kept=lambda: replaying.wake(),
    )
    process_share, safety_share, exit_share = (
        shares.get(process, BUDGET_SHARE_OF_OTHERS) / settings.rate_budget_machines
        for shares in (BUDGET_SHARES, SAFETY_SHARES, EXIT_SHARES)
    )
    budget = RedisRateBudget(
        link,
        process_share=process_share,
        safety_share=safety_share,
        exit_share=exit_share,
        orders_begun=OrdersBegun(engine, clock),
        ban_file=settings.state_dir / RATE_GATE_FILE,
    )
    rest = open_exchange(settings, budget)
    adapters = adapt(
        Adapters(
            unit_of_work=PostgresUnitOfWorkFactory(engine, CountingPublisher(publisher)),
            exchange=rest,
            window=RedisAdmissionWindow(link, capacity=settings.signal_queue_max),
            tasks=CeleryTaskQueue(celery or producer()),
        )
    )
    unit_of_work, exchange = adapters.unit_of_work, adapters.exchange
    window, tasks = adapters.window, adapters.tasks
    event_group = RedisEventGroup(link, group=CONSUMER, member=f"{process}@{socket.gethostname()}")
    mend_events = MendEvents(unit_of_work, RedisEventMending(link))
    replay_events = ReplayEvents(event_buffer, RedisEventPublisher(link), mend_events, clock)
    replaying = UntilDone(replay_events, name="replay-events")
    latch = RedisHintLatch(link)
    market = RedisMarketData(link)
    policy = PolicyCache(unit_of_work, clock)
    settle = SettleAttempt(unit_of_work=unit_of_work, tasks=tasks, clock=clock, jitter=random_share)
    trip = TripEss(unit_of_work=unit_of_work, tasks=tasks, clock=clock)
    book = BookFills(unit_of_work=unit_of_work, tasks=tasks, latch=latch, clock=clock, trip=trip)

    events = RedisEventSource(reading_link)
    # The door answers throughout an outage of Postgres: what it needs is refused at once, remembered, or spooled.
    gate = OutageGate(partial(_ask_database, unit_of_work))
    at_the_door = GuardedUnitOfWorkFactory(unit_of_work, gate)
    authenticate = Authenticator(at_the_door, clock, TokenFile(settings.state_dir / TOKEN_FILE))
    sessions = Sessions(at_the_door, clock)
    read_models = PostgresReadModels(engine)
    progress = RedisProgressBoard(link)
    rabbit_lengths = None
    if settings.broker_url is not None:
        rabbit_lengths = RabbitQueueLengths(settings.broker_url.get_secret_value())
    queue_lengths = rabbit_lengths or RedisQueueLengths(link)
    passwords = Argon2Passwords()
    admit = AdmitSignals(
        unit_of_work=at_the_door,
        window=window,
        tasks=tasks,
        latch=latch,
        clock=clock,
        spool=signal_spool,
        on_spooled=lambda: draining.wake(),
    )
    admit_together = AdmitTogether(admit)
    drain_spool = DrainSpool(signal_spool, admit)
    draining = UntilDone(drain_spool, name="drain-spool")
    reset = ResetEss(unit_of_work=unit_of_work, clock=clock)
    watch = WatchAccount(unit_of_work=unit_of_work, market=market, policy=policy, clock=clock, trip=trip)
    resolve = ResolveAttempt(
        unit_of_work=unit_of_work, exchange=exchange, budget=budget, tasks=tasks, clock=clock, settle=settle
    )

    exit_position = ExitPosition(
        unit_of_work=unit_of_work, exchange=exchange, budget=budget, clock=clock, settle=settle, new_id=random_id
    )
    settle_protection = SettleProtection(unit_of_work=unit_of_work, tasks=tasks, clock=clock)
    protect = ProtectPosition(
        unit_of_work=unit_of_work,
        exchange=exchange,
        budget=budget,
        market=market,
        policy=policy,
        clock=clock,
        settle=settle_protection,
        exit_position=exit_position,
        new_id=random_id,
    )
    resolve_protection = ResolveProtection(
        unit_of_work=unit_of_work,
        exchange=exchange,
        budget=budget,
        tasks=tasks,
        clock=clock,
        settle=settle_protection,
        protect=protect,
    )
    what_if = WhatIf(unit_of_work=unit_of_work, clock=clock)

    def carry_on() -> None:
        for thread, buffer in ((replaying, event_buffer), (draining, signal_spool)):
            if _has_backlog(buffer):
                thread.wake()

    health = HealthApi(settings.health_url or f"http://{local_host(settings)}:{settings.health_port}")

    def close() -> None:
        health.close()
        gate.close()
        draining.stop()
        replaying.stop()
        signal_spool.close()
        event_buffer.close()
        alert_journal.close()
        rest.close()
        budget.stop_telling()
        engine.dispose()
        link.close()
        reading_link.close()
        publishing_link.close()
        if rabbit_lengths is not None:
            rabbit_lengths.close()

    return System(
        settings=settings,
        clock=clock,
        unit_of_work=unit_of_work,
        exchange=rest,
        budget=budget,
        latch=latch,
        market=market,
        market_sink=market,
        window=window,
        events=events,
        authenticate=authenticate,
        issue_token=IssueToken(unit_of_work=unit_of_work, clock=clock, random_text=random_text),
        tokens=ManageTokens(unit_of_work, clock),
        users=ManageUsers(unit_of_work=unit_of_work, clock=clock, passwords=passwords, random_text=random_text),
        admit_signals=admit_together,
        signal_spool=signal_spool,
        drain_spool=drain_spool,
        event_buffer=event_buffer,
        replay_events=replay_events,
        mend_events=mend_events,
        event_group=event_group,
        count_outcomes=CountOutcomes(unit_of_work, event_group, clock),
        carry_on=carry_on,
        dispatch_signals=DispatchSignals(
            unit_of_work=unit_of_work,
            window=window,
            tasks=tasks,
            latch=latch,
            clock=clock,
            per_cycle_max=settings.max_signals_per_cycle,
            in_flight_max=settings.max_signals_in_flight,
        ),
        sweep_signals=SweepSignals(unit_of_work=unit_of_work, window=window, tasks=tasks, clock=clock),
        place_order=PlaceOrder(
            unit_of_work=unit_of_work,
            exchange=exchange,
            budget=budget,
            market=market,
            policy=policy,
            tasks=tasks,
            latch=latch,
            clock=clock,
            settle=settle,
            stage=settings.stage,
        ),
        chase_remainder=ChaseRemainder(
            unit_of_work=unit_of_work,
            exchange=exchange,
            budget=budget,
            market=market,
            policy=policy,
            tasks=tasks,
            latch=latch,
            clock=clock,
            settle=settle,
            stage=settings.stage,
        ),
        settle_attempt=settle,
        resolve_attempt=resolve,
        book_fills=book,
        collect_fills=CollectFills(
            unit_of_work=unit_of_work,
            exchange=exchange,
            budget=budget,
            tasks=tasks,
            latch=latch,
            clock=clock,
            book=book,
        ),
        hear_order_update=HearOrderUpdate(unit_of_work=unit_of_work, book=book, settle=settle),
        sweep_orders=SweepOrders(unit_of_work=unit_of_work, tasks=tasks, clock=clock),
        protect_position=protect,
        resolve_protection=resolve_protection,
        sweep_protections=SweepProtections(
            unit_of_work=unit_of_work,
            market=market,
            policy=policy,
            clock=clock,
            protect=protect,
            resolve=resolve_protection,
        ),
        reconcile_protections=ReconcileProtections(
            unit_of_work=unit_of_work,
            exchange=exchange,
            budget=budget,
            clock=clock,
            settle=settle_protection,
            resolve=resolve_protection,
        ),
        hear_protection_update=HearProtectionUpdate(settle_protection),
        refresh_regimes=RefreshRegimes(unit_of_work=unit_of_work, exchange=exchange, budget=budget, clock=clock),
        refresh_account=RefreshAccount(unit_of_work=unit_of_work, exchange=exchange, budget=budget, clock=clock),
        reconcile=Reconcile(
            unit_of_work=unit_of_work, exchange=exchange, budget=budget, clock=clock, book=book, trip=trip
        ),
        refresh_symbols=RefreshSymbols(unit_of_work=unit_of_work, exchange=exchange, budget=budget, clock=clock),
        trip_ess=trip,
        reset_ess=reset,
        watch_account=watch,
        acknowledge_trip=AcknowledgeTrip(
            unit_of_work=unit_of_work,
            exchange=exchange,
            budget=budget,
            clock=clock,
            resolve=resolve,
            watch=watch,
            exit_position=exit_position,
        ),
        what_if=what_if,
        set_up=SetUp(unit_of_work=unit_of_work, clock=clock, stage=settings.stage),
        refuse_unsafe_key=partial(refuse_unsafe_key, settings, rest),
        console=Console(
            events=events,
            clock=clock,
            market=market,
            read_models=read_models,
            model_registry=PostgresModelRegistry(engine),
            authenticator=authenticate,
            sessions=sessions,
            login=LogIn(
                unit_of_work=at_the_door,
                clock=clock,
                passwords=passwords,
                random_text=random_text,
                forget_session=sessions.forget,
            ),
            symbols=KnowSymbols(at_the_door, clock),
            admit=admit_together,
            trip=trip,
            reset=reset,
            switch=SwitchEss(unit_of_work=unit_of_work, clock=clock),
            risk=ReadRisk(unit_of_work=unit_of_work, market=market, policy=policy, clock=clock, watch=watch),
            strategies=ThrottleStrategies(unit_of_work, clock),
            policy_changes=ChangePolicy(unit_of_work=unit_of_work, clock=clock, cache=policy),
            try_policy=TryPolicy(what_if, clock),
            ensemble_state=TellEnsemble(read_models, clock),
            system_state=TellSystem(
                clock=clock,
                read_models=read_models,
                window=window,
                queue_lengths=queue_lengths,
                progress=progress,
                event_buffer=event_buffer,
                signal_spool=signal_spool,
                health=health,
                processes=partial(told_processes, settings.state_dir),
                budget=partial(told_budget, budget),
                stage=settings.stage.value,
            ),
            stage=settings.stage.value,
        ),
        policy=policy,
        progress=progress,
        queue_lengths=queue_lengths,
        keep_alerts=KeepAlerts(unit_of_work, alert_journal, publisher),
        alert_channels=open_channels(settings),
        close=close,
    )


def _ask_database(unit_of_work: UnitOfWorkFactory) -> None:
    with unit_of_work() as uow:
        uow.control.ess()


def _has_backlog(buffer: DurableBuffer[Any]) -> bool:
    try:
        return buffer.has_backlog()
    except BufferUnavailableError:
        log.exception("buffer_unreadable")
        return False
