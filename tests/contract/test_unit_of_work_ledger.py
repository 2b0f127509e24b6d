"""What every unit of work does, the one on Postgres and the fake: fills, positions, the account, exposure."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.ledger import adoption_entry, fill_entry, funding_entry
from app.domain.orders import OrderPurpose, OrderState
from app.domain.reconciliation import PositionMark, position_course, wallet_course
from app.domain.signals import Side
from app.ports import (
    ConstraintViolatedError,
    UnitOfWorkFactory,
)
from tests.contract.unit_of_work_values import (
    NOW,
    D,
    account,
    fill,
    later,
    order,
    position,
)


def test_a_second_fill_with_the_same_trade_id_changes_nothing(begin: UnitOfWorkFactory) -> None:
    given = order(None)
    booked = fill(given)
    with begin() as uow:
        uow.orders.add(given)
        assert uow.ledger.add_fill(booked) is True
        assert uow.ledger.add_fill(replace(booked, quantity=D(9))) is False
        # The same number of another symbol is another trade.
        assert uow.ledger.add_fill(fill(given, symbol="ETHUSDT")) is True
        uow.commit()
    with begin() as uow:
        assert booked in uow.ledger.fills_of(given.order_id)
        assert len(uow.ledger.fills_of(given.order_id)) == 2


def test_fills_come_in_order_of_their_trading(begin: UnitOfWorkFactory) -> None:
    given = order(None)
    fills = [fill(given, 3, traded_at=later(1)), fill(given, 2, traded_at=later(2)), fill(given, 1, traded_at=later(1))]
    with begin() as uow:
        uow.orders.add(given)
        for each in fills:
            uow.ledger.add_fill(each)
        assert [each.trade_id for each in uow.ledger.fills_of(given.order_id)] == [1, 3, 2]
        assert uow.ledger.last_trade_id("BTCUSDT") == 3
        assert uow.ledger.last_trade_id("ETHUSDT") is None
        assert uow.ledger.fills_of(uuid.uuid4()) == []


def test_a_fill_that_no_order_explains_is_kept(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        assert uow.ledger.add_fill(fill(None, adopted=True))
        assert not uow.ledger.add_fill(fill(None, adopted=True))


def test_an_adopted_fill_is_given_to_its_order_once(begin: UnitOfWorkFactory) -> None:
    given = order(None)
    owned = fill(given)
    with begin() as uow:
        uow.orders.add(given)
        assert uow.ledger.give_fill_to_order(owned) is False
        uow.ledger.add_fill(replace(owned, order_id=None, client_order_id=None, adopted=True))
        assert uow.ledger.give_fill_to_order(owned) is True
        assert uow.ledger.give_fill_to_order(owned) is False
        uow.commit()
    with begin() as uow:
        assert list(uow.ledger.fills_of(given.order_id)) == [owned]


def test_a_fill_of_an_unknown_order_is_refused(begin: UnitOfWorkFactory) -> None:
    with begin() as uow, pytest.raises(ConstraintViolatedError):
        uow.ledger.add_fill(fill(order(None)))


def test_a_position_is_flat_until_it_is_saved(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        flat = uow.ledger.lock_position("BTCUSDT")
        assert (flat.quantity, flat.entry_price, flat.entry_cost, flat.updated_at) == (D(0), D(0), D(0), None)
        uow.ledger.save_position(position())
        uow.ledger.save_position(position("AAVEUSDT", target_price=D("1.5"), stop_price=None))
        uow.commit()
    with begin() as uow:
        assert uow.ledger.lock_position("BTCUSDT") == position()
        assert [each.symbol for each in uow.ledger.positions()] == ["AAVEUSDT", "BTCUSDT"]


def test_the_lines_of_a_fill_are_booked_once_and_summed_exactly(begin: UnitOfWorkFactory) -> None:
    first, second = fill(trade_id=1), fill(trade_id=2, fee=D("0.00000000000001"), fee_asset="BNB")
    with begin() as uow:
        for each in (first, second):
            uow.ledger.post(fill=each, lines=fill_entry(each).lines, now=NOW)
        assert uow.ledger.balance("wallet", "USDT") == D("-1.25") * 2 - D("4.21000500")
        assert uow.ledger.balance("fees", "BNB") == D("0.00000000000001")
        assert uow.ledger.balance("wallet", "BTC") == D(0)
        uow.ledger.post(fill=fill(trade_id=3), lines=[], now=NOW)
        with pytest.raises(ConstraintViolatedError):
            uow.ledger.post(fill=first, lines=fill_entry(first).lines, now=NOW)


def test_the_course_of_a_position_is_what_it_was_after_each_of_its_newest_trades(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        assert uow.ledger.position_course("BTCUSDT", since=0, fills_max=5) == position_course(D(0), newest_first=[])
        uow.ledger.save_position(position(quantity=D("0.5")))
        assert uow.ledger.position_course("BTCUSDT", since=0, fills_max=5) == position_course(D("0.5"), newest_first=[])
        for number, side in ((3, Side.BUY), (1, Side.BUY), (2, Side.SELL)):
            uow.ledger.add_fill(fill(trade_id=number, side=side, quantity=D(number)))
        uow.ledger.add_fill(fill(trade_id=9, symbol="ETHUSDT"))
        found = uow.ledger.position_course("BTCUSDT", since=1, fills_max=2)
        assert found == position_course(D("0.5"), newest_first=[D(3), D(-2)])
        assert [low for low, _ in found.spans] == [D("-2.5"), D("-0.5"), D("0.5")]
        assert uow.ledger.position_course("BTCUSDT", since=0, fills_max=2) is None
        assert [each.trade_id for each in uow.ledger.fills_since("BTCUSDT", 2, limit=5)] == [3, 2]
        assert [each.trade_id for each in uow.ledger.fills_since("BTCUSDT", 1, limit=2)] == [3, 2]


def test_a_position_is_marked_at_its_newest_trade_that_is_old_enough(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        uow.ledger.save_position(position())
        uow.ledger.save_position(position("ETHUSDT", quantity=D(0)))
        uow.ledger.save_position(position("XRPUSDT"))
        for number, seconds in ((1, 0), (2, 10), (3, 15), (4, 20)):
            uow.ledger.add_fill(fill(trade_id=number, traded_at=later(seconds)))
        uow.ledger.add_fill(fill(trade_id=7, symbol="ETHUSDT", traded_at=later(-60)))
        assert uow.ledger.position_marks(lag=timedelta(seconds=5)) == {
            "BTCUSDT": PositionMark(quantity=D("-0.25"), since=3),
            "ETHUSDT": PositionMark(quantity=D(0), since=0),
            "XRPUSDT": PositionMark(quantity=D("-0.25"), since=0),
        }
        assert list(uow.ledger.recently_traded(timedelta(seconds=80), limit=5)) == ["BTCUSDT", "ETHUSDT"]
        assert list(uow.ledger.recently_traded(timedelta(seconds=80), limit=1)) == ["BTCUSDT"]
        assert list(uow.ledger.recently_traded(timedelta(seconds=60), limit=5)) == ["BTCUSDT"]


def test_the_course_of_the_wallet_reaches_over_all_that_its_newest_lines_moved(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        assert uow.ledger.wallet_mark("USDT", before=NOW) == 0
        assert uow.ledger.wallet_course("USDT", since=0) == wallet_course(D(0), gained=D(0), lost=D(0))
        uow.ledger.post_entry(adoption_entry(name="opening", asset="USDT", amount=D(100)), now=NOW)
        opening = uow.ledger.wallet_mark("USDT", before=later(-5))
        assert opening == uow.ledger.wallet_mark("USDT", before=later(1)) > 0
        for number, amount in ((1, D(-3)), (2, D(5)), (3, D(-1))):
            entry = funding_entry(symbol="BTCUSDT", transaction_id=number, asset="USDT", amount=amount)
            uow.ledger.post_entry(entry, now=later(10 * number))
        assert uow.ledger.wallet_course("USDT", since=opening) == wallet_course(D(101), gained=D(5), lost=D(-4))
        first = uow.ledger.wallet_mark("USDT", before=later(20))
        assert uow.ledger.wallet_course("USDT", since=first) == wallet_course(D(101), gained=D(5), lost=D(-1))
        newest = uow.ledger.wallet_mark("USDT", before=later(99))
        assert uow.ledger.wallet_course("USDT", since=newest).spans == [(D(101), D(101))]


def test_the_account_is_unknown_until_the_exchange_has_told(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        assert uow.ledger.lock_account() is None
        assert uow.ledger.account() is None
        uow.ledger.save_account(account())
        uow.ledger.save_account(account(available_balance=D("1")))
        uow.commit()
    with begin() as uow:
        assert uow.ledger.lock_account() == account(available_balance=D("1")) == uow.ledger.account()


def test_exposure_counts_positions_and_what_live_entries_may_still_add(begin: UnitOfWorkFactory) -> None:
    reserving = [
        order(None, quantity=D(2), booked_quantity=D("0.5"), limit_price=D(100)),  # +150
        order(None, symbol="ETHUSDT", side=Side.SELL, quantity=D(3), limit_price=D(10)),  # -30, at mark -36
        # Ended, of its fills one half is not in the position yet: +25
        order(
            None,
            state=OrderState.PARTIALLY_FILLED,
            quantity=D(4),
            executed_quantity=D("0.5"),
            booked_quantity=D("0.25"),
            limit_price=D(100),
        ),
    ]
    silent = [
        order(None, purpose=OrderPurpose.EXIT, quantity=D(5)),
        order(None, symbol="XRPUSDT", state=OrderState.FILLED, executed_quantity=D("0.5"), booked_quantity=D("0.5")),
    ]
    with begin() as uow:
        nothing = uow.ledger.exposure("BTCUSDT", {})
        for each in [*reserving, *silent]:
            uow.orders.add(each)
        uow.ledger.save_position(position("BTCUSDT", quantity=D(-1), entry_price=D(90)))
        uow.ledger.save_position(position("SOLUSDT", quantity=D(10), entry_price=D(7)))
        uow.ledger.lock_position("ADAUSDT")
        found = uow.ledger.exposure("BTCUSDT", {"ETHUSDT": D(12), "SOLUSDT": D("7.5")})
    assert (nothing.open_symbols, nothing.gross_notional) == (frozenset(), D(0))
    assert found.open_symbols == {"BTCUSDT", "ETHUSDT", "SOLUSDT"}
    assert found.symbol_notional == D(-90) + D(150) + D(25)
    assert found.net_notional == D(85) - D(36) + D(75)
    assert found.gross_notional == D(90) + D(150) + D(25) + D(36) + D(75)


def test_what_may_still_come_to_nothing_is_told_apart_by_side(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        uow.ledger.save_position(position("BTCUSDT", quantity=D(9), entry_price=D(100)))
        for each in (
            # Half of the buy is executed: that half will be booked whatever becomes of the rest.
            order(None, quantity=D(2), executed_quantity=D(1), booked_quantity=D("0.5"), limit_price=D(100)),
            order(None, side=Side.SELL, quantity=D(8), limit_price=D(100)),
            order(None, symbol="ETHUSDT", side=Side.SELL, quantity=D(3), limit_price=D(10)),
            order(
                None,
                state=OrderState.PARTIALLY_FILLED,
                side=Side.SELL,
                quantity=D(4),
                executed_quantity=D(1),
                limit_price=D(100),
            ),
        ):
            uow.orders.add(each)
        found = uow.ledger.exposure("BTCUSDT", {})
    assert found.symbol_notional == D(900) + D(150) - D(800) - D(100)
    assert (found.symbol_pending_buys, found.symbol_pending_sells) == (D(100), D(-800))
    assert (found.net_pending_buys, found.net_pending_sells) == (D(100), D(-830))
    assert found.symbol_against(Side.BUY) == D(900) + D(150) - D(100)
    assert found.symbol_against(Side.SELL) == D(900) + D(50) - D(800) - D(100)
    assert found.net_against(Side.BUY) == D(900) + D(150) - D(100)


def test_what_was_realised_since_is_net_of_fees_in_usdt(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        assert uow.ledger.realised_since(NOW) == D(0)
        uow.ledger.add_fill(fill(trade_id=1, traded_at=later(-1), realised_pnl=D(100)))
        uow.ledger.add_fill(fill(trade_id=2, realised_pnl=D("7.00000001"), fee=D("0.5")))
        uow.ledger.add_fill(fill(trade_id=3, realised_pnl=D("-2"), fee=D("3"), fee_asset="BNB"))
        assert uow.ledger.realised_since(NOW) == D("4.50000001")


def test_the_first_equity_of_the_day_is_found(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        assert uow.ledger.equity_at_or_after(NOW) is None
        for seconds in (-1, 0, 1):
            uow.ledger.record_equity(at=later(seconds), equity=D(100 + seconds), wallet=D(1), unrealised=D(0))
        uow.ledger.record_equity(at=NOW, equity=D(999), wallet=D(1), unrealised=D(0))
        assert uow.ledger.equity_at_or_after(NOW) == D(100)
        assert uow.ledger.equity_at_or_after(NOW + timedelta(microseconds=1)) == D(101)


def test_an_entry_of_its_own_name_is_booked_once(begin: UnitOfWorkFactory) -> None:
    paid = funding_entry(symbol="BTCUSDT", transaction_id=7, asset="USDT", amount=D("-0.12345678"))
    with begin() as uow:
        assert uow.ledger.post_entry(paid, now=NOW) is True
        assert uow.ledger.post_entry(paid, now=later(1)) is False
        uow.commit()
    with begin() as uow:
        assert uow.ledger.post_entry(paid, now=later(2)) is False
        assert uow.ledger.balance("wallet", "USDT") == D("-0.12345678")
        assert uow.ledger.balance("funding", "USDT") == D("0.12345678")


def test_the_books_are_untouched_until_something_is_booked(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        assert uow.ledger.is_untouched()
        uow.ledger.post_entry(adoption_entry(name="opening", asset="USDT", amount=D(1000)), now=NOW)
        assert not uow.ledger.is_untouched()


def test_the_books_are_touched_by_the_first_order(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        uow.orders.add(order(None))
        assert not uow.ledger.is_untouched()
