"""Reconciliation on the real database and the paper exchange, of a symbol that trades while we look."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from app.adapters.embedded.postgres import PostgresCluster
from app.domain.ess import EssState
from app.services.reconcile import PASS_GAP
from tests.recovery.floor import STOP_SECONDS_MAX, Floor, open_floor
from tests.support.servers import database_of_its_own
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

BUSY = "BTCUSDT"
QUIET_PASSES = 6
# A difference as small as one trade passes for a trade in every second pass or so, and two in a row have to see it:
# the median is 5 passes, and one run in a thousand needs more than these.
FOUND_WITHIN = 40
PASS_SECONDS_MAX = 30.0
ORDERS_MAX = 2_000


@pytest.fixture
def floor(tmp_path: Path, postgres_cluster: PostgresCluster, migrated_template: str, redis_url: str) -> Iterator[Floor]:
    with (
        database_of_its_own(postgres_cluster, template=migrated_template) as database_url,
        open_floor(tmp_path, database_url=database_url, redis_url=redis_url) as floor,
    ):
        yield floor


class Traders:
    """One order after the other in one symbol, up and down; fills are booked an order late: one is always missing."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._trade, daemon=True)
        self.orders = 0
        self.failure: BaseException | None = None

    @contextmanager
    def at_work(self) -> Iterator[None]:
        self._thread.start()
        try:
            wait_until(lambda: self.orders > 3 or self.failure, seconds=PASS_SECONDS_MAX, what="orders to flow")
            yield
        finally:
            self._over.set()
            self._thread.join(STOP_SECONDS_MAX)

    def _trade(self) -> None:
        waiting: uuid.UUID | None = None
        try:
            while not self._over.is_set() and self.orders < ORDERS_MAX:
                name = f"s-busy-{self.orders}"
                side = ("BUY", "BUY", "SELL")[self.orders % 3]
                self._floor.dispatched(name, BUSY, side=side, confidence=f"0.{51 + self.orders % 49}")
                self._floor.system.place_order(name)
                if waiting is not None:
                    self._floor.system.collect_fills(waiting)
                with self._floor.system.unit_of_work() as uow:
                    order = uow.orders.by_signal(name)
                waiting = None if order is None else order.order_id
                self.orders += 1
        except BaseException as error:
            self.failure = error
            raise


def look(floor: Floor) -> bool:
    """One pass that was taken down; whether our symbol had something under way just before it."""
    before = passed_at(floor)
    is_busy = False

    def is_over() -> bool:
        nonlocal is_busy
        if before is not None and floor.system.clock.now() - before < PASS_GAP:
            return False  # would not be taken down, and cost as much
        with floor.system.unit_of_work() as uow:
            is_busy = BUSY in uow.orders.unsettled_symbols(begun_until=floor.system.clock.now())
        floor.system.reconcile()
        return passed_at(floor) != before

    wait_until(is_over, seconds=PASS_SECONDS_MAX, what="a pass that counts")
    return is_busy


def passed_at(floor: Floor) -> datetime | None:
    with floor.system.unit_of_work() as uow:
        last = uow.control.last_reconciliation()
    return None if last is None else last.at


def is_tripped(floor: Floor) -> str | None:
    with floor.system.unit_of_work() as uow:
        stop = uow.control.ess()
    assert stop is not None
    return (stop.trip_reason or "no reason") if stop.state is EssState.TRIPPED else None


def test_a_position_that_is_wrong_in_a_symbol_that_never_rests_stops_trading_and_no_trading_does(floor: Floor) -> None:
    traders = Traders(floor)
    with traders.at_work():
        busy = [look(floor) for _ in range(QUIET_PASSES)]
        assert is_tripped(floor) is None
        assert sum(busy) >= QUIET_PASSES - 2, "the symbol was at rest: this proves nothing"
        with floor.system.unit_of_work() as uow:
            held = uow.ledger.lock_position(BUSY)
            uow.ledger.save_position(replace(held, quantity=held.quantity + Decimal("0.003")))
            uow.commit()
        passes = 0
        while is_tripped(floor) is None and passes < FOUND_WITHIN:
            look(floor)
            passes += 1
    assert traders.failure is None
    reason = is_tripped(floor)
    print(f"found in pass {passes}, {traders.orders} orders: {reason}")
    assert reason is not None
    assert reason.startswith(f"LEDGER_MISMATCH: position:{BUSY}: ")
