"""Chase what a partial fill left over: the same order, a new attempt, every gate again."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace

import structlog

from app.domain.events import EventType
from app.domain.gates.facts import EntryFacts
from app.domain.gates.rule_book import Judgement, Outcome, judge_entry
from app.domain.money import ZERO
from app.domain.orders import FILLED_ENOUGH_SHARE, Attempt, Order, OrderEvent, OrderState, next_order_state
from app.domain.policy import Stage
from app.flow import Happening
from app.ports import (
    Clock,
    Exchange,
    HintLatch,
    Lane,
    MarketData,
    RateBudget,
    TaskQueue,
    UnitOfWork,
    UnitOfWorkFactory,
    Wait,
)
from app.services import announcements
from app.services.begin_attempt import entry_attempt
from app.services.correlation import speak_of
from app.services.gather_facts import MarketFacts, gather_facts
from app.services.hints import announce, announce_again
from app.services.place_order import decision_of
from app.services.policy_cache import PolicyCache
from app.services.settle_attempt import SettleAttempt, finish_signal

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ChaseRemainder:
    """Use case of `orders.chase`; only a CHASING order whose time has come gets another attempt."""

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

    def __call__(self, order_id: uuid.UUID) -> None:
        """Judge the remainder and send it, or end the chase with the reason."""
        attempt = self._decide(order_id)
        if attempt is not None:
            self.settle(attempt.client_order_id, self.exchange.submit(attempt))

    def _decide(self, order_id: uuid.UUID) -> Attempt | None:
        policy = self.policy.current()
        self.exchange.now_ms()  # lets a clock that is due for measuring be measured while no lock is held
        attempt: Attempt | None = None
        wait: Wait | None = None
        with self.unit_of_work() as uow:
            uow.ledger.lock_account()  # before the order: the locks of a decision, in the order of `gather_facts`
            uow.control.lock_ess_shared()
            order = uow.orders.lock(order_id)
            speak_of(None if order is None else order.correlation_id)
            now = self.clock.now()
            if order is None or order.state is not OrderState.CHASING or order.signal_id is None:
                return None
            if order.next_attempt_at is not None and order.next_attempt_at > now:
                return None
            stored = uow.signals.get(order.signal_id)
            if stored is None:
                raise LookupError(f"order {order_id} has lost its signal")
            if order.executed_quantity >= order.quantity * FILLED_ENOUGH_SHARE:
                # A late fill closed the gap while the remainder waited.
                self._end(uow, order, OrderEvent.FILLED_ENOUGH, order.reason_code, order.reason)
                uow.commit()
                return None
            facts = gather_facts(
                uow,
                signal=stored.signal,
                market=MarketFacts.of(order.symbol, self.market),
                policy=policy,
                stage=self.stage,
                now=now,
                order=order,
            )
            judgement = judge_entry(facts)
            if judgement.outcome is Outcome.APPROVED:
                wait = self.budget.acquire(weight=0, orders=1, lane=Lane.ENTRY)
                if wait is None:
                    attempt = self._begin(uow, order, facts, judgement)
            else:
                uow.control.add_decision(decision_of(stored.signal, facts, judgement, order=order))
                self._give_up(uow, order, judgement)
            if wait is None:
                uow.commit()
        if wait is not None:
            # Nothing was written. A broker that hangs must not hold the locks that a trip waits for.
            announce_again(self.tasks, self.latch, Happening.REMAINDER_LEFT, order_id, priority=2, seconds=wait.seconds)
        elif attempt is None:
            announce(self.tasks, Happening.SIGNAL_FINISHED, priority=0)
        return attempt

    def _begin(self, uow: UnitOfWork, order: Order, facts: EntryFacts, judgement: Judgement) -> Attempt:
        if facts.quantity is None or facts.limit_price is None:
            raise AssertionError("approved without a size or a price")
        number = order.attempts_made + 1
        attempt = entry_attempt(
            order,
            number=number,
            quantity=facts.quantity,
            limit_price=facts.limit_price,
            signed_at_ms=self.exchange.now_ms(),
            now=facts.now,
        )
        again = replace(
            order,
            state=next_order_state(order.state, OrderEvent.ATTEMPT_BEGUN),
            attempts_made=number,
            next_attempt_at=None,
        )
        uow.orders.save(again)
        uow.orders.add_attempt(attempt)
        uow.control.add_decision(decision_of(facts.signal, facts, judgement, order=order))
        uow.emit(announcements.order_changed(EventType.ORDER_UPDATED, again, facts.now))
        return attempt

    def _give_up(self, uow: UnitOfWork, order: Order, judgement: Judgement) -> None:
        denial = judgement.denial
        code = "STAGE_SENDS_NOTHING" if denial is None else denial.code
        reason = "the stage sends nothing" if denial is None else f"{denial.gate}: {denial.reason}"
        what = OrderEvent.CHASE_ENDED if order.executed_quantity > ZERO else OrderEvent.NOTHING_FILLED
        self._end(uow, order, what, code, reason)
        log.info("chase_ended", order_id=str(order.order_id), correlation_id=order.correlation_id, code=code)

    def _end(self, uow: UnitOfWork, order: Order, what: OrderEvent, code: str | None, reason: str | None) -> None:
        now = self.clock.now()
        ended = replace(
            order,
            state=next_order_state(order.state, what),
            reason_code=code,
            reason=reason,
            next_attempt_at=None,
            ended_at=now,
        )
        uow.orders.save(ended)
        finish_signal(uow, ended, now)
        uow.emit(announcements.order_changed(EventType.ORDER_UPDATED, ended, now))
