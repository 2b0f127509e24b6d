"""The last resort, joined from the exchange alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.adapters.binance.local_budget import LocalRateBudget
from app.adapters.system_clock import SystemClock, random_id
from app.bootstrap.exchange import connect_exchange
from app.services.panic import Panic
from app.settings import Settings


@contextmanager
def open_panic(settings: Settings, *, say: Callable[[str], None], seconds_max: float) -> Iterator[Panic]:
    """The last resort, joined from the exchange alone: no database, no Redis, a rate budget of its own."""
    budget = LocalRateBudget()
    exchange = connect_exchange(settings, budget)  # whatever the stage: this only cancels and closes
    try:
        yield Panic(
            exchange=exchange,
            budget=budget,
            clock=SystemClock(),
            ticks=time.monotonic,
            sleep=time.sleep,
            say=say,
            new_id=random_id,
            seconds_max=seconds_max,
        )
    finally:
        exchange.close()
