"""The listener: what each event of the user stream makes it do, and what it leaves to others."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from app.adapters.binance.user_events import AccountUpdate, AlgoUpdate, StreamGap
from app.bootstrap import calls_for_reconciliation
from app.domain.money import ZERO
from app.domain.signals import Side
from app.listener import Listener
from app.ports import ConditionalReport

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def account_update(reason: str) -> AccountUpdate:
    return AccountUpdate(reason=reason, balances=[], positions=[], event_at=NOW, transaction_at=NOW)


def a_trigger() -> AlgoUpdate:
    return AlgoUpdate(
        algo_id=1, client_algo_id="a", symbol="BTCUSDT", side=Side.SELL, order_type="STOP_MARKET", status="TRIGGERED",
        trigger_price=ZERO, quantity=ZERO, exchange_order_id=None, reject_reason="", event_at=NOW,
    )  # fmt: skip


class Counting:
    def __init__(self) -> None:
        self.passes = 0

    def __call__(self) -> None:
        self.passes += 1


@pytest.fixture
def reconcile() -> Counting:
    return Counting()


@pytest.fixture
def heard() -> list[ConditionalReport]:
    return []


@pytest.fixture
def listener(reconcile: Counting, heard: list[ConditionalReport]) -> Listener:
    system = SimpleNamespace(reconcile=reconcile, hear_protection_update=heard.append)
    return Listener(system, threading.Event())  # type: ignore[arg-type]


def test_what_becomes_of_a_conditional_order_is_heard(listener, heard):
    listener.hear(a_trigger())
    assert [(each.client_algo_id, each.status) for each in heard] == [("a", "TRIGGERED")]


def test_the_account_event_that_comes_with_every_fill_asks_the_exchange_nothing(listener, reconcile):
    for _ in range(30):
        listener.hear(account_update("ORDER"))
    listener.hear(a_trigger())
    assert reconcile.passes == 0


@pytest.mark.parametrize("event", [StreamGap(reason="connected"), account_update("FUNDING_FEE")])
def test_what_no_order_event_tells_is_compared_with_the_exchange(listener, reconcile, event):
    assert calls_for_reconciliation(event)
    listener.hear(event)
    assert reconcile.passes == 1


def test_funding_of_many_positions_at_once_is_one_comparison(listener, reconcile):
    for _ in range(20):
        listener.hear(account_update("FUNDING_FEE"))
    assert reconcile.passes == 1
