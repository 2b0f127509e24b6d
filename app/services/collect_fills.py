"""Collect the fills of an order that the stream did not bring in time, by asking the exchange for its trades."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from app.domain.fills import Fill, FillSource
from app.flow import Happening
from app.ports import Clock, Exchange, HintLatch, Lane, RateBudget, TaskQueue, UnitOfWorkFactory
from app.services.book_fills import BookFills
from app.services.hints import announce_again

TRADES_WEIGHT = 5


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
        """How many fills were new."""
        with self.unit_of_work() as uow:
            order = uow.orders.get(order_id)
            if order is None or order.executed_quantity <= order.booked_quantity:
                return 0
            attempts = uow.orders.attempts(order_id)
        booked = 0
        for attempt in attempts:
            if attempt.exchange_order_id is None or not attempt.executed_quantity:
                continue
            wait = self.budget.acquire(weight=TRADES_WEIGHT, orders=0, lane=Lane.SAFETY)
            if wait is not None:
                announce_again(
                    self.tasks, self.latch, Happening.FILLS_MISSING, order_id, priority=3, seconds=wait.seconds
                )
                return booked
            trades = self.exchange.trades(order.symbol, order_id=attempt.exchange_order_id)
            booked += self.book(
                [
                    Fill(
                        symbol=trade.symbol,
                        trade_id=trade.trade_id,
                        exchange_order_id=trade.exchange_order_id,
                        client_order_id=attempt.client_order_id,
                        order_id=order_id,
                        side=trade.side,
                        price=trade.price,
                        quantity=trade.quantity,
                        fee=trade.fee,
                        fee_asset=trade.fee_asset,
                        realised_pnl=trade.realised_pnl,
                        is_maker=trade.is_maker,
                        traded_at=trade.traded_at,
                        source=FillSource.TRADES,
                    )
                    for trade in trades
                ]
            )
        return booked
