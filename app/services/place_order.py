"""Place an order: one transaction decides and makes the attempt durable; it is sent; the answer is settled."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import structlog

from app.domain.events import EventType
from app.domain.gates.facts import EntryFacts
from app.domain.gates.repeated_execution import STRATEGY_EXECUTIONS_AT_MAXIMUM
from app.domain.gates.rule_book import Judgement, Outcome, judge_entry
from app.domain.money import ZERO
from app.domain.orders import Attempt, Order, OrderPurpose, OrderState
from app.domain.policy import Stage
from app.domain.signals import Signal, SignalEvent, SignalState
from app.flow import Happening
from app.ports import (
    Clock,
    Exchange,
    HintLatch,
    Lane,
    MarketData,
    NewDecision,
    RateBudget,
    TaskQueue,
    UnitOfWork,
    UnitOfWorkFactory,
    Wait,
)
from app.services import announcements
from app.services.admit_signals import TIME_TO_LIVE_OVER
from app.services.begin_attempt import entry_attempt
from app.services.correlation import speak_of
from app.services.gather_facts import MarketFacts, gather_facts
from app.services.hints import announce, announce_again, priority_of
from app.services.policy_cache import PolicyCache
from app.services.recorded_facts import as_json
from app.services.settle_attempt import SettleAttempt
from app.services.throttle_strategies import disable_strategy

log = structlog.get_logger(__name__)

# An entry's order id follows from its stored signal: deciding it twice can only ever name the same order. When it was
# stored is part of it: the same signal in a new database must not find the order of its former life at the exchange.
ORDER_NAMESPACE = uuid.UUID("5b1f4a52-7a0e-5f0c-9a35-3f1d8c1c2f10")
ALL_GATES_PASSED = "ALL_GATES_PASSED"


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """Use case of `orders.place`; safe under redelivery: only a DISPATCHED signal is decided, and only once."""

    unit_of_work: UnitOfWorkFactory
    exchange: Exchange
    budget: RateBudget
    market: MarketData
    policy: PolicyCache
    tasks: TaskQueue
    latch: HintLatch
    clock: Clock
    settle: SettleAttempt
    stage: Stage

    def __call__(self, signal_id: str) -> None:
        """Decide, and send what was approved; `DatabaseUnavailableError` means that nothing was sent."""
        attempt = self._decide(signal_id)
        if attempt is None:
            return
        # No transaction is open while the exchange thinks.
        reply = self.exchange.submit(attempt)
        self.settle(attempt.client_order_id, reply)

    def _decide(self, signal_id: str) -> Attempt | None:
        """Transaction 1: the attempt to send, durable; None when there is nothing to send."""
        policy = self.policy.current()
        self.exchange.now_ms()  # lets a clock that is due for measuring be measured while no lock is held
        finished = False
        attempt: Attempt | None = None
        wait: Wait | None = None
        with self.unit_of_work() as uow:
            stored = uow.signals.lock(signal_id)
            if stored is None or stored.state is not SignalState.DISPATCHED:
                return None
            signal = stored.signal
            speak_of(signal.correlation_id)
            # The time of the decision is that of its turn: what those before it wrote would lie in its future.
            uow.ledger.lock_account()
            now = self.clock.now()
            if signal.expires_at <= now:
                reason = "older than its time to live when a worker took it"
                uow.signals.advance(
                    [signal_id], SignalEvent.EXPIRED, now=now, reason_code=TIME_TO_LIVE_OVER, reason=reason
                )
                uow.emit(announcements.signal_decided(signal_id, SignalState.EXPIRED, TIME_TO_LIVE_OVER, reason, now))
                finished = True
            else:
                facts = gather_facts(
                    uow,
                    signal=signal,
                    market=MarketFacts.of(signal.symbol, self.market),
                    policy=policy,
                    stage=self.stage,
                    now=now,
                )
                judgement = judge_entry(facts)
                if judgement.outcome is Outcome.APPROVED:
                    # Budget first, timestamp after: waiting never ages a signature.
                    wait = self.budget.acquire(weight=0, orders=1, lane=Lane.ENTRY)
                    if wait is None:
                        attempt = self._begin(uow, signal, facts, judgement)
                else:
                    self._close(uow, signal, facts, judgement)
                    finished = True
            if wait is None:
                uow.commit()
        if wait is not None:
            # Nothing was written. A broker that hangs must not hold the locks that a trip waits for.
            self._try_later(signal, wait)
        if finished:
            announce(self.tasks, Happening.SIGNAL_FINISHED, priority=0)
        return attempt

    def _try_later(self, signal: Signal, wait: Wait) -> None:
        log.info("entry_waits_for_budget", signal_id=signal.signal_id, seconds=wait.seconds, reason=wait.reason)
        announce_again(
            self.tasks,
            self.latch,
            Happening.SIGNAL_DISPATCHED,
            signal.signal_id,
            priority=priority_of(signal.confidence),
            seconds=wait.seconds,
        )

    def _begin(self, uow: UnitOfWork, signal: Signal, facts: EntryFacts, judgement: Judgement) -> Attempt:
        if facts.quantity is None or facts.limit_price is None or facts.quote is None or facts.policy is None:
            raise AssertionError("approved without a size, a price or a policy")
        order = Order(
            order_id=uuid.uuid5(ORDER_NAMESPACE, f"{signal.signal_id} {signal.received_at.isoformat()}"),
            signal_id=signal.signal_id,
            symbol=signal.symbol,
            side=signal.side,
            purpose=OrderPurpose.ENTRY,
            quantity=facts.quantity,
            reference_price=facts.quote.mark_price,
            limit_price=facts.limit_price,
            state=OrderState.SUBMITTED,
            reason_code=None,
            reason=None,
            executed_quantity=ZERO,
            booked_quantity=ZERO,
            attempts_made=1,
            next_attempt_at=None,
            policy_version=facts.policy.version,
            correlation_id=signal.correlation_id,
            created_at=facts.now,
            ended_at=None,
        )
        attempt = entry_attempt(
            order,
            number=1,
            quantity=facts.quantity,
            limit_price=facts.limit_price,
            signed_at_ms=self.exchange.now_ms(),
            now=facts.now,
        )
        uow.orders.add(order)
        uow.orders.add_attempt(attempt)
        uow.control.add_decision(decision_of(signal, facts, judgement, order=order))
        uow.signals.advance([signal.signal_id], SignalEvent.ORDERED, now=facts.now, policy_version=facts.policy.version)
        uow.emit(
            announcements.signal_decided(
                signal.signal_id, SignalState.ORDERED, ALL_GATES_PASSED, "every gate passed", facts.now
            ),
            announcements.order_changed(EventType.ORDER_PLACED, order, facts.now),
        )
        return attempt

    def _close(self, uow: UnitOfWork, signal: Signal, facts: EntryFacts, judgement: Judgement) -> None:
        denial = judgement.denial
        if denial is None:
            what, state, code = SignalEvent.OBSERVED, SignalState.OBSERVED, ALL_GATES_PASSED
            reason = "every gate passed; the stage sends nothing"
        else:
            what, state, code = SignalEvent.DENIED, SignalState.DENIED, denial.code or ""
            reason = f"{denial.gate}: {denial.reason}"
            if code == STRATEGY_EXECUTIONS_AT_MAXIMUM:
                disable_strategy(uow, signal, facts)
        version = None if facts.policy is None else facts.policy.version
        uow.control.add_decision(decision_of(signal, facts, judgement, order=None))
        uow.signals.advance(
            [signal.signal_id], what, now=facts.now, reason_code=code, reason=reason, policy_version=version
        )
        uow.emit(announcements.signal_decided(signal.signal_id, state, code, reason, facts.now))


def decision_of(signal: Signal, facts: EntryFacts, judgement: Judgement, *, order: Order | None) -> NewDecision:
    """The record of one run of the rule book, with all it saw."""
    return NewDecision(
        signal_id=signal.signal_id,
        order_id=None if order is None else order.order_id,
        attempt_number=facts.attempt_number,
        policy_version=None if facts.policy is None else facts.policy.version,
        outcome=judgement.outcome.value,
        code=None if judgement.denial is None else judgement.denial.code,
        verdicts=judgement.verdicts,
        inputs=_inputs(facts),
        decided_at=facts.now,
    )


def _inputs(facts: EntryFacts) -> dict[str, object]:
    recorded: dict[str, object] = as_json(facts)
    return recorded
