"""What a signal costs in statements, commits and round trips on real servers: counted, for seconds depend on the day.

A figure that rises is a step somebody added to every signal or order: raise it knowingly, with the reason in
`docs/performance.md`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import redis
import sqlalchemy as sa

from app.bootstrap import Adapters, System, open_system
from app.chaos.flowing_policy import flowing_policy
from app.domain.signals import IntakeVerdict, Signal
from tests.fakes.celery import FakeTaskQueue
from tests.fakes.exchange import FakeExchange
from tests.integration.outages.door import settings_for
from tests.support.waiting import wait_until
from tests.unit.domain.builders import make_account, make_funding, make_quote, make_regime, make_rules, make_signal

pytestmark = pytest.mark.integration

# A signal posted alone: its row, the record of its event.
STATEMENTS_PER_SIGNAL_MAX = 2
COMMITS_PER_SIGNAL_MAX = 1
# Its event, its offer to the window, the latch of the dispatcher's hint.
REDIS_ROUND_TRIPS_PER_SIGNAL_MAX = 3
# Any number of signals in one group cost what one costs, while nobody loses its place.
STATEMENTS_PER_GROUP_MAX = 2
COMMITS_PER_GROUP_MAX = 1
REDIS_ROUND_TRIPS_PER_GROUP_MAX = 5  # still three; the server reads at most 16 KB of one at a time
# With a full window: who was dropped, who was evicted, the record of it, in a transaction of their own.
STATEMENTS_PER_CROWDED_GROUP_MAX = 5
COMMITS_PER_CROWDED_GROUP_MAX = 2
# The lock that keeps dispatchers apart, the credit, the change of state, the confidences.
STATEMENTS_PER_DISPATCH_MAX = 4
# From the hint to an order that is settled: the decision's transaction and the answer's.
STATEMENTS_PER_ORDER_MAX = 27
COMMITS_PER_ORDER_MAX = 2
REDIS_ROUND_TRIPS_PER_ORDER_MAX = 5


@dataclass
class Costs:
    """Counted between `begin` and `end`."""

    statements: list[str] = field(default_factory=list)
    commits: int = 0
    redis_round_trips: int = 0


class Counter:
    """Counts what this process asks of Postgres, and what Valkey is asked by anybody."""

    def __init__(self, redis_url: str) -> None:
        self._redis = redis.Redis.from_url(redis_url)
        self._lock = threading.Lock()
        self._costs = Costs()

    def __enter__(self) -> Counter:
        sa.event.listen(sa.Engine, "before_cursor_execute", self._statement)
        sa.event.listen(sa.Engine, "commit", self._commit)
        return self

    def __exit__(self, *_: object) -> None:
        sa.event.remove(sa.Engine, "before_cursor_execute", self._statement)
        sa.event.remove(sa.Engine, "commit", self._commit)
        self._redis.close()

    def _statement(self, _c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        with self._lock:
            self._costs.statements.append(statement)

    def _commit(self, _connection: Any) -> None:
        with self._lock:
            self._costs.commits += 1

    def _reads(self) -> int:
        """How often the server read from a connection: once for each request, or pipeline of requests."""
        told: Any = self._redis.info("stats")
        return int(told["total_reads_processed"])

    @contextmanager
    def counting(self) -> Iterator[Costs]:
        self._costs = costs = Costs()
        before = self._reads()
        yield costs
        costs.redis_round_trips = self._reads() - before - 1  # our own question
        self._costs = Costs()


@dataclass
class Floor:
    """A system on real servers whose exchange and hints are ours."""

    system: System
    hints: FakeTaskQueue
    counter: Counter
    _number: int = 0

    def signals(self, count: int, confidence: str = "0.8") -> list[Signal]:
        """New ones; models and their votes included, as producers send them."""
        now = datetime.now(UTC)
        made = []
        for _ in range(count):
            self._number += 1
            made.append(
                make_signal(
                    signal_id=f"s-{self._number}",
                    correlation_id=f"s-{self._number}",
                    confidence=Decimal(confidence),
                    generated_at=now,
                    received_at=now,
                    expires_at=now + timedelta(seconds=30),
                )
            )
        return made

    def is_placed(self, signal: Signal) -> bool:
        """Try to place its order; whether it is no longer waiting."""
        self.system.place_order(signal.signal_id)
        told = self.system.console.explain_signal(signal.signal_id)
        return told is not None and told["signal"]["state"] != "DISPATCHED"

    def post(self, signals: list[Signal]) -> list[IntakeVerdict]:
        return [each.verdict for each in self.system.console.admit_signals(signals)]


def _let_orders_flow(system: System) -> None:
    now = datetime.now(UTC)
    system.set_up()
    with system.unit_of_work() as uow:
        uow.control.save_symbols([make_rules()], now=now)
        uow.control.add_policy(flowing_policy(), author="test", reason="let orders flow", now=now)
        account = make_account(observed_at=now)
        uow.ledger.save_account(account)
        uow.ledger.record_equity(
            at=now, equity=account.equity, wallet=account.wallet_balance, unrealised=account.unrealised_pnl
        )
        uow.protection.save_regimes([make_regime(observed_at=now)])
        uow.control.add_reconciliation([], now=now)
        uow.commit()
    system.market_sink.put([make_quote(observed_at=now)], [make_funding(observed_at=now)])


@pytest.fixture
def floor(tmp_path: Path, fresh_database: str, fresh_redis: str) -> Iterator[Floor]:
    hints = FakeTaskQueue()
    exchange = FakeExchange(lambda: datetime.now(UTC))

    def ours(adapters: Adapters) -> Adapters:
        return replace(adapters, tasks=hints, exchange=exchange)

    settings = settings_for(tmp_path, database_url=fresh_database, redis_url=fresh_redis).model_copy(
        update={"signal_queue_max": 100}
    )
    with open_system(settings, adapt=ours) as system, Counter(fresh_redis) as counter:
        _let_orders_flow(system)
        floor = Floor(system, hints, counter)
        # Once each, unseen: connections are opened, scripts loaded, the stream begun, the policy read.
        (first,) = floor.signals(1)
        floor.post([first])
        system.replay_events()
        system.dispatch_signals()
        # The budget settles for a second after a start: until then an entry is put off.
        wait_until(lambda: floor.is_placed(first), seconds=30, what="the first order")
        system.replay_events()
        assert not system.event_buffer.has_backlog()
        yield floor


def test_a_lone_signal_costs_one_commit(floor: Floor) -> None:
    with floor.counter.counting() as costs:
        assert floor.post(floor.signals(1)) == [IntakeVerdict.QUEUED]
    assert len(costs.statements) <= STATEMENTS_PER_SIGNAL_MAX, costs.statements
    assert costs.commits <= COMMITS_PER_SIGNAL_MAX
    assert costs.redis_round_trips <= REDIS_ROUND_TRIPS_PER_SIGNAL_MAX
    assert [hint.task for hint in floor.hints.sent[-1:]] == ["signals.dispatch"]


@pytest.mark.parametrize("size", [2, 50, 90])
def test_a_group_costs_what_one_signal_costs(floor: Floor, size: int) -> None:
    with floor.counter.counting() as costs:
        assert floor.post(floor.signals(size)) == [IntakeVerdict.QUEUED] * size
    assert len(costs.statements) <= STATEMENTS_PER_GROUP_MAX, costs.statements
    assert costs.commits <= COMMITS_PER_GROUP_MAX
    assert costs.redis_round_trips <= REDIS_ROUND_TRIPS_PER_GROUP_MAX


def test_requests_that_meet_share_a_commit(floor: Floor) -> None:
    """Fifty requests at once; how they fall into groups is chance, that they share is not."""
    start = threading.Barrier(50)

    def post(signal: Signal) -> None:
        start.wait(20)
        floor.post([signal])

    threads = [threading.Thread(target=post, args=(signal,)) for signal in floor.signals(50)]
    with floor.counter.counting() as costs:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert costs.commits <= 25
    assert len(costs.statements) <= STATEMENTS_PER_GROUP_MAX * costs.commits


def test_in_a_full_window_a_group_costs_one_commit_more(floor: Floor) -> None:
    floor.post(floor.signals(100, "0.6"))
    with floor.counter.counting() as costs:
        verdicts = floor.post([*floor.signals(25, "0.9"), *floor.signals(25, "0.5")])
    assert set(verdicts) == {IntakeVerdict.REPLACED, IntakeVerdict.DROPPED}
    assert len(costs.statements) <= STATEMENTS_PER_CROWDED_GROUP_MAX, costs.statements
    assert costs.commits <= COMMITS_PER_CROWDED_GROUP_MAX


def test_a_dispatch_of_many_costs_what_one_costs(floor: Floor) -> None:
    floor.post(floor.signals(8))
    with floor.counter.counting() as costs:
        assert floor.system.dispatch_signals() == 8
    assert len(costs.statements) <= STATEMENTS_PER_DISPATCH_MAX, costs.statements
    assert costs.commits == 1


def test_an_order_costs_two_commits(floor: Floor) -> None:
    (signal,) = floor.signals(1)
    floor.post([signal])
    floor.system.dispatch_signals()
    with floor.counter.counting() as costs:
        floor.system.place_order(signal.signal_id)
    told = floor.system.console.explain_signal(signal.signal_id)
    assert told is not None
    assert told["signal"]["state"] == "EXECUTED", told["signal"]
    assert len(costs.statements) <= STATEMENTS_PER_ORDER_MAX, "\n".join(costs.statements)
    assert costs.commits <= COMMITS_PER_ORDER_MAX
    assert costs.redis_round_trips <= REDIS_ROUND_TRIPS_PER_ORDER_MAX
