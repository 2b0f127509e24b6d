"""The chaos command's comparison really compares: each promise is broken by a record that breaks it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.chaos.books import Books, OurAttempt, OurOrder, _stopped
from app.chaos.promises import Ledger, orders_tell_what_was_filled, stopped_means_stopped

D = Decimal
SAFE_AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return SAFE_AT + timedelta(seconds=seconds)


def books(*, order: OurOrder | None = None, stopped: Any = ()) -> Books:
    return Books(
        signals={},
        orders={} if order is None else {"o": order},
        attempts={"q1": OurAttempt("q1", "o", "FILLED", D(1))},
        fills={},
        positions={},
        wallet=D(0),
        stopped=list(stopped),
    )


def ledger(*, received_at: datetime, executed: str = "1", fills: tuple[datetime, ...] = ()) -> Ledger:
    order = {
        "client_order_id": "q1",
        "error": None,
        "reduce_only": False,
        "received_at": received_at.isoformat(),
        "executed_quantity": executed,
        "fills": [{"at": at.isoformat()} for at in fills],
    }
    return Ledger({"orders": [order]})


def test_an_entry_that_came_before_and_was_accepted_after_the_acknowledgement_breaks_the_stop():
    stopped = [(SAFE_AT, None)]
    assert stopped_means_stopped(books(stopped=stopped), ledger(received_at=after(-1), fills=(after(-1),))).holds
    held_up = ledger(received_at=after(-1), fills=(after(0.5),))
    assert not stopped_means_stopped(books(stopped=stopped), held_up).holds
    assert not stopped_means_stopped(books(stopped=stopped), ledger(received_at=after(1))).holds


def test_arming_ends_every_stop_that_was_acknowledged_before_it():
    audit = [(after(0), "ess_safe"), (after(1), "ess_reset"), (after(2), "ess_safe"), (after(9), "ess_armed")]
    assert _stopped(audit) == [(after(0), after(9)), (after(2), after(9))]
    entry = ledger(received_at=after(10))
    assert stopped_means_stopped(books(stopped=_stopped(audit)), entry).holds


@pytest.mark.parametrize(
    ("state", "executed", "booked", "holds"),
    [
        ("FILLED", "1", "1", True),
        ("FILLED", "1", "0.5", False),
        ("PARTIALLY_FILLED", "0.5", "0.5", False),
        ("NOT_SENT", "1", "1", False),
    ],
)
def test_an_order_that_says_something_else_than_its_fills_is_found(state, executed, booked, holds):
    order = OurOrder(quantity=D(1), executed_quantity=D(executed), booked_quantity=D(booked), state=state)
    assert orders_tell_what_was_filled(books(order=order), ledger(received_at=SAFE_AT)).holds is holds
