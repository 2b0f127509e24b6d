"""Protect a position: stop and target at the exchange, sized to what is held; or close what cannot be protected."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from app.domain.events import EventType
from app.domain.money import plain
from app.domain.protection.orders import ProtectionState, ProtectiveOrder, client_algo_id
from app.domain.protection.plan import UNPROTECTED, NewLeg, ProtectionFacts, Step, next_step
from app.ports import (
    Clock,
    ConditionalReport,
    Exchange,
    ExchangeError,
    Lane,
    MarketData,
    RateBudget,
    UnitOfWork,
    UnitOfWorkFactory,
)
from app.services import announcements
from app.services.begin_attempt import RECV_WINDOW_MS
from app.services.exit_position import ExitPosition
from app.services.policy_cache import PolicyCache
from app.services.protection_facts import Surroundings, exiting_symbols, is_left_to_the_flatten, protection_facts
from app.services.settle_protection import SettleProtection, show_levels

log = structlog.get_logger(__name__)

CANCEL_WEIGHT = 1
POSITIONS_WEIGHT = 5
ACTOR = "protection"


@dataclass(frozen=True, slots=True)
class _Decided:
    """What was made durable and is to be done now."""

    send: list[ProtectiveOrder]
    cancel: list[ProtectiveOrder]
    close_because: str | None


@dataclass(frozen=True, slots=True)
class ProtectPosition:
    """Use case of `protections.tend`; safe to run at any time, for any symbol, however often and side by side.

    No gate and no emergency stop is asked: what it sends can only close. The rows are durable before anything is sent,
    under the lock of the position's row, so that two workers never protect the same quantity twice.
    """

    unit_of_work: UnitOfWorkFactory
    exchange: Exchange
    budget: RateBudget
    market: MarketData
    policy: PolicyCache
    clock: Clock
    settle: SettleProtection
    exit_position: ExitPosition
    new_id: Callable[[], uuid.UUID]

    def __call__(self, symbol: str) -> bool:
        """Whether anything was sent."""
        surroundings = Surroundings.of(self.market, self.policy, now=self.clock.now())
        decided = self._decide(symbol, surroundings)
        if decided is None:
            return False
        for order in decided.send:
            self.settle(order.client_algo_id, self.exchange.submit_conditional(order))
        for order in decided.cancel:
            self.cancel(order)
        closed = decided.close_because is not None and self._close(symbol, decided.close_because)
        return bool(decided.send or decided.cancel or closed)

    def cancel(self, order: ProtectiveOrder) -> None:
        """Ask for a cancel that is durable already; what cannot be confirmed now is asked about by the sweep."""
        if self.budget.acquire(weight=CANCEL_WEIGHT, orders=0, lane=Lane.SAFETY) is not None:
            return
        try:
            canceled = self.exchange.cancel_conditional(order.client_algo_id)
        except ExchangeError as error:
            log.warning("protection_not_canceled", client_algo_id=order.client_algo_id, error=str(error))
            return
        if canceled:
            self.settle(order.client_algo_id, _canceled(order))
        # Unknown or over: how it ended is the exchange's to tell, and the sweep asks.

    def _decide(self, symbol: str, surroundings: Surroundings) -> _Decided | None:
        self.exchange.now_ms()  # lets a clock that is due for measuring be measured while no lock is held
        with self.unit_of_work() as uow:
            position = uow.ledger.lock_position(symbol)
            now = self.clock.now()
            if is_left_to_the_flatten(uow, now):
                return None
            facts = protection_facts(
                uow,
                position,
                surroundings,
                rules=uow.control.symbol(symbol),
                exiting=exiting_symbols(uow),
                now=now,
            )
            step = next_step(facts)
            if not step.changes(facts):
                return None
            send = self._begin(uow, symbol, step, now)
            for order in step.cancel:
                uow.protection.save(replace(order, cancel_requested_at=now))
            self._save_guard(uow, facts, step, now)
            show_levels(uow, position, now)
            uow.commit()
        return _Decided(send=send, cancel=list(step.cancel), close_because=step.close_because)

    def _begin(self, uow: UnitOfWork, symbol: str, step: Step, now: datetime) -> list[ProtectiveOrder]:
        """The rows of what is to be sent; what there is no budget for stays to be done."""
        begun = []
        for leg in step.place:
            # Budget first, timestamp after: waiting never ages a signature.
            wait = self.budget.acquire(weight=0, orders=1, lane=Lane.PROTECTION)
            if wait is not None:
                log.warning("protection_waits_for_budget", symbol=symbol, reason=wait.reason, seconds=wait.seconds)
                break
            order = self._order(symbol, leg, now)
            uow.protection.add(order)
            begun.append(order)
        return begun

    def _order(self, symbol: str, leg: NewLeg, now: datetime) -> ProtectiveOrder:
        order_id = self.new_id()
        return ProtectiveOrder(
            client_algo_id=client_algo_id(order_id),
            order_id=order_id,
            symbol=symbol,
            leg=leg.leg,
            side=leg.side,
            quantity=leg.quantity,
            trigger_price=leg.trigger_price,
            signed_at_ms=self.exchange.now_ms(),
            recv_window_ms=RECV_WINDOW_MS,
            state=ProtectionState.SENDING,
            begun_at=now,
        )

    def _save_guard(self, uow: UnitOfWork, facts: ProtectionFacts, step: Step, now: datetime) -> None:
        symbol, guard = facts.position.symbol, step.guard
        if guard is None:
            if facts.guard is not None:
                uow.protection.drop_guard(symbol)
            return
        if guard.closing_because is not None and guard.alarmed_at is None:
            self._tell(uow, facts, guard.closing_because, now)
            guard = replace(guard, alarmed_at=now)
        uow.protection.save_guard(replace(guard, updated_at=now))

    def _tell(self, uow: UnitOfWork, facts: ProtectionFacts, because: str, now: datetime) -> None:
        """Closing a position by our own decision is audited; one that could not be protected is an alarm too."""
        symbol = facts.position.symbol
        detail = {
            "symbol": symbol,
            "quantity": plain(facts.position.quantity),
            "mark_price": None if facts.mark_price is None else plain(facts.mark_price),
            "refusal": None if facts.guard is None else facts.guard.refusal,
        }
        uow.control.audit(at=now, actor=ACTOR, action="position_closed", reason=because, detail=detail)
        if because == UNPROTECTED:
            log.error("position_unprotected", **detail)
            alert = {"component": "protection", "status": "CRITICAL", "detail": f"{symbol}: {because}, being closed"}
            uow.emit(announcements.event(EventType.HEALTH_ALERT, now, alert))
        else:
            log.info("position_closing", because=because, **detail)

    def _close(self, symbol: str, because: str) -> bool:
        """A reduce-only market order for what the exchange says is held; nothing held there is nothing to close."""
        if self.budget.acquire(weight=POSITIONS_WEIGHT, orders=0, lane=Lane.SAFETY) is not None:
            return False
        held = next((each for each in self.exchange.positions() if each.symbol == symbol and each.quantity), None)
        return held is not None and self.exit_position(held, reason=because)


def _canceled(order: ProtectiveOrder) -> ConditionalReport:
    """What a confirmed cancel means; the confirmation itself carries no more than the ids."""
    return ConditionalReport(
        client_algo_id=order.client_algo_id,
        symbol=order.symbol,
        status="CANCELED",
        quantity=order.quantity,
        trigger_price=order.trigger_price,
    )
