"""Read the risk: what every trigger of the emergency stop sees, and exposure against the policy's limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from app.domain.exposure import Exposure
from app.domain.market import AccountSnapshot
from app.domain.money import exactly, plain
from app.domain.policy import Policy
from app.domain.triggers.readings import Reading
from app.ports import Clock, MarketData, UnitOfWorkFactory
from app.services.policy_cache import PolicyCache
from app.services.watch_account import WatchAccount, readings_as_json

NO_SYMBOL = ""  # the sums over all symbols are asked for


@dataclass(frozen=True, slots=True)
class ReadRisk:
    """Use case of the dashboard's limits: the figures that entries and triggers are judged by, none of its own."""

    unit_of_work: UnitOfWorkFactory
    market: MarketData
    policy: PolicyCache
    clock: Clock
    watch: WatchAccount

    def __call__(self) -> Mapping[str, Any]:
        """`triggers, exposure, source, age_seconds`; decimals as they are, what is not known null with a `reason`."""
        readings = self.watch.readings()
        version = self.policy.current()
        quotes = self.market.quotes()
        marks = {symbol: quote.mark_price for symbol, quote in quotes.items()}
        with self.unit_of_work() as uow:
            account = uow.ledger.account()
            exposure = uow.ledger.exposure(NO_SYMBOL, marks)
        policy = None if version is None else version.policy
        return risk_answer(readings, exposure, account=account, policy=policy, now=self.clock.now())


def risk_answer(
    readings: Sequence[Reading],
    exposure: Exposure,
    *,
    account: AccountSnapshot | None,
    policy: Policy | None,
    now: datetime,
) -> Mapping[str, Any]:
    """The answer of these facts; limits in USDT follow from the equity, as they do in the gates."""
    unknown = []
    if account is None:
        unknown.append("the exchange has not told the account yet")
    if policy is None:
        unknown.append("no policy is readable")
    return {
        "triggers": readings_as_json(readings),
        "exposure": {
            "gross": plain(exposure.gross_notional),
            "gross_max": _of_equity(account, None if policy is None else policy.gross_exposure_share_max),
            "net": plain(exposure.net_notional),
            "net_max": _of_equity(account, None if policy is None else policy.net_exposure_share_max),
            "open_positions": len(exposure.open_symbols),
            "open_positions_max": None if policy is None else policy.open_positions_max,
            "reason": "; ".join(unknown) or None,
        },
        "source": "ledger and exchange account",
        "age_seconds": None if account is None else max(0.0, (now - account.observed_at).total_seconds()),
        "reason": "; ".join(unknown) or None,
    }


def _of_equity(account: AccountSnapshot | None, share: Decimal | None) -> str | None:
    return None if account is None or share is None else plain(exactly(account.equity, "*", share))
