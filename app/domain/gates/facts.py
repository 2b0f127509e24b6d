"""Everything one entry is judged by, gathered before the first gate is asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from app.domain.ess import EmergencyStop
from app.domain.exposure import Exposure, entry_notional
from app.domain.gates.verdicts import Verdict
from app.domain.market import AccountSnapshot, FundingRate, Quote, SymbolRules
from app.domain.policy import Policy, PolicyVersion, Stage
from app.domain.regimes import MarketRegime
from app.domain.results import SymbolResults
from app.domain.signals import Signal
from app.domain.throttles import StrategyUse


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFacts:
    """The facts of one attempt to enter; None means not known, and not knowing denies.

    `attempt_number` 1 is the entry itself, 2 and later chase its remainder. For a chase `exposure` leaves out the
    reservation of the order being chased (`Exposure.without_reservation`), `quantity` is what the chase asks for and
    `first_reference_price` the reference price of the first attempt.
    """

    now: datetime
    stage: Stage | None
    signal: Signal
    policy: PolicyVersion | None
    emergency_stop: EmergencyStop | None  # read under its lock, in the transaction that makes the attempt durable
    rules: SymbolRules | None
    quote: Quote | None
    funding: FundingRate | None
    account: AccountSnapshot | None
    start_of_day_equity: Decimal | None
    exposure: Exposure | None
    last_same_side_entry_at: datetime | None  # None: the order table holds no such entry
    entry_attempts_last_minute: int | None  # begun before this one
    quantity: Decimal | None
    limit_price: Decimal | None
    sizing_refusal: Verdict | None = None  # why there is no quantity, when sizing said so
    attempt_number: int = 1
    first_reference_price: Decimal | None = None
    regime: MarketRegime | None = None
    results: SymbolResults | None = None
    strategy_use: StrategyUse | None = None
    remaining_quantity: Decimal | None = None  # of a chase: what of the order was not executed yet

    @property
    def limits(self) -> Policy | None:
        """The policy's numbers."""
        return None if self.policy is None else self.policy.policy

    @property
    def is_chase(self) -> bool:
        """Whether this attempt goes on with an entry that was approved before."""
        return self.attempt_number > 1

    @property
    def equity(self) -> Decimal | None:
        """The account's equity in USDT."""
        return None if self.account is None else self.account.equity

    @property
    def notional(self) -> Decimal | None:
        """What the entry would add to exposure, in USDT; None until quantity, limit and mark are all known."""
        if self.quantity is None or self.limit_price is None or self.quote is None:
            return None
        return entry_notional(quantity=self.quantity, limit_price=self.limit_price, mark_price=self.quote.mark_price)
