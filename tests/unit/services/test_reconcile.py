"""Reconciliation: adopts what the exchange can show a record of, invents nothing, stops on what lasts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from app.domain.ess import EssState
from app.domain.ledger import adoption_entry
from app.domain.market import ExchangePosition
from app.domain.signals import Side
from app.ports import ExchangeIncome, ExchangeTrade, Lane, Unknown, Wait
from tests.fakes.exchange import Fills, LosesReply
from tests.support.desk import Desk
from tests.unit.domain.builders import make_account

D = Decimal


def held(symbol: str, quantity: Decimal) -> ExchangePosition:
    return ExchangePosition(
        symbol=symbol, quantity=quantity, entry_price=D(50_000), mark_price=D(50_000), unrealised_pnl=D(0)
    )


def opened(desk: Desk, balance: str = "10000") -> None:
    a_moment_ago = desk.clock.now() - timedelta(seconds=1)
    with desk.unit_of_work() as uow:
        uow.ledger.post_entry(adoption_entry(name="opening", asset="USDT", amount=D(balance)), now=a_moment_ago)
        uow.commit()


def told(desk: Desk, wallet: Decimal | str) -> None:
    desk.exchange.account_snapshot = make_account(wallet_balance=D(wallet), observed_at=desk.clock.now())


def wallet_of(desk: Desk) -> Decimal:
    with desk.unit_of_work() as uow:
        return uow.ledger.balance("wallet", "USDT")


def test_books_that_agree_change_nothing():
    desk = Desk()
    opened(desk)
    told(desk, "10000")
    before = desk.database.state.lines
    assert desk.reconcile() == []
    assert desk.reconcile() == []
    assert desk.database.state.lines == before
    assert desk.stop().state is EssState.ARMED


def test_a_fill_that_nobody_told_us_of_is_booked_to_its_order():
    desk = Desk()
    opened(desk)
    desk.exchange.script(LosesReply(but=Fills()))
    desk.placed(desk.signal("a"))
    (attempt,) = desk.attempts_of("a")
    desk.later(1)
    desk.resolve(attempt.client_order_id)
    order = desk.order_of("a")
    desk.exchange.held_positions = [held("BTCUSDT", order.quantity)]
    fee = desk.exchange.trades("BTCUSDT")[0].fee
    told(desk, D(10_000) - fee)
    assert desk.reconcile() == []
    (fill,) = desk.fills_of("a")
    assert (fill.source.value, fill.adopted, fill.quantity) == ("RECONCILIATION", False, order.quantity)
    assert desk.order_of("a").booked_quantity == order.quantity
    assert wallet_of(desk) == D(10_000) - fee


def test_a_trade_of_a_strangers_order_is_adopted_and_marked():
    desk = Desk()
    opened(desk)
    desk.exchange.script(Fills())
    desk.placed(desk.signal("a"))
    order = desk.order_of("a")
    desk.collect(order.order_id)
    stranger = replace(desk.exchange.trades("BTCUSDT")[0], trade_id=99, exchange_order_id=12345, fee=D(0))
    desk.exchange._account.trades.append(stranger)
    desk.exchange.held_positions = [held("BTCUSDT", order.quantity * 2)]
    told(desk, wallet_of(desk))
    assert desk.reconcile() == []
    fill = desk.database.state.fills["BTCUSDT", 99]
    assert (fill.adopted, fill.order_id) == (True, None)
    assert desk.position("BTCUSDT").quantity == order.quantity * 2


def test_a_funding_payment_is_booked_once():
    desk = Desk()
    opened(desk)
    desk.later(10)
    desk.exchange.income_rows = [
        ExchangeIncome(
            symbol="BTCUSDT",
            income_type="FUNDING_FEE",
            amount=D("-0.5"),
            asset="USDT",
            at=desk.clock.now(),
            transaction_id=7,
        ),
        ExchangeIncome(
            symbol="BTCUSDT",
            income_type="COMMISSION",
            amount=D("-1"),
            asset="USDT",
            at=desk.clock.now(),
            transaction_id=8,
        ),
    ]
    told(desk, "9999.5")
    assert desk.reconcile() == []
    assert desk.reconcile() == []
    assert wallet_of(desk) == D("9999.5")
    with desk.unit_of_work() as uow:
        assert uow.ledger.balance("funding", "USDT") == D("0.5")


def test_a_difference_that_nothing_explains_trips_only_when_a_second_pass_sees_it_again():
    desk = Desk()
    opened(desk)
    told(desk, "10000")
    desk.exchange.held_positions = [held("BTCUSDT", D("0.7"))]
    assert [each.subject for each in desk.reconcile()] == ["position:BTCUSDT"]
    assert desk.stop().state is EssState.ARMED
    desk.later(5)
    desk.reconcile()
    stop = desk.stop()
    assert stop.state is EssState.TRIPPED
    assert stop.trip_reason == "LEDGER_MISMATCH: position:BTCUSDT: ours=0, theirs=0.7"
    assert desk.position("BTCUSDT") is None


def test_a_difference_that_goes_away_trips_nothing():
    desk = Desk()
    opened(desk)
    told(desk, "10000")
    for quantity in (D("0.7"), D(0), D("0.7"), D(0)):
        desk.exchange.held_positions = [held("BTCUSDT", quantity)] if quantity else []
        desk.reconcile()
        desk.later(5)
    assert desk.stop().state is EssState.ARMED


def test_what_is_still_unknown_explains_its_own_symbol():
    desk = Desk()
    opened(desk)
    told(desk, "10000")
    desk.exchange.script(Unknown(reason="read timed out"))
    desk.placed(desk.signal("a"))
    desk.exchange.held_positions = [held("BTCUSDT", D("0.01"))]
    for _ in range(3):
        desk.reconcile()
        desk.later(1)
    assert desk.stop().state is EssState.ARMED


def test_a_wallet_that_lost_money_without_a_record_trips():
    desk = Desk()
    opened(desk)
    told(desk, "9000")
    desk.reconcile()
    desk.later(5)
    desk.reconcile()
    assert desk.stop().state is EssState.TRIPPED
    assert "wallet: ours=10000, theirs=9000" in desk.stop().trip_reason


def test_a_trade_adopted_before_its_attempt_was_answered_is_given_to_its_order_afterwards():
    desk = Desk()
    opened(desk)
    desk.exchange.script(LosesReply(but=Fills()))
    desk.placed(desk.signal("a"))
    (attempt,) = desk.attempts_of("a")
    desk.exchange.held_positions = [held("BTCUSDT", attempt.quantity)]
    fee = desk.exchange.trades("BTCUSDT")[0].fee
    told(desk, D(10_000) - fee)
    # Nothing but our id connects the trade with the attempt yet, and the trade list does not carry it.
    desk.reconcile()
    assert desk.position("BTCUSDT").quantity == attempt.quantity
    desk.later(1)
    desk.resolve(attempt.client_order_id)
    order = desk.order_of("a")
    desk.collect(order.order_id)
    assert desk.order_of("a").booked_quantity == order.quantity
    (fill,) = desk.fills_of("a")
    assert (fill.adopted, fill.client_order_id) == (False, attempt.client_order_id)
    assert desk.position("BTCUSDT").quantity == attempt.quantity
    assert wallet_of(desk) == D(10_000) - fee
    assert desk.collect(order.order_id) == 0


def test_a_fill_booked_while_we_asked_is_no_difference_however_often_it_happens():
    desk = Desk()
    opened(desk)
    told(desk, "10000")

    class Overtaken(type(desk.exchange)):
        """Answers with the positions of before a fill that is booked while the answer travels."""

        def positions(self):
            before = list(self.held_positions)
            if not desk.attempts_of("a"):
                desk.placed(desk.signal("a"))
                desk.collect(desk.order_of("a").order_id)
            return before

    desk.exchange.__class__ = Overtaken
    desk.reconcile()
    # A second pass that read at the same moment as the first: its answer is as old, and so is its difference.
    desk.later(5)
    with desk.unit_of_work() as uow:
        seen = uow.control.last_reconciliation()
    assert [each.subject for each in seen.differences] == []
    assert desk.stop().state is EssState.ARMED


def test_two_looks_at_the_same_moment_are_one_pass():
    desk = Desk()
    opened(desk)
    told(desk, "10000")
    desk.exchange.held_positions = [held("BTCUSDT", D("0.7"))]
    desk.reconcile()
    desk.later(0.5)
    desk.reconcile()
    assert desk.stop().state is EssState.ARMED
    desk.later(2)
    desk.reconcile()
    assert desk.stop().state is EssState.TRIPPED


def stranger(desk: Desk, trade_id: int, *, at, side: Side = Side.BUY, quantity: str = "1", pnl: str = "0"):
    return ExchangeTrade(
        symbol="BTCUSDT",
        trade_id=trade_id,
        exchange_order_id=10_000 + trade_id,
        side=side,
        price=D(50_000),
        quantity=D(quantity),
        fee=D(5),
        fee_asset="USDT",
        realised_pnl=D(pnl),
        is_maker=False,
        traded_at=at,
    )


def test_trades_from_before_the_opening_balance_are_not_booked_a_second_time():
    desk = Desk()
    before = desk.clock.now()
    desk.exchange._account.trades += [
        stranger(desk, 1, at=before),
        stranger(desk, 2, at=before, side=Side.SELL, pnl="250"),
    ]
    desk.later(60)
    opened(desk)
    desk.later(60)
    desk.exchange._account.trades.append(stranger(desk, 3, at=desk.clock.now()))
    desk.exchange.held_positions = [held("BTCUSDT", D(1))]
    told(desk, "9995")
    assert desk.reconcile() == []
    assert set(desk.database.state.fills) == {("BTCUSDT", 3)}
    assert wallet_of(desk) == D(9_995)


def test_funding_is_found_behind_a_thousand_rows_of_fills():
    desk = Desk()
    opened(desk)
    desk.later(10)
    rows = [
        ExchangeIncome(
            symbol="BTCUSDT",
            income_type="COMMISSION",
            amount=D("-1"),
            asset="USDT",
            at=desk.clock.now(),
            transaction_id=number,
        )
        for number in range(1_000)
    ]
    desk.later(10)
    paid = replace(rows[0], income_type="FUNDING_FEE", amount=D("-0.5"), transaction_id=7_000, at=desk.clock.now())
    desk.exchange.income_rows = [*rows, paid]
    told(desk, "9999.5")
    assert desk.reconcile() == []
    assert wallet_of(desk) == D("9999.5")


def test_without_budget_to_look_for_an_explanation_nothing_is_concluded():
    desk = Desk()
    opened(desk)
    told(desk, "9000")
    for _ in range(3):
        desk.budget.acquire = lambda *, weight, orders, lane: None if weight == 10 else Wait(seconds=1, reason="weight")
        desk.reconcile()
        desk.later(5)
    assert desk.stop().state is EssState.ARMED


def test_books_that_were_not_compared_for_a_while_are_compared_from_the_reserve():
    desk = Desk()
    opened(desk)
    told(desk, "10000")
    desk.reconcile()
    with desk.unit_of_work() as uow:
        first = uow.control.last_reconciliation()
    desk.later(15)
    desk.budget.refuse(Wait(seconds=1, reason="redis away"))
    desk.reconcile()
    with desk.unit_of_work() as uow:
        assert uow.control.last_reconciliation() == first
    desk.later(6)
    desk.budget.refuse(Wait(seconds=1, reason="redis away"))
    desk.reconcile()
    with desk.unit_of_work() as uow:
        assert uow.control.last_reconciliation().at == desk.clock.now()
    assert desk.budget.acquired[-1] == (10, 0, Lane.BOOKS)
