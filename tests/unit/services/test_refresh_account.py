"""The account as the exchange tells it, and what it held before we came."""

from __future__ import annotations

from decimal import Decimal

from app.domain.ess import EssState
from app.domain.market import ExchangePosition
from app.ports import Lane, Wait
from app.services.refresh_account import RefreshAccount
from tests.support.desk import Desk
from tests.unit.domain.builders import make_account

D = Decimal


def refresh_of(desk: Desk) -> RefreshAccount:
    return RefreshAccount(unit_of_work=desk.unit_of_work, exchange=desk.exchange, budget=desk.budget, clock=desk.clock)


def held(quantity: str) -> ExchangePosition:
    return ExchangePosition(
        symbol="BTCUSDT",
        quantity=D(quantity),
        entry_price=D("50000.5"),
        mark_price=D(50_000),
        unrealised_pnl=D("0.35"),
    )


def test_an_account_that_holds_positions_already_is_begun_with_them_and_agrees():
    desk = Desk()
    desk.exchange.held_positions = [held("-0.7")]
    desk.exchange.account_snapshot = make_account(wallet_balance=D(9_000), observed_at=desk.clock.now())
    refresh_of(desk)()
    position = desk.position("BTCUSDT")
    assert (position.quantity, position.entry_price, position.entry_cost) == (D("-0.7"), D("50000.5"), D("-35000.35"))
    for _ in range(3):
        desk.later(5)
        assert desk.reconcile() == []
    assert desk.stop().state is EssState.ARMED


def test_a_position_found_later_is_not_begun_with():
    desk = Desk()
    desk.exchange.account_snapshot = make_account(observed_at=desk.clock.now())
    refresh_of(desk)()
    desk.exchange.held_positions = [held("0.7")]
    desk.later(5)
    refresh_of(desk)()
    assert desk.position("BTCUSDT") is None


def test_what_is_held_counts_as_exposure_of_the_next_entry():
    desk = Desk()
    desk.exchange.held_positions = [held("0.7")]
    desk.exchange.account_snapshot = make_account(observed_at=desk.clock.now())
    refresh_of(desk)()
    desk.placed(desk.signal("a"))
    assert desk.state_of("a") == "DENIED"
    assert desk.stored("a").reason_code == "SYMBOL_EXPOSURE_ABOVE_MAXIMUM"


def test_an_account_that_was_not_read_for_a_while_is_read_from_the_reserve():
    desk = Desk()
    refresh = refresh_of(desk)
    desk.exchange.account_snapshot = make_account(observed_at=desk.clock.now())
    refresh()
    before = len(desk.budget.acquired)
    desk.clock.advance(14)
    desk.budget.refuse(Wait(seconds=1, reason="redis away"))
    assert refresh() is None  # it can still wait
    desk.clock.advance(2)
    desk.exchange.account_snapshot = make_account(observed_at=desk.clock.now())
    desk.budget.refuse(Wait(seconds=1, reason="redis away"))
    assert refresh() is not None
    assert desk.budget.acquired[before:] == [(5, 0, Lane.BOOKS)]


def test_an_account_nobody_knows_is_read_from_the_reserve():
    desk = Desk()
    desk.exchange.account_snapshot = make_account(observed_at=desk.clock.now())
    desk.clock.advance(600)
    desk.budget.refuse(Wait(seconds=1, reason="redis away"), Wait(seconds=1, reason="redis away"))
    assert refresh_of(desk)() is None  # nothing is left at all
    desk.budget.refuse(Wait(seconds=1, reason="redis away"))
    assert refresh_of(desk)() is not None
