"""Refresh what the exchange says of the account: wallet, unrealised PnL, available balance; one equity point each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from app.domain.events import EventType
from app.domain.ledger import adoption_entry
from app.domain.market import AccountSnapshot, ExchangePosition
from app.domain.money import exactly, plain
from app.ports import Clock, Exchange, Lane, RateBudget, UnitOfWork, UnitOfWorkFactory
from app.services import announcements

log = structlog.get_logger(__name__)

ACCOUNT_WEIGHT = 5
POSITIONS_WEIGHT = 5
SETTLEMENT_ASSET = "USDT"
WAITS_AT_MOST = timedelta(seconds=15)  # a quarter of the age after which the account counts as not known


@dataclass(frozen=True, slots=True)
class RefreshAccount:
    """Use case of `account.refresh`; raises `ExchangeError` when not answered (the old row then ages)."""

    unit_of_work: UnitOfWorkFactory
    exchange: Exchange
    budget: RateBudget
    clock: Clock

    def __call__(self) -> AccountSnapshot | None:
        """The snapshot stored; None when there was no budget for asking."""
        if not self._take_budget(ACCOUNT_WEIGHT):
            return None
        held: Sequence[ExchangePosition] = ()
        if self._is_untouched():
            if not self._take_budget(POSITIONS_WEIGHT):
                return None
            held = self.exchange.positions()
        snapshot = self.exchange.account()
        now = self.clock.now()
        with self.unit_of_work() as uow:
            if uow.ledger.is_untouched():
                # Nothing was ever traded: whatever the wallet holds is what we begin with.
                opening = adoption_entry(name="opening", asset=SETTLEMENT_ASSET, amount=snapshot.wallet_balance)
                if uow.ledger.post_entry(opening, now=snapshot.observed_at):
                    self._open_with(uow, held, snapshot.observed_at)
            uow.ledger.save_account(snapshot)
            uow.ledger.record_equity(
                at=snapshot.observed_at,
                equity=snapshot.equity,
                wallet=snapshot.wallet_balance,
                unrealised=snapshot.unrealised_pnl,
            )
            uow.emit(
                announcements.event(
                    EventType.PNL_UPDATED,
                    now,
                    {
                        "equity": plain(snapshot.equity),
                        "wallet_balance": plain(snapshot.wallet_balance),
                        "unrealised_pnl": plain(snapshot.unrealised_pnl),
                        "available_balance": plain(snapshot.available_balance),
                        "observed_at": snapshot.observed_at.isoformat(),
                        "source": "exchange",
                    },
                )
            )
            uow.commit()
        return snapshot

    def _take_budget(self, weight: int) -> bool:
        """It can wait, so the reserve is not touched; until it has waited for so long that the stop would not know."""
        if self.budget.acquire(weight=weight, orders=0, lane=Lane.ENTRY) is None:
            return True
        with self.unit_of_work() as uow:
            known = uow.ledger.account()
        if known is not None and self.clock.now() - known.observed_at <= WAITS_AT_MOST:
            return False
        return self.budget.acquire(weight=weight, orders=0, lane=Lane.BOOKS) is None

    def _is_untouched(self) -> bool:
        with self.unit_of_work() as uow:
            return uow.ledger.is_untouched()

    def _open_with(self, uow: UnitOfWork, held: Sequence[ExchangePosition], opened_at: datetime) -> None:
        """What is held already is what we begin with, at the exchange's own entry price: no trade of ours made it."""
        for each in sorted(held, key=lambda position: position.symbol):
            position = replace(
                uow.ledger.lock_position(each.symbol),
                quantity=each.quantity,
                entry_price=each.entry_price,
                entry_cost=exactly(each.quantity, "*", each.entry_price),
                updated_at=opened_at,
            )
            uow.ledger.save_position(position)
            uow.emit(announcements.position_updated(position, opened_at))
            log.warning("position_adopted", symbol=each.symbol, quantity=plain(each.quantity))
