"""A trading desk on fakes: every use case of the order path, a healthy market, a clock that stands still."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from app.domain.policy import RiskMode, Stage, default_policy
from app.domain.regimes import MarketRegime
from app.domain.signals import Signal
from app.ports import TaskQueue
from app.services.acknowledge_trip import AcknowledgeTrip
from app.services.admit_signals import AdmitSignals
from app.services.book_fills import BookFills
from app.services.chase_remainder import ChaseRemainder
from app.services.collect_fills import CollectFills
from app.services.dispatch_signals import DispatchSignals
from app.services.drain_spool import DrainSpool
from app.services.exit_position import ExitPosition
from app.services.hear_order_update import HearOrderUpdate
from app.services.hear_protection_update import HearProtectionUpdate
from app.services.place_order import PlaceOrder
from app.services.policy_cache import PolicyCache
from app.services.protect_position import ProtectPosition
from app.services.reconcile import Reconcile
from app.services.reconcile_protections import ReconcileProtections
from app.services.refresh_regimes import RefreshRegimes
from app.services.reset_ess import ResetEss
from app.services.resolve_attempt import ResolveAttempt
from app.services.resolve_protection import ResolveProtection
from app.services.settle_attempt import SettleAttempt
from app.services.settle_protection import SettleProtection
from app.services.sweep_orders import SweepOrders
from app.services.sweep_protections import SweepProtections
from app.services.sweep_signals import SweepSignals
from app.services.trip_ess import TripEss
from app.services.watch_account import WatchAccount
from tests.fakes.celery import FakeTaskQueue
from tests.fakes.clock import FakeClock
from tests.fakes.disk import FakeBuffer
from tests.fakes.exchange import FakeExchange
from tests.fakes.postgres import FakeDatabase, FakeUnitOfWorkFactory
from tests.fakes.redis import FakeAdmissionWindow, FakeEvents, FakeHintLatch, FakeMarketData, FakeRateBudget
from tests.unit.domain.builders import make_account, make_funding, make_quote, make_regime, make_rules, make_signal


class Desk:
    """The whole path from a signal to its end, run by hand."""

    def __init__(
        self,
        *,
        stage: Stage = Stage.PAPER,
        capacity: int = 100,
        in_flight_max: int = 10,
        tasks: TaskQueue | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.database = FakeDatabase(now=self.clock.now())
        self.events = FakeEvents()
        self.unit_of_work = FakeUnitOfWorkFactory(self.database, self.events)
        self.window = FakeAdmissionWindow(capacity=capacity)
        self.tasks = tasks or FakeTaskQueue()
        self.latch = FakeHintLatch(self.clock.now)
        self.budget = FakeRateBudget(self.clock.now)
        self.market = FakeMarketData()
        self.exchange = FakeExchange(self.clock.now)
        self.policy = PolicyCache(self.unit_of_work, self.clock)
        common = {"unit_of_work": self.unit_of_work, "clock": self.clock}
        hinting = {**common, "tasks": self.tasks}
        asking = {**hinting, "exchange": self.exchange, "budget": self.budget}
        self.settle = SettleAttempt(**hinting, jitter=lambda: Decimal(0))
        self.spool: FakeBuffer[Signal] = FakeBuffer()
        self.admit = AdmitSignals(**hinting, window=self.window, latch=self.latch, spool=self.spool)
        self.drain = DrainSpool(spool=self.spool, admit=self.admit)
        self.dispatch = DispatchSignals(
            **hinting, window=self.window, latch=self.latch, per_cycle_max=10, in_flight_max=in_flight_max
        )
        self.place = PlaceOrder(
            **asking, latch=self.latch, market=self.market, policy=self.policy, settle=self.settle, stage=stage
        )
        self.chase = ChaseRemainder(
            **asking, latch=self.latch, market=self.market, policy=self.policy, settle=self.settle, stage=stage
        )
        self.resolve = ResolveAttempt(**asking, settle=self.settle)
        self.trip = TripEss(**hinting)
        self.book = BookFills(**hinting, latch=self.latch, trip=self.trip)
        self.collect = CollectFills(**asking, latch=self.latch, book=self.book)
        self.hear = HearOrderUpdate(unit_of_work=self.unit_of_work, book=self.book, settle=self.settle)
        self.sweep_signals = SweepSignals(**hinting, window=self.window)
        self.sweep_orders = SweepOrders(**hinting)
        self.reset = ResetEss(**common)
        self.reconcile = Reconcile(**common, exchange=self.exchange, budget=self.budget, book=self.book, trip=self.trip)
        numbers = itertools.count(1)
        self.exit = ExitPosition(
            **common,
            exchange=self.exchange,
            budget=self.budget,
            settle=self.settle,
            new_id=lambda: uuid.UUID(int=next(numbers)),
        )
        self.settle_protection = SettleProtection(**hinting)
        self.protect = ProtectPosition(
            **common,
            exchange=self.exchange,
            budget=self.budget,
            market=self.market,
            policy=self.policy,
            settle=self.settle_protection,
            exit_position=self.exit,
            new_id=lambda: uuid.UUID(int=next(numbers)),
        )
        self.resolve_protection = ResolveProtection(**asking, settle=self.settle_protection, protect=self.protect)
        self.sweep_protections = SweepProtections(
            **common, market=self.market, policy=self.policy, protect=self.protect, resolve=self.resolve_protection
        )
        self.reconcile_protections = ReconcileProtections(
            **common,
            exchange=self.exchange,
            budget=self.budget,
            settle=self.settle_protection,
            resolve=self.resolve_protection,
        )
        self.hear_protection = HearProtectionUpdate(self.settle_protection)
        self.refresh_regimes = RefreshRegimes(**common, exchange=self.exchange, budget=self.budget)
        self.watch = WatchAccount(**common, market=self.market, policy=self.policy, trip=self.trip)
        self.acknowledge = AcknowledgeTrip(
            **common,
            exchange=self.exchange,
            budget=self.budget,
            exit_position=self.exit,
            resolve=self.resolve,
            watch=self.watch,
        )
        self._open_for_business()

    def _open_for_business(self) -> None:
        with self.unit_of_work() as uow:
            uow.control.add_policy(
                default_policy(RiskMode.NORMAL), author="owner", reason="start", now=self.clock.now()
            )
            uow.control.save_symbols([make_rules(), make_rules(symbol="ETHUSDT")], now=self.clock.now())
            uow.protection.save_regimes(self._regimes())
            uow.commit()
        self.refresh_market()

    def _regimes(self) -> list[MarketRegime]:
        now = self.clock.now()
        return [make_regime(symbol=symbol, observed_at=now) for symbol in ("BTCUSDT", "ETHUSDT")]

    def refresh_market(self, **quote_changes: Decimal) -> None:
        """A market and an account as of now."""
        now = self.clock.now()
        self.market.put(
            [make_quote(symbol=symbol, observed_at=now, **quote_changes) for symbol in ("BTCUSDT", "ETHUSDT")],
            [make_funding(symbol=symbol, observed_at=now) for symbol in ("BTCUSDT", "ETHUSDT")],
        )
        with self.unit_of_work() as uow:
            account = make_account(observed_at=now)
            uow.ledger.save_account(account)
            uow.protection.save_regimes(self._regimes())
            uow.ledger.record_equity(
                at=now, equity=account.equity, wallet=account.wallet_balance, unrealised=account.unrealised_pnl
            )
            uow.commit()

    def books_agree(self) -> None:
        """A reconciliation of now that found nothing."""
        with self.unit_of_work() as uow:
            uow.control.add_reconciliation([], now=self.clock.now())
            uow.commit()

    def later(self, seconds: float) -> None:
        """Let time pass; the market keeps talking."""
        self.clock.advance(seconds)
        self.refresh_market()

    def signal(self, signal_id: str = "signal-1", **changes: object) -> Signal:
        """A fresh signal of now."""
        now = self.clock.now()
        fresh = {"generated_at": now, "received_at": now, "expires_at": now + timedelta(seconds=30)}
        return make_signal(signal_id=signal_id, **{**fresh, **changes})

    def dispatched(self, *signals: Signal) -> None:
        """Take signals in and hand them to workers."""
        self.admit(signals)
        self.dispatch()

    def placed(self, signal: Signal | None = None) -> str:
        """Take one signal all the way to its order; its id."""
        chosen = signal or self.signal()
        self.dispatched(chosen)
        self.place(chosen.signal_id)
        return chosen.signal_id

    def state_of(self, signal_id: str) -> str:
        with self.unit_of_work() as uow:
            stored = uow.signals.get(signal_id)
        assert stored is not None
        return stored.state.value

    def stored(self, signal_id: str):
        with self.unit_of_work() as uow:
            return uow.signals.get(signal_id)

    def order_of(self, signal_id: str):
        with self.unit_of_work() as uow:
            return uow.orders.by_signal(signal_id)

    def attempts_of(self, signal_id: str):
        with self.unit_of_work() as uow:
            order = uow.orders.by_signal(signal_id)
            return [] if order is None else list(uow.orders.attempts(order.order_id))

    def fills_of(self, signal_id: str):
        with self.unit_of_work() as uow:
            order = uow.orders.by_signal(signal_id)
            return [] if order is None else list(uow.ledger.fills_of(order.order_id))

    def position(self, symbol: str):
        with self.unit_of_work() as uow:
            return next((each for each in uow.ledger.positions() if each.symbol == symbol), None)

    def stop(self):
        with self.unit_of_work() as uow:
            return uow.control.ess()

    def change_policy(self, **changes: object) -> None:
        """A new policy version, known at once."""
        with self.unit_of_work() as uow:
            current = uow.control.current_policy(now=self.clock.now())
            assert current is not None
            uow.control.add_policy(
                replace(current.policy, **changes), author="owner", reason="test", now=self.clock.now()
            )
            uow.commit()
        self.policy.invalidate()

    def chase_until_settled(self, signal_id: str) -> None:
        """Run every chase when it is due."""
        for _ in range(10):
            order = self.order_of(signal_id)
            if order.next_attempt_at is None:
                return
            self.later((order.next_attempt_at - self.clock.now()).total_seconds())
            self.chase(order.order_id)
