"""Sweep orders: attempts without an answer, remainders whose time has come, executions without their fills."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from app.flow import Happening
from app.ports import Clock, TaskQueue, UnitOfWorkFactory
from app.services.hints import announce

# A worker that lives has its answer within the client's own time-outs; asking beside it is harmless.
UNANSWERED_SECONDS = 3.0
UNBOOKED_SECONDS = 2.0
ROWS_MAX = 200


@dataclass(frozen=True, slots=True)
class SweepOrders:
    """Use case of `orders.sweep`: finds the rows and sends their hints again."""

    unit_of_work: UnitOfWorkFactory
    tasks: TaskQueue
    clock: Clock

    def __call__(self) -> None:
        """Hint every row that waits for longer than a healthy system lets it wait."""
        now = self.clock.now()
        with self.unit_of_work() as uow:
            open_attempts = uow.orders.open_attempts(
                begun_before=now - timedelta(seconds=UNANSWERED_SECONDS), limit=ROWS_MAX
            )
            chases = uow.orders.due_chases(now=now, limit=ROWS_MAX)
            unbooked = [
                order
                for order in uow.orders.unbooked(limit=ROWS_MAX)
                if now - order.created_at > timedelta(seconds=UNBOOKED_SECONDS)
            ]
        for attempt in open_attempts:
            announce(self.tasks, Happening.OUTCOME_UNKNOWN, attempt.client_order_id, priority=0)
        for order in chases:
            announce(self.tasks, Happening.REMAINDER_LEFT, order.order_id, priority=2)
        for order in unbooked:
            announce(self.tasks, Happening.FILLS_MISSING, order.order_id, priority=3)
