"""Reconciliation of an account that is never quiet: what differs is found, and trading is no difference."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from app.domain.ess import EssState
from app.domain.fills import FillSource
from app.domain.ledger import adoption_entry
from app.domain.market import AccountSnapshot, ExchangePosition
from app.domain.signals import Side
from app.ports import ExchangeTrade
from app.services.collect_fills import fill_of
from tests.support.desk import Desk
from tests.unit.domain.builders import make_account
from tests.unit.services.test_reconcile import held

D = Decimal
PASSES = 10
FOUND_WITHIN = 6  # passes
SMALL_FOUND_WITHIN = 30
ANSWER_LAG_SECONDS_MAX = 4.9
LIST_LAG_SECONDS_MAX = 2.0
SYMBOLS = ("BTCUSDT", "ETHUSDT")


class Bustle:
    """A desk whose symbols trade all the time, before, between and during the questions of reconciliation.

    Trades are booked late, in any order, by the stream. With `lags`, answers about positions and the account are as old
    as they may be, and the list of trades does not have the newest yet.
    """

    def __init__(self, seed: int, *, lags: bool) -> None:
        self.random = random.Random(seed)
        self.lags = lags
        self.desk = Desk()
        self.invented: dict[str, Decimal] = {}  # what the exchange holds and has no trade for
        self.lost = D(0)  # what is missing in its wallet
        self.history: list[ExchangeTrade] = []
        self.told: list[ExchangeTrade] = []
        with self.desk.unit_of_work() as uow:
            opening = adoption_entry(name="opening", asset="USDT", amount=D(10_000))
            uow.ledger.post_entry(opening, now=self.desk.clock.now())
            uow.commit()
        self.desk.later(1)
        exchange = self.desk.exchange
        exchange.positions = self.positions  # type: ignore[method-assign]
        exchange.account = self.account  # type: ignore[method-assign]
        exchange.trades = self.trades  # type: ignore[method-assign]

    def go_on(self) -> None:
        """A moment of trading: some trades happen, some of what happened is heard of."""
        for _ in range(self.random.randint(0, 4)):
            self.desk.later(self.random.choice((0, 0.001, 0.02, 0.2)))
            if self.random.random() < 0.6:
                self.trade()
            else:
                self.hear()

    def trade(self) -> None:
        symbol, side = self.random.choice(SYMBOLS), self.random.choice(list(Side))
        number = len(self.history) + 1
        self.history.append(
            ExchangeTrade(
                symbol=symbol,
                trade_id=number,
                exchange_order_id=10_000 + number,
                side=side,
                price=D(100),
                quantity=D(self.random.randint(1, 9)) / 1000,
                fee=D("0.0001"),
                fee_asset="USDT",
                realised_pnl=D(self.random.randint(-5, 5)) / 10_000,
                is_maker=False,
                traded_at=self.desk.clock.now(),
            )
        )

    def hear(self) -> None:
        missing = [each for each in self.history[-12:] if each not in self.told]
        if missing:
            trade = self.random.choice(missing)
            self.told.append(trade)
            self.desk.book([fill_of(trade, source=FillSource.STREAM)])

    def counted(self) -> Sequence[ExchangeTrade]:
        """What an answer of now has counted."""
        lag = self.random.uniform(0, ANSWER_LAG_SECONDS_MAX) if self.lags else 0
        until = self.desk.clock.now() - timedelta(seconds=lag)
        return [each for each in self.history if each.traded_at <= until]

    def positions(self) -> Sequence[ExchangePosition]:
        self.go_on()
        quantities = dict(self.invented)
        for each in self.counted():
            quantities[each.symbol] = quantities.get(each.symbol, D(0)) + each.quantity * each.side.sign
        self.go_on()
        return [held(symbol, quantity) for symbol, quantity in quantities.items() if quantity]

    def account(self) -> AccountSnapshot:
        self.go_on()
        wallet = D(10_000) - self.lost + sum((each.realised_pnl - each.fee for each in self.counted()), D(0))
        self.go_on()
        return make_account(wallet_balance=wallet, observed_at=self.desk.clock.now())

    def trades(
        self, symbol: str, *, from_id: int | None = None, order_id: int | None = None, limit: int = 500
    ) -> Sequence[ExchangeTrade]:
        self.go_on()
        until: datetime = self.desk.clock.now()
        if self.lags:
            until -= timedelta(seconds=self.random.uniform(0, LIST_LAG_SECONDS_MAX))
        found = [each for each in self.history if each.symbol == symbol and each.traded_at <= until]
        if from_id is not None:
            return [each for each in found if each.trade_id >= from_id][:limit]
        return found[-limit:]

    def passes(self) -> None:
        """One reconciliation, and everything that happens until the next."""
        self.desk.reconcile()
        for _ in range(5):
            self.go_on()
            self.desk.later(0.6)

    def is_stopped(self) -> bool:
        return self.desk.stop().state is EssState.TRIPPED


def busy(seed: int, *, lags: bool) -> Bustle:
    bustle = Bustle(seed, lags=lags)
    for _ in range(4):
        bustle.passes()
    return bustle


@pytest.mark.parametrize("lags", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_trading_is_no_difference_whatever_comes_between_the_questions(seed: int, lags: bool) -> None:
    bustle = Bustle(seed, lags=lags)
    for _ in range(PASSES):
        bustle.passes()
    assert len(bustle.history) > 40
    assert not bustle.is_stopped(), bustle.desk.stop().trip_reason


@pytest.mark.parametrize("lags", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_an_invented_position_of_a_symbol_that_never_rests_stops_trading(seed: int, lags: bool) -> None:
    bustle = busy(seed, lags=lags)
    bustle.invented["BTCUSDT"] = D("0.123")
    for _ in range(FOUND_WITHIN):
        bustle.passes()
    assert bustle.is_stopped()
    assert bustle.desk.stop().trip_reason.startswith("LEDGER_MISMATCH: position:BTCUSDT: ")
    assert "ETHUSDT" not in bustle.desk.stop().trip_reason


@pytest.mark.parametrize("seed", range(20))
def test_an_invented_difference_as_small_as_one_trade_is_found_too(seed: int) -> None:
    bustle = busy(seed, lags=False)
    bustle.invented["ETHUSDT"] = D("-0.002")
    passes = 0
    while not bustle.is_stopped() and passes < SMALL_FOUND_WITHIN:
        bustle.passes()
        passes += 1
    assert bustle.is_stopped()
    print(f"found in pass {passes}")


@pytest.mark.parametrize("lags", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_money_that_is_missing_while_everything_trades_stops_trading(seed: int, lags: bool) -> None:
    bustle = busy(seed, lags=lags)
    bustle.lost = D(1)  # more than all that the wallet moves in some seconds
    for _ in range(FOUND_WITHIN):
        bustle.passes()
    assert bustle.is_stopped()
    assert "wallet: " in bustle.desk.stop().trip_reason
