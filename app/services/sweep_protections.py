"""Sweep protections: every position without the protection it should have, every protective order nobody answered."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from app.domain.positions import flat_position
from app.domain.protection.orders import ProtectionState, ProtectiveOrder
from app.domain.protection.plan import ProtectionFacts, next_step
from app.ports import Clock, ExchangeError, MarketData, UnitOfWorkFactory
from app.services.policy_cache import PolicyCache
from app.services.protect_position import ProtectPosition
from app.services.protection_facts import Surroundings, exiting_symbols, is_left_to_the_flatten, no_rules
from app.services.resolve_protection import ResolveProtection

log = structlog.get_logger(__name__)

# A worker that lives has its answer within the client's own time-outs; asking beside it is harmless.
UNANSWERED_SECONDS = 3.0
ROWS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class SweepProtections:
    """Use case of `protections.sweep`: looks at all of them in one transaction, and acts where something is to be done.

    It does the work itself instead of hinting it: without a broker positions are protected all the same.
    """

    unit_of_work: UnitOfWorkFactory
    market: MarketData
    policy: PolicyCache
    clock: Clock
    protect: ProtectPosition
    resolve: ResolveProtection

    running: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self) -> None:
        """One run; one that is due while the one before is still at work in this process has nothing to add."""
        if not self.running.acquire(blocking=False):
            return
        try:
            self._run()
        finally:
            self.running.release()

    def _run(self) -> None:
        now = self.clock.now()
        symbols, unanswered = self._due(now)
        for symbol in symbols:
            try:
                self.protect(symbol)
            except ExchangeError as error:
                # One symbol that the exchange does not answer for must not keep the others bare.
                log.warning("protection_failed", symbol=symbol, error=str(error))
        for order in unanswered:
            try:
                self.resolve(order.client_algo_id)
            except ExchangeError as error:
                log.warning("protection_not_resolved", client_algo_id=order.client_algo_id, error=str(error))

    def _due(self, now: datetime) -> tuple[list[str], list[ProtectiveOrder]]:
        """Symbols with something to do, and orders to ask about; six queries, however many positions there are."""
        surroundings = Surroundings.of(self.market, self.policy, now=now)
        with self.unit_of_work() as uow:
            held = {each.symbol: each for each in uow.ledger.positions() if each.quantity}
            live = uow.protection.live(limit=ROWS_MAX)
            guards = {guard.symbol: guard for guard in uow.protection.guards()}
            if not held and not live and not guards:
                return [], []
            unanswered = [each for each in live if _is_unanswered(each, now)]
            if is_left_to_the_flatten(uow, now):
                return [], unanswered
            exiting = exiting_symbols(uow)
            rules = uow.control.symbols()
        due = []
        for symbol in sorted({*held, *guards, *(each.symbol for each in live)}):
            facts = ProtectionFacts(
                now=now,
                position=held.get(symbol) or flat_position(symbol),
                guard=guards.get(symbol),
                live=[each for each in live if each.symbol == symbol],
                is_exiting=symbol in exiting,
                mark_price=surroundings.marks.get(symbol),
                # Where new levels are needed there is something to do, whatever they will be.
                regime=None,
                confidence=None,
                policy=surroundings.policy,
                rules=rules.get(symbol) or no_rules(symbol),
            )
            if next_step(facts).changes(facts):
                due.append(symbol)
        return due, unanswered


def _is_unanswered(order: ProtectiveOrder, now: datetime) -> bool:
    """Whether somebody should have heard by now what became of it, or of its cancel."""
    since = order.cancel_requested_at if order.state is ProtectionState.WORKING else order.begun_at
    return since is not None and now - since > timedelta(seconds=UNANSWERED_SECONDS)
