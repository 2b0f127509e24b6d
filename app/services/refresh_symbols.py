"""Refresh the exchange's trading rules and rate limits; what it lists decides what a signal may name."""

from __future__ import annotations

from dataclasses import dataclass

from app.ports import Clock, Exchange, Lane, RateBudget, UnitOfWorkFactory

EXCHANGE_INFO_WEIGHT = 1


@dataclass(frozen=True, slots=True)
class RefreshSymbols:
    """Use case of `symbols.refresh`; raises `ExchangeError` when the exchange does not answer."""

    unit_of_work: UnitOfWorkFactory
    exchange: Exchange
    budget: RateBudget
    clock: Clock

    def __call__(self) -> int:
        """How many symbols were stored; 0 when there was no budget for asking."""
        if self.budget.acquire(weight=EXCHANGE_INFO_WEIGHT, orders=0, lane=Lane.SAFETY) is not None:
            return 0
        rules, limits = self.exchange.symbol_rules()
        self.budget.set_limits(limits)
        with self.unit_of_work() as uow:
            uow.control.save_symbols(rules, now=self.clock.now())
            uow.commit()
        return len(rules)
