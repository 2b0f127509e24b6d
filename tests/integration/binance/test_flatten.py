"""A trip that flattens, on a real paper exchange process: through partial fills, refusals, lost answers and 429s."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest

from app.adapters.binance.credentials import Credentials
from app.adapters.binance.local_budget import LocalRateBudget
from app.adapters.binance.rest import RestExchange
from app.adapters.system_clock import SystemClock, random_id
from app.domain.ess import EmergencyStop
from app.domain.policy import RiskMode, default_policy
from app.ports import ExchangeError
from app.services.acknowledge_trip import AcknowledgeTrip
from app.services.exit_position import ExitPosition
from app.services.policy_cache import PolicyCache
from app.services.resolve_attempt import ResolveAttempt
from app.services.settle_attempt import SettleAttempt
from app.services.trip_ess import TripEss
from app.services.watch_account import WatchAccount
from tests.fakes.celery import FakeTaskQueue
from tests.fakes.postgres import FakeDatabase, FakeUnitOfWorkFactory
from tests.fakes.redis import FakeEvents, FakeMarketData
from tests.support.paper_exchange import PaperExchange, start_paper_exchange

pytestmark = pytest.mark.integration

SWEEP_SECONDS = 1.0  # as beat does
FLAT_SECONDS_MAX = 60.0


@pytest.fixture
def paper(tmp_path: Path) -> Iterator[PaperExchange]:
    started = start_paper_exchange(tmp_path, "--market", "seed:7")
    yield started
    started.stop()


class Stopper:
    """The emergency stop's use cases on a database in memory and a real exchange."""

    def __init__(self, paper: PaperExchange) -> None:
        clock, tasks, budget = SystemClock(), FakeTaskQueue(), LocalRateBudget()
        begin = self.begin = FakeUnitOfWorkFactory(FakeDatabase(now=clock.now()), FakeEvents())
        credentials = Credentials(key=paper.key, secret=paper.secret)
        self.exchange = RestExchange(base_url=paper.url, credentials=credentials, budget=budget)
        settle = SettleAttempt(unit_of_work=begin, tasks=tasks, clock=clock, jitter=lambda: Decimal(0))
        asking = {"unit_of_work": begin, "exchange": self.exchange, "budget": budget, "clock": clock}
        self.trip = TripEss(unit_of_work=begin, tasks=tasks, clock=clock)
        policy = PolicyCache(begin, clock)
        self.acknowledge = AcknowledgeTrip(
            **asking,
            exit_position=ExitPosition(**asking, settle=settle, new_id=random_id),
            resolve=ResolveAttempt(**asking, tasks=tasks, settle=settle),
            watch=WatchAccount(unit_of_work=begin, market=FakeMarketData(), policy=policy, clock=clock, trip=self.trip),
        )
        with begin() as uow:
            uow.control.add_policy(default_policy(RiskMode.NORMAL), author="a", reason="r", now=clock.now())
            uow.commit()

    def stop(self) -> EmergencyStop:
        with self.begin() as uow:
            stop = uow.control.ess()
        assert stop is not None
        return stop

    def until_safe(self) -> EmergencyStop:
        """Run as beat runs it, until the trip is safe."""
        deadline = time.monotonic() + FLAT_SECONDS_MAX
        while self.stop().safe_at is None:
            assert time.monotonic() < deadline, self.stop()
            began = time.monotonic()
            with suppress(ExchangeError):  # the task's door lets it pass too: the next run goes on
                self.acknowledge()
            time.sleep(max(0.0, SWEEP_SECONDS - (time.monotonic() - began)))
        return self.stop()


@pytest.fixture
def stopper(paper: PaperExchange) -> Iterator[Stopper]:
    made = Stopper(paper)
    yield made
    made.exchange.close()


def open_positions(paper: PaperExchange) -> None:
    assert paper.order("BTCUSDT", "BUY", "0.050").status_code == 200
    assert paper.order("ETHUSDT", "SELL", "0.500").status_code == 200


def positions(paper: PaperExchange) -> list[str]:
    return [each["symbol"] for each in paper.ledger()["positions"] if Decimal(each["quantity"])]


def seconds_of(stop: EmergencyStop) -> dict[str, float]:
    assert stop.tripped_at is not None
    return {name: (at - stop.tripped_at).total_seconds() for name, at in stop.steps.items() if at is not None}


def test_flat_means_that_the_exchange_says_so(paper: PaperExchange, stopper: Stopper) -> None:
    open_positions(paper)
    stopper.trip(actor="ann", reason="out", flatten=True)
    stop = stopper.until_safe()
    assert positions(paper) == []
    print("seconds after the trip:", seconds_of(stop))
    assert seconds_of(stop)["flat"] < 10


def test_trouble_at_the_exchange_takes_longer_and_flips_nothing(paper: PaperExchange, stopper: Stopper) -> None:
    open_positions(paper)
    paper.faults(
        {"kind": "partial_fill", "share": "0.4", "count": 3},
        {"kind": "throttled", "after": 1, "count": 1},
        {"kind": "timeout", "accepted": True, "after": 3, "count": 1},
        {"kind": "timeout", "accepted": False, "after": 4, "count": 1},
        {"kind": "rate_limited", "endpoint": "GET /fapi/v3/positionRisk", "after": 3, "count": 1},
    )
    stopper.trip(actor="ann", reason="out", flatten=True)
    stop = stopper.until_safe()
    print("seconds after the trip, with trouble:", seconds_of(stop))
    assert positions(paper) == []
    side = {"BTCUSDT": "SELL", "ETHUSDT": "BUY"}
    exits = [order for order in paper.ledger()["orders"] if order["client_order_id"].startswith("q")]
    assert len(exits) > 2
    assert all(order["reduce_only"] and order["side"] == side[order["symbol"]] for order in exits)
    filled = {symbol: Decimal(0) for symbol in side}
    for order in exits:
        filled[order["symbol"]] += Decimal(order["executed_quantity"])
    assert filled == {"BTCUSDT": Decimal("0.05"), "ETHUSDT": Decimal("0.5")}
