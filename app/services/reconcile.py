"""Reconcile: compare our books with the exchange's, adopt what is missing, and stop when two passes explain nothing.

Nothing has to be quiet: an answer is compared with every figure that our books had around its moment (see
`app.domain.reconciliation`), and once more a pass later, when every trade up to that moment is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from app.domain import ledger
from app.domain.fills import FillSource
from app.domain.money import ZERO, plain
from app.domain.reconciliation import (
    WALLET,
    Course,
    Difference,
    Pass,
    PositionMark,
    Reading,
    compare,
    lasting,
)
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
# How far an answer of the exchange about positions or the account may lie behind what it told us elsewhere.
ANSWER_LAG = timedelta(seconds=5)
TRADED_LATELY = timedelta(seconds=60)
SYMBOLS_MAX = 50
FILLS_MAX = 5_000  # of one symbol since the moment of an answer; above that the answer says too little

Compared = Sequence[tuple[Difference, Course]]


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
        """What our books do not explain after everything missing was adopted; empty without budget to look."""
        if not self._take_budget(LOOK_WEIGHT):
            return []
        previous, readings = self._read()
        earlier = [] if previous is None else [each.reading for each in previous.differences]
        current, confirmed = self._compare(readings), self._compare(earlier)
        if current or confirmed:
            if not self._adopt(current, confirmed):
                return [difference for difference, _ in current]  # not all that may explain it was looked at
            current = self._compare([difference.reading for difference, _ in current])
            confirmed = self._compare([difference.reading for difference, _ in confirmed])
        self._conclude(previous, confirmed, current)
        return [difference for difference, _ in current]

    def _take_budget(self, weight: int) -> bool:
        """It can wait, so the reserve is not touched; until it has waited for so long that the stop would not know."""
        if self.budget.acquire(weight=weight, orders=0, lane=Lane.ENTRY) is None:
            return True
        with self.unit_of_work() as uow:
            last = uow.control.last_reconciliation()
        if last is not None and self.clock.now() - last.at <= WAITS_AT_MOST:
            return False
        return self.budget.acquire(weight=weight, orders=0, lane=Lane.BOOKS) is None

    def _read(self) -> tuple[Pass | None, Sequence[Reading]]:
        """The pass before, and what the exchange says of every figure that is not what our books had when we asked."""
        now = self.clock.now()
        with self.unit_of_work() as uow:
            previous = uow.control.last_reconciliation()
            marks = uow.ledger.position_marks(lag=ANSWER_LAG)
            is_open = not uow.ledger.is_untouched()
            line = uow.ledger.wallet_mark(SETTLEMENT_ASSET, before=now - ANSWER_LAG)
        positions = {each.symbol: each.quantity for each in self.exchange.positions()}
        wallet = self.exchange.account().wallet_balance
        flat = PositionMark(quantity=ZERO, since=0)
        readings = [
            Reading(subject=f"position:{symbol}", theirs=theirs, since=mark.since)
            for symbol in sorted({*marks, *positions})
            if (theirs := positions.get(symbol, ZERO)) != (mark := marks.get(symbol, flat)).quantity
        ]
        if is_open:
            readings.append(Reading(subject=WALLET, theirs=wallet, since=line))
        return previous, readings

    def _compare(self, readings: Sequence[Reading]) -> Compared:
        """Those that our books, as they are now, do not explain."""
        found = []
        for reading in readings:
            course = self._course(reading)
            difference = None if course is None else compare(reading, course)
            if course is not None and difference is not None:
                found.append((difference, course))
        return found

    def _course(self, reading: Reading) -> Course | None:
        with self.unit_of_work() as uow:
            if reading.symbol is None:
                return uow.ledger.wallet_course(SETTLEMENT_ASSET, since=reading.since)
            course = uow.ledger.position_course(reading.symbol, since=reading.since, fills_max=FILLS_MAX)
        if course is None:
            log.warning("too_many_fills_to_compare", symbol=reading.symbol, fills_max=FILLS_MAX)
        return course

    def _adopt(self, current: Compared, confirmed: Compared) -> bool:
        """Book trades and income that we have not heard of; never a figure that no record of the exchange carries.

        False when there was no budget to look at all of it.
        """
        since: dict[str, int] = {}
        for each, _ in (*current, *confirmed):
            if each.symbol is not None:
                since[each.symbol] = min(each.since, since.get(each.symbol, each.since))
        money_lasts = any(each.subject == WALLET for each, _ in confirmed)
        if money_lasts:
            # Trades that we never heard of may have left a position as it was, but not the wallet.
            with self.unit_of_work() as uow:
                recent = uow.ledger.recently_traded(TRADED_LATELY, limit=SYMBOLS_MAX)
            since = dict.fromkeys(recent, 0) | since
        looked = True
        for symbol in sorted(since):
            looked &= self._adopt_trades(symbol, since=since[symbol])
        # Trades that are on their way change the wallet too: income costs much to ask for, and waits for a second look.
        if money_lasts or (any(each.subject == WALLET for each, _ in current) and not self._is_busy()):
            looked &= self._adopt_income()
        return looked

    def _is_busy(self) -> bool:
        with self.unit_of_work() as uow:
            return bool(uow.orders.unsettled_symbols(begun_until=self.clock.now()))

    def _adopt_trades(self, symbol: str, *, since: int) -> bool:
        with self.unit_of_work() as uow:
            last = uow.ledger.last_trade_id(symbol)
        # The newest page closes a hole anywhere in it; older ones are read on from the last trade we know.
        start: int | None = None
        for _ in range(PAGES_MAX):
            if not self._take_budget(TRADES_WEIGHT):
                return False
            trades = self.exchange.trades(symbol, from_id=start, limit=TRADES_PAGE)
            for trade in self._since_opening(self._not_in_the_books(trades)):
                self.book([fill_of(trade, source=FillSource.RECONCILIATION)])
            if len(trades) < TRADES_PAGE:
                return True
            if start is None:
                # A full newest page: what is missing may be older than all of it.
                start = (since or last or 0) + 1
            else:
                start = trades[-1].trade_id + 1
        return True

    def _not_in_the_books(self, trades: Sequence[ExchangeTrade]) -> Sequence[ExchangeTrade]:
        """Those that are missing, or that no order of ours has been given yet."""
        if not trades:
            return []
        with self.unit_of_work() as uow:
            booked = uow.ledger.fills_since(trades[0].symbol, trades[0].trade_id, limit=FILLS_MAX)
        whole = {fill.trade_id for fill in booked if fill.order_id is not None}
        return [trade for trade in trades if trade.trade_id not in whole]

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

    def _conclude(self, previous: Pass | None, confirmed: Compared, current: Compared) -> None:
        now = self.clock.now()
        found = [difference for difference, _ in current]
        with self.unit_of_work() as uow:
            newest = uow.control.last_reconciliation()
            if newest is not None and (newest != previous or now - newest.at < PASS_GAP):
                return  # the stream's gap and beat asked at the same time: one moment is no second witness
            unsettled = frozenset() if previous is None else uow.orders.unsettled_symbols(begun_until=previous.at)
            unexplained = lasting(confirmed, current, unsettled=unsettled)
            uow.control.add_reconciliation(found, now=now)
            uow.commit()
        if found:
            log.warning("books_differ", differences=[_as_text(each) for each in found])
        if unexplained:
            reading = read_lasting_differences(unexplained)
            detail = {"readings": readings_as_json([reading])}
            reason = f"{reading.trigger}: {reading.numbers['differences']}"
            self.trip(actor=SYSTEM, reason=reason, automatic=True, detail=detail)


def _as_text(difference: Difference) -> str:
    return f"{difference.subject}: ours={plain(difference.ours)}, theirs={plain(difference.theirs)}"


def _entry_of(row: ExchangeIncome) -> ledger.Entry:
    if row.income_type == FUNDING_FEE:
        return ledger.funding_entry(
            symbol=row.symbol, transaction_id=row.transaction_id, asset=row.asset, amount=row.amount
        )
    return ledger.adoption_entry(name=f"{row.income_type}:{row.transaction_id}", asset=row.asset, amount=row.amount)
