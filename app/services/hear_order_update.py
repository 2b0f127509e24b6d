"""Hear what the user stream says of an order: book its fill, and settle its attempt if that is still open."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.fills import Fill
from app.ports import OrderReport, UnitOfWorkFactory
from app.services.book_fills import BookFills
from app.services.settle_attempt import SettleAttempt


@dataclass(frozen=True, slots=True)
class HearOrderUpdate:
    """Safe for events that come twice, late, out of order, or for orders that are not ours."""

    unit_of_work: UnitOfWorkFactory
    book: BookFills
    settle: SettleAttempt

    def __call__(self, report: OrderReport, fill: Fill | None) -> None:
        """One event; raises `DatabaseUnavailableError` when it could not be recorded (reconciliation then finds it)."""
        if fill is not None:
            self.book([fill])
        if not report.is_final:
            return
        with self.unit_of_work() as uow:
            attempt = uow.orders.get_attempt(report.client_order_id)
        if attempt is not None and attempt.state.is_open:
            self.settle(report.client_order_id, report)
