"""Collect fills that the stream did not bring in time, by asking the exchange for its trades."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from app.domain.fills import Fill, FillSource
from app.domain.orders import Order
from app.flow import Happening
from app.ports import Clock, Exchange, ExchangeTrade, HintLatch, Lane, RateBudget, TaskQueue, UnitOfWorkFactory
from app.services.book_fills import BookFills
from app.services.correlation import speak_of
from app.services.hints import announce_again

log = structlog.get_logger(__name__)

TRADES_WEIGHT = 5
# The newest trades of a symbol end the waiting of all its orders at once: with the stream down and twenty fills a
# second, asking for each order by itself would cost six thousand of weight a minute.
TRADES_PAGE = 1_000
WAITING_MAX = 500  # orders looked for in one answer
ASKED_JUST_NOW_MS = 500


@dataclass(frozen=True, slots=True)
class CollectFills:
    """Use case of `orders.collect_fills`; raises `ExchangeError` when not answered (the sweep repeats)."""

    unit_of_work: UnitOfWorkFactory
    exchange: Exchange
    budget: RateBudget
    tasks: TaskQueue
    latch: HintLatch
    clock: Clock
    book: BookFills

    def __call__(self, order_id: uuid.UUID) -> int:
        """How many fills were new, those of other orders in the same symbol included."""
        order = self._waiting(order_id)
        if order is None:
            return 0
        if not self.latch.claim_hint(f"collect:{order.symbol}", ASKED_JUST_NOW_MS):
            # Whoever asks for this symbol right now most likely brings these fills too; if not, our turn is next.
            self._come_back(order_id, ASKED_JUST_NOW_MS / 1000)
            return 0
        if not self._may_ask(order_id):
            return 0
        booked = self._book(self.exchange.trades(order.symbol, limit=TRADES_PAGE))
        if self._waiting(order_id) is not None:
            booked += self._collect_one(order_id)
        return booked

    def _collect_one(self, order_id: uuid.UUID) -> int:
        """The order's own trades, when a thousand newer ones have come since."""
        with self.unit_of_work() as uow:
            attempts = uow.orders.attempts(order_id)
        booked = 0
        for attempt in attempts:
            if attempt.exchange_order_id is None or not attempt.executed_quantity:
                continue
            if not self._may_ask(order_id):
                return booked
            booked += self._book(self.exchange.trades(attempt.symbol, order_id=attempt.exchange_order_id))
        return booked

    def _waiting(self, order_id: uuid.UUID) -> Order | None:
        """The order, while an execution of it has not reached the books."""
        with self.unit_of_work() as uow:
            order = uow.orders.get(order_id)
            speak_of(None if order is None else order.correlation_id)
        return order if order is not None and order.executed_quantity > order.booked_quantity else None

    def _may_ask(self, order_id: uuid.UUID) -> bool:
        wait = self.budget.acquire(weight=TRADES_WEIGHT, orders=0, lane=Lane.BOOKS)
        if wait is not None:
            log.info("fills_wait_for_budget", order_id=str(order_id), seconds=wait.seconds, reason=wait.reason)
            self._come_back(order_id, wait.seconds)
        return wait is None

    def _come_back(self, order_id: uuid.UUID, seconds: float) -> None:
        announce_again(self.tasks, self.latch, Happening.FILLS_MISSING, order_id, priority=3, seconds=seconds)

    def _book(self, trades: Sequence[ExchangeTrade]) -> int:
        """Book what belongs to orders that wait for it; trades of nobody are reconciliation's business."""
        with self.unit_of_work() as uow:
            waiting = {
                (attempt.symbol, attempt.exchange_order_id): attempt
                for order in uow.orders.unbooked(limit=WAITING_MAX)
                for attempt in uow.orders.attempts(order.order_id)
                if attempt.exchange_order_id is not None
            }
        booked = 0
        for trade in trades:
            attempt = waiting.get((trade.symbol, trade.exchange_order_id))
            if attempt is not None:
                fill = fill_of(trade, source=FillSource.TRADES)
                booked += self.book([replace(fill, client_order_id=attempt.client_order_id, order_id=attempt.order_id)])
        return booked


def fill_of(trade: ExchangeTrade, *, source: FillSource) -> Fill:
    """The trade as a fill; whose it was is for the caller to say, or for the books to find out."""
    return Fill(
        symbol=trade.symbol,
        trade_id=trade.trade_id,
        exchange_order_id=trade.exchange_order_id,
        client_order_id=None,
        order_id=None,
        side=trade.side,
        price=trade.price,
        quantity=trade.quantity,
        fee=trade.fee,
        fee_asset=trade.fee_asset,
        realised_pnl=trade.realised_pnl,
        is_maker=trade.is_maker,
        traded_at=trade.traded_at,
        source=source,
    )
