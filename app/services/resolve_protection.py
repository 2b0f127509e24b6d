"""Resolve a protective order: ask the exchange by our id what became of it, and take away what was to go."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from app.domain.protection.orders import ProtectionState, ProtectiveOrder
from app.flow import Happening
from app.ports import Clock, ConditionalReport, Exchange, Lane, NotFound, RateBudget, TaskQueue, UnitOfWorkFactory
from app.services.hints import announce
from app.services.protect_position import ProtectPosition
from app.services.resolve_attempt import ACCEPTANCE_MARGIN_MS, NOT_FOUND_ANSWERS_NEEDED
from app.services.settle_protection import SettleProtection

log = structlog.get_logger(__name__)

QUERY_WEIGHT = 2  # the exchange's time, then the order
ASK_AGAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class ResolveProtection:
    """Use case of `protections.resolve`; safe at any time, any number of times, beside the worker that sends."""

    unit_of_work: UnitOfWorkFactory
    exchange: Exchange
    budget: RateBudget
    tasks: TaskQueue
    clock: Clock
    settle: SettleProtection
    protect: ProtectPosition

    def __call__(self, client_algo_id: str) -> None:
        """Ask once and act on the answer; a sweep asks again while it is open."""
        order = self._take_turn(client_algo_id)
        if order is None or self.budget.acquire(weight=QUERY_WEIGHT, orders=0, lane=Lane.SAFETY) is not None:
            return
        reply = self.exchange.query_conditional(client_algo_id)
        if isinstance(reply, ConditionalReport):
            settled = self.settle(client_algo_id, reply)
            if settled is not None and settled.state is ProtectionState.WORKING and settled.cancel_requested_at:
                self.protect.cancel(settled)  # the cancel never arrived
        elif isinstance(reply, NotFound):
            self._count_not_found(order, reply)
        else:
            log.info("protection_still_unknown", client_algo_id=client_algo_id, answer=str(reply))

    def _take_turn(self, client_algo_id: str) -> ProtectiveOrder | None:
        """The order to ask about; None when it has ended, or when somebody asked just now."""
        with self.unit_of_work() as uow:
            known = uow.protection.get(client_algo_id)
            if known is None or not known.state.is_live:
                return None
            uow.ledger.lock_position(known.symbol)
            now = self.clock.now()
            order = uow.protection.get(client_algo_id)
            if order is None or not order.state.is_live:
                return None
            if order.last_asked_at is not None and abs(now - order.last_asked_at) < timedelta(
                seconds=ASK_AGAIN_SECONDS
            ):
                return None
            mine = replace(order, last_asked_at=now)
            uow.protection.save(mine)
            uow.commit()
        return mine

    def _count_not_found(self, order: ProtectiveOrder, reply: NotFound) -> None:
        """Not there is a proof only twice, and only once the request can no longer be accepted."""
        if reply.exchange_time_ms <= order.signed_at_ms + order.recv_window_ms + ACCEPTANCE_MARGIN_MS:
            return
        with self.unit_of_work() as uow:
            uow.ledger.lock_position(order.symbol)
            current = uow.protection.get(order.client_algo_id)
            if current is None or not current.state.is_live or current.last_asked_at != order.last_asked_at:
                return  # it ended, or somebody else has asked since: theirs is the answer to count
            count = current.not_found_count + 1
            uow.protection.save(replace(current, not_found_count=count, last_asked_at=self.clock.now()))
            uow.commit()
        if count >= NOT_FOUND_ANSWERS_NEEDED:
            self.settle(order.client_algo_id, reply)
        else:
            announce(
                self.tasks,
                Happening.PROTECTION_UNKNOWN,
                order.client_algo_id,
                priority=0,
                countdown_seconds=ASK_AGAIN_SECONDS,
            )
