"""Reconcile protections: the exchange's open conditional orders against ours; orphans go, what is missing is asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import structlog

from app.domain.protection.orders import ProtectionState, is_ours
from app.ports import Clock, ConditionalReport, Exchange, ExchangeError, Lane, RateBudget, UnitOfWorkFactory
from app.services.resolve_protection import ResolveProtection
from app.services.settle_protection import SettleProtection

log = structlog.get_logger(__name__)

LOOK_WEIGHT = 40
CANCEL_WEIGHT = 1
ROWS_MAX = 1_000
ACTOR = "reconciliation"
YOUNG = timedelta(seconds=5)  # what was sent or told within this time may not be in the exchange's list yet


@dataclass(frozen=True, slots=True)
class ReconcileProtections:
    """Use case of `protections.reconcile`; raises `ExchangeError` when the list was not told.

    A conditional order whose id has not our form was placed by somebody else, and is left to them.
    """

    unit_of_work: UnitOfWorkFactory
    exchange: Exchange
    budget: RateBudget
    clock: Clock
    settle: SettleProtection
    resolve: ResolveProtection

    def __call__(self) -> int:
        """How many orphans were cancelled."""
        if self.budget.acquire(weight=LOOK_WEIGHT, orders=0, lane=Lane.ENTRY) is not None:
            return 0
        theirs = {each.client_algo_id: each for each in self.exchange.open_conditional_orders()}
        orphans = [each for each in theirs.values() if is_ours(each.client_algo_id) and self._is_orphan(each)]
        canceled = sum(self._cancel(each) for each in orphans)
        now = self.clock.now()
        with self.unit_of_work() as uow:
            live = uow.protection.live(limit=ROWS_MAX)
        for order in live:
            if order.state is ProtectionState.WORKING and order.client_algo_id not in theirs:
                if now - order.begun_at > YOUNG:
                    self._ask(order.client_algo_id)
            elif order.state is ProtectionState.UNKNOWN and order.client_algo_id in theirs:
                self.settle(order.client_algo_id, theirs[order.client_algo_id])
        return canceled

    def _is_orphan(self, report: ConditionalReport) -> bool:
        """Whether nothing of ours stands behind it: no row, or one that we have given up."""
        with self.unit_of_work() as uow:
            known = uow.protection.get(report.client_algo_id)
        return known is None or not known.state.is_live

    def _cancel(self, report: ConditionalReport) -> bool:
        if self.budget.acquire(weight=CANCEL_WEIGHT, orders=0, lane=Lane.SAFETY) is not None:
            return False
        try:
            canceled = self.exchange.cancel_conditional(report.client_algo_id)
        except ExchangeError as error:
            log.warning("orphan_not_canceled", client_algo_id=report.client_algo_id, error=str(error))
            return False
        if not canceled:
            return False  # it was over before
        now = self.clock.now()
        detail = {"client_algo_id": report.client_algo_id, "symbol": report.symbol}
        with self.unit_of_work() as uow:
            uow.control.audit(
                at=now, actor=ACTOR, action="orphan_canceled", reason="a protective order without a row", detail=detail
            )
            uow.commit()
        log.warning("orphan_canceled", **detail)
        return True

    def _ask(self, client_algo_id: str) -> None:
        try:
            self.resolve(client_algo_id)
        except ExchangeError as error:
            log.warning("protection_not_resolved", client_algo_id=client_algo_id, error=str(error))
