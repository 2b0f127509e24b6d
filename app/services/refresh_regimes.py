"""Refresh the regimes: the exchange's candles of every symbol that may be traded, read into one word and an ATR."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from app.domain.gates.symbol_selection import TRADING
from app.domain.regimes import MarketRegime, read_regime
from app.ports import Clock, Exchange, ExchangeError, Lane, RateBudget, UnitOfWorkFactory

log = structlog.get_logger(__name__)

INTERVAL = "1h"
CANDLES = 99  # four days; one more would cost twice the weight
CANDLES_WEIGHT = 1
REFRESH_AFTER = timedelta(seconds=240)
SYMBOLS_PER_RUN_MAX = 300  # of the weight of a minute, an eighth
FAILURES_MAX = 3  # in a row: the exchange is away, and the rest can wait for the next run


@dataclass(frozen=True, slots=True)
class RefreshRegimes:
    """Use case of `regimes.refresh`: the oldest first, as many as one run may ask for.

    What cannot be refreshed keeps its time, grows old, and denies entries.
    """

    unit_of_work: UnitOfWorkFactory
    exchange: Exchange
    budget: RateBudget
    clock: Clock

    def __call__(self) -> int:
        """How many symbols were read; raises `ExchangeError` when the exchange answers for none of them."""
        found: list[MarketRegime] = []
        failures: list[ExchangeError] = []
        for symbol in self._due(self.clock.now()):
            if self.budget.acquire(weight=CANDLES_WEIGHT, orders=0, lane=Lane.ENTRY) is not None:
                break
            asked_at = self.clock.now()
            try:
                candles = self.exchange.candles(symbol, interval=INTERVAL, limit=CANDLES)
            except ExchangeError as error:
                failures.append(error)
                if len(failures) >= FAILURES_MAX:
                    break
                continue
            regime = read_regime(symbol, candles, interval=INTERVAL, observed_at=asked_at)
            if regime is None:
                log.info("regime_not_known", symbol=symbol, candles=len(candles))
            else:
                found.append(regime)
        if found:
            with self.unit_of_work() as uow:
                uow.protection.save_regimes(found)
                uow.commit()
        elif failures:
            raise failures[0]
        return len(found)

    def _due(self, now: datetime) -> list[str]:
        with self.unit_of_work() as uow:
            trading = [symbol for symbol, rules in uow.control.symbols().items() if rules.status == TRADING]
            known = uow.protection.regimes()
        beginning = datetime.min.replace(tzinfo=now.tzinfo)
        ages = {symbol: known[symbol].observed_at if symbol in known else beginning for symbol in trading}
        due = [symbol for symbol in sorted(trading, key=lambda each: ages[each]) if now - ages[symbol] > REFRESH_AFTER]
        return due[:SYMBOLS_PER_RUN_MAX]
