"""Reconcile: compare our books with the exchange's, adopt what is missing, and stop when two passes explain nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from app.domain import ledger
from app.domain.fills import FillSource
from app.domain.money import plain
from app.domain.reconciliation import WALLET, Difference, at_rest, compare, lasting
from app.domain.triggers.ledger_mismatch import read_lasting_differences
from app.ports import Clock, Exchange, ExchangeIncome, ExchangeTrade, Lane, RateBudget, UnitOfWork, UnitOfWorkFactory
from app.services.book_fills import BookFills
from app.services.collect_fills import fill_of
from app.services.trip_ess import TripEss
from app.services.watch_account import readings_as_json

log = structlog.get_logger(__name__)

LOOK_WEIGHT = 10  # positions and account
TRADES_WEIGHT = 5
INCOME_WEIGHT = 30
TRADES_PAGE = 500
PAGES_MAX = 20
# Funding comes every few hours; a look back of a day finds what an outage of ours missed.
INCOME_PAGE = 1_000
INCOME_LOOK_BACK = timedelta(days=1)
FROM_FILLS = frozenset({"REALIZED_PNL", "COMMISSION"})  # booked with the fills they belong to
FUNDING_FEE = "FUNDING_FEE"
# Asked for one by one when fills fill the page: every fill is two rows, and the page begins with the oldest.
BESIDE_FILLS = (FUNDING_FEE, "TRANSFER", "INSURANCE_CLEAR")
SETTLEMENT_ASSET = "USDT"
SYSTEM = "reconciliation"
WAITS_AT_MOST = timedelta(seconds=20)  # a third of the time after which the last comparison counts as none
PASS_GAP = timedelta(seconds=2)
EVERYTHING = "*"  # no symbol: something moved that only the wallet shows


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Use case of `account.reconcile`; a second pass after a clean one changes nothing.

    Raises `ExchangeError` when the exchange does not answer: nothing was compared, nothing is concluded.
    """

    unit_of_work: UnitOfWorkFactory
    exchange: Exchange
    budget: RateBudget
    clock: Clock
    book: BookFills
    trip: TripEss

    def __call__(self) -> Sequence[Difference]:
        """What differs after everything missing was adopted; empty when the books agree, or without budget to look."""
        if not self._take_budget(LOOK_WEIGHT):
            return []
        before = self._our_books()
        their_positions = {each.symbol: each.quantity for each in self.exchange.positions()}
        their_wallet = self.exchange.account().wallet_balance
        ours = self._our_books()
        found = ours.compared_with(their_positions, their_wallet)
        if found:
            if not self._adopt(found):
                return found  # not all that may explain it was looked at: nothing is concluded
            ours = self._our_books()
            found = ours.compared_with(their_positions, their_wallet)
        # The exchange answered for a moment that lies between the two: what changed meanwhile says nothing.
        moving = before.busy | ours.busy | before.changed_until(ours)
        found = at_rest(found, moving=moving)
        self._conclude(found)
        return found

    def _take_budget(self, weight: int) -> bool:
        """It can wait, so the reserve is not touched; until it has waited for so long that the stop would not know."""
        if self.budget.acquire(weight=weight, orders=0, lane=Lane.ENTRY) is None:
            return True
        with self.unit_of_work() as uow:
            last = uow.control.last_reconciliation()
        if last is not None and self.clock.now() - last.at <= WAITS_AT_MOST:
            return False
        return self.budget.acquire(weight=weight, orders=0, lane=Lane.BOOKS) is None

    def _our_books(self) -> _Books:
        with self.unit_of_work() as uow:
            return _Books(
                positions={each.symbol: each.quantity for each in uow.ledger.positions() if each.quantity},
                wallet=None if uow.ledger.is_untouched() else uow.ledger.balance(ledger.WALLET, SETTLEMENT_ASSET),
                busy=uow.orders.busy_symbols(),
            )

    def _adopt(self, found: Sequence[Difference]) -> bool:
        """Book trades and income that we have not heard of; never a figure that no record of the exchange carries.

        False when there was no budget to look at all of it.
        """
        looked = True
        for difference in found:
            if difference.symbol is not None:
                looked &= self._adopt_trades(difference.symbol)
            elif difference.subject == WALLET:
                looked &= self._adopt_income()
        return looked

    def _adopt_trades(self, symbol: str) -> bool:
        with self.unit_of_work() as uow:
            last = uow.ledger.last_trade_id(symbol)
        # The newest page closes a hole anywhere in it; older ones are read on from the last trade we know.
        start: int | None = None
        for _ in range(PAGES_MAX):
            if not self._take_budget(TRADES_WEIGHT):
                return False
            trades = self.exchange.trades(symbol, from_id=start, limit=TRADES_PAGE)
            for trade in self._since_opening(trades):
                self.book([fill_of(trade, source=FillSource.RECONCILIATION)])
            if len(trades) < TRADES_PAGE:
                return True
            if start is None:
                # A full newest page: what is missing may be older than all of it.
                start = (last or 0) + 1
            else:
                start = trades[-1].trade_id + 1
        return True

    def _since_opening(self, trades: Sequence[ExchangeTrade]) -> Sequence[ExchangeTrade]:
        """Those that the opening balance and the opening positions do not hold already; our own always count."""
        with self.unit_of_work() as uow:
            opened_at = uow.ledger.opened_at()
            return [
                trade
                for trade in trades
                if (opened_at is not None and trade.traded_at > opened_at)
                or uow.orders.attempt_by_exchange_id(trade.symbol, trade.exchange_order_id) is not None
            ]

    def _adopt_income(self) -> bool:
        since = self.clock.now() - INCOME_LOOK_BACK
        everything = self._income(since, kind=None)
        if everything is None:
            return False
        self._adopt_rows(everything)
        if len(everything) < INCOME_PAGE:
            return True
        for kind in BESIDE_FILLS:
            rows = self._income(since, kind=kind)
            if rows is None:
                return False
            self._adopt_rows(rows)
        return True

    def _income(self, since: datetime, *, kind: str | None) -> Sequence[ExchangeIncome] | None:
        """One page; None without budget."""
        if not self._take_budget(INCOME_WEIGHT):
            return None
        return self.exchange.income(since=since, kind=kind, limit=INCOME_PAGE)

    def _adopt_rows(self, rows: Sequence[ExchangeIncome]) -> None:
        now = self.clock.now()
        for row in rows:
            if row.income_type in FROM_FILLS:
                continue
            with self.unit_of_work() as uow:
                if not self._is_before_opening(uow, row) and uow.ledger.post_entry(_entry_of(row), now=now):
                    log.info("income_adopted", income_type=row.income_type, amount=plain(row.amount), asset=row.asset)
                uow.commit()

    def _is_before_opening(self, uow: UnitOfWork, row: ExchangeIncome) -> bool:
        """Whether the opening balance already holds it."""
        opened_at = uow.ledger.opened_at()
        return opened_at is None or row.at <= opened_at

    def _conclude(self, found: Sequence[Difference]) -> None:
        now = self.clock.now()
        with self.unit_of_work() as uow:
            previous = uow.control.last_reconciliation()
            if previous is not None and now - previous.at < PASS_GAP:
                return  # the stream's gap and beat asked at the same time: one moment is no second witness
            unexplained = lasting(previous, found)
            uow.control.add_reconciliation(found, now=now)
            uow.commit()
        if found:
            log.warning("books_differ", differences=[_as_text(each) for each in found])
        if unexplained:
            reading = read_lasting_differences(unexplained)
            detail = {"readings": readings_as_json([reading])}
            reason = f"{reading.trigger}: {reading.numbers['differences']}"
            self.trip(actor=SYSTEM, reason=reason, automatic=True, detail=detail)


@dataclass(frozen=True, slots=True)
class _Books:
    """Our side at one moment."""

    positions: Mapping[str, Decimal]
    wallet: Decimal | None
    busy: frozenset[str]

    def compared_with(self, their_positions: Mapping[str, Decimal], their_wallet: Decimal) -> Sequence[Difference]:
        return compare(
            our_positions=self.positions,
            their_positions=their_positions,
            our_wallet=self.wallet,
            their_wallet=their_wallet,
        )

    def changed_until(self, later: _Books) -> frozenset[str]:
        """Symbols whose position changed; `EVERYTHING` when only the wallet did."""
        symbols = {*self.positions, *later.positions}
        changed = {symbol for symbol in symbols if self.positions.get(symbol) != later.positions.get(symbol)}
        if self.wallet != later.wallet:
            changed.add(EVERYTHING)
        return frozenset(changed)


def _as_text(difference: Difference) -> str:
    return f"{difference.subject}: ours={plain(difference.ours)}, theirs={plain(difference.theirs)}"


def _entry_of(row: ExchangeIncome) -> ledger.Entry:
    if row.income_type == FUNDING_FEE:
        return ledger.funding_entry(
            symbol=row.symbol, transaction_id=row.transaction_id, asset=row.asset, amount=row.amount
        )
    return ledger.adoption_entry(name=f"{row.income_type}:{row.transaction_id}", asset=row.asset, amount=row.amount)
