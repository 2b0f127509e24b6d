"""Two hundred decisions at once at each limit, in sixteen threads on a real database: never one unit beyond it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

import psycopg
import pytest

from app.adapters.postgres import PostgresUnitOfWorkFactory, create_engine
from app.domain.policy import Policy, RiskMode, Stage, default_policy
from app.domain.signals import Side, Signal, SignalEvent
from app.ports import DatabaseUnavailableError, SubmitReply, Unknown
from app.services.place_order import PlaceOrder
from app.services.policy_cache import PolicyCache
from app.services.settle_attempt import SettleAttempt
from tests.fakes.celery import FakeTaskQueue
from tests.fakes.clock import FakeClock
from tests.fakes.exchange import FakeExchange
from tests.fakes.redis import FakeEvents, FakeHintLatch, FakeMarketData, FakeRateBudget
from tests.unit.domain.builders import make_account, make_funding, make_quote, make_regime, make_rules, make_signal

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

D = Decimal
DECISIONS = 200
THREADS = 16
TRIES_MAX = 20  # as a task that is delivered again
EQUITY = D("10000")
MARK = D("50000")

# Small orders of one size, and no limit near, but the one a case sets.
WIDE = replace(
    default_policy(RiskMode.NORMAL),
    risk_per_trade_share=D("0.0005"),
    position_notional_max=D("1000000"),
    leverage_max=D("125"),
    net_exposure_share_max=D("125"),
    gross_exposure_share_max=D("125"),
    open_positions_max=500,
    orders_per_minute_max=1_200,
    duplicate_cool_off_seconds=0,
    strategy_executions_max=100_000,
)


class NeverAnswers(FakeExchange):
    """Whatever is sent stays unknown: it holds its reservation."""

    def submit(self, attempt: object) -> SubmitReply:
        return Unknown(reason="no answer")


@dataclass(frozen=True)
class Case:
    """A limit, which symbol and side the decision of a number is about, and what the limit lets in: so many entries,
    or so many USDT."""

    policy: Policy
    symbol: Callable[[int], str]
    side: Callable[[int], Side]
    entries: int | None = None
    notional: Decimal | None = None


def of_its_own(number: int) -> str:
    return f"S{number:03}USDT"


def the_same(_: int) -> str:
    return "BTCUSDT"


def buy(_: int) -> Side:
    return Side.BUY


def by_turns(number: int) -> Side:
    return Side.BUY if number % 2 == 0 else Side.SELL


CASES = {
    "open positions": Case(replace(WIDE, open_positions_max=7), of_its_own, buy, entries=7),
    "a symbol's exposure": Case(replace(WIDE, position_notional_max=D("1000")), the_same, buy, notional=D("1000")),
    "net exposure": Case(replace(WIDE, net_exposure_share_max=D("0.2")), of_its_own, buy, notional=D("2000")),
    "gross exposure": Case(
        replace(WIDE, net_exposure_share_max=D("0.2"), gross_exposure_share_max=D("0.2")),
        of_its_own,
        by_turns,
        notional=D("2000"),
    ),
    "messages a minute": Case(replace(WIDE, orders_per_minute_max=9), of_its_own, buy, entries=9),
    "executions of a strategy": Case(replace(WIDE, strategy_executions_max=11), the_same, buy, entries=11),
    "one entry within the cool-off": Case(replace(WIDE, duplicate_cool_off_seconds=60), the_same, buy, entries=1),
}


@pytest.fixture
def begin(fresh_database: str) -> Iterator[PostgresUnitOfWorkFactory]:
    engine = create_engine(fresh_database, application_name="test", pool_size=THREADS)
    yield PostgresUnitOfWorkFactory(engine, FakeEvents())
    engine.dispose()


def dispatched(begin: PostgresUnitOfWorkFactory, clock: FakeClock, case: Case) -> Sequence[Signal]:
    """A healthy system with the case's policy, and its signals in the hands of workers."""
    now = clock.now()
    fresh = {"generated_at": now, "received_at": now, "expires_at": now + timedelta(seconds=30)}
    signals = [
        make_signal(signal_id=f"s{number}", symbol=case.symbol(number), side=case.side(number), **fresh)
        for number in range(DECISIONS)
    ]
    with begin() as uow:
        uow.control.add_policy(case.policy, author="owner", reason="test", now=now)
        uow.control.save_symbols([make_rules(symbol=each) for each in {s.symbol for s in signals}], now=now)
        uow.protection.save_regimes([make_regime(symbol=each, observed_at=now) for each in {s.symbol for s in signals}])
        uow.ledger.save_account(make_account(wallet_balance=EQUITY, observed_at=now))
        uow.ledger.record_equity(at=now, equity=EQUITY, wallet=EQUITY, unrealised=D(0))
        uow.signals.add_many(signals)
        uow.signals.advance([each.signal_id for each in signals], SignalEvent.DISPATCHED, now=now)
        uow.commit()
    return signals


@pytest.mark.parametrize("name", CASES)
def test_decisions_at_once_let_in_exactly_what_the_limit_permits(
    begin: PostgresUnitOfWorkFactory, fresh_database: str, name: str
) -> None:
    case, clock, market, tasks = CASES[name], FakeClock(), FakeMarketData(), FakeTaskQueue()
    signals = dispatched(begin, clock, case)
    symbols = {each.symbol for each in signals}
    market.put(
        [make_quote(symbol=each, observed_at=clock.now()) for each in symbols],
        [make_funding(symbol=each, observed_at=clock.now()) for each in symbols],
    )
    place = PlaceOrder(
        unit_of_work=begin,
        exchange=NeverAnswers(clock.now),
        budget=FakeRateBudget(clock.now),
        market=market,
        policy=PolicyCache(begin, clock),
        tasks=tasks,
        latch=FakeHintLatch(clock.now),
        clock=clock,
        settle=SettleAttempt(unit_of_work=begin, tasks=tasks, clock=clock, jitter=lambda: D(0)),
        stage=Stage.PAPER,
    )

    def deliver(signal: Signal) -> None:
        for _ in range(TRIES_MAX):
            try:
                return place(signal.signal_id)
            except DatabaseUnavailableError:
                continue  # a lock that was not granted in time: delivered again
        raise AssertionError(f"{signal.signal_id} was never decided")

    with ThreadPoolExecutor(THREADS) as workers:
        list(workers.map(deliver, signals))
    with psycopg.connect(fresh_database) as connection:
        decided = connection.execute("SELECT outcome, count(*) FROM decisions GROUP BY outcome").fetchall()
        sent = connection.execute("SELECT quantity, limit_price FROM orders").fetchall()
    assert sum(count for _, count in decided) == DECISIONS
    assert dict(decided)["APPROVED"] == len(sent)
    each = [quantity * max(limit, MARK) for quantity, limit in sent]
    if case.notional is None:
        assert len(sent) == case.entries
    else:
        # Not one unit beyond the limit, and no room left below it that another one would have fitted into.
        assert sum(each) <= case.notional < sum(each) + max(each)
