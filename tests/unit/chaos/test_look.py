"""What is judged was read at one moment: a look at records that move is taken again, until one finds them at rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

import psycopg
import pytest

from app.chaos.books import Books, OurProtection
from app.chaos.look import look_until_rest
from app.chaos.promises import Ledger, no_protection_is_left_behind

D = Decimal


def books(*stops: str) -> Books:
    """Long one BTC, covered by these stops and a target."""
    legs = {**dict.fromkeys(stops, "STOP"), "pt": "TARGET"}
    return Books(
        signals={},
        orders={},
        attempts={},
        fills={},
        positions={"BTCUSDT": D(1)},
        wallet=D(0),
        stopped=[],
        protection={name: OurProtection("BTCUSDT", leg, "SELL", D(1), "WORKING", False) for name, leg in legs.items()},
    )


def ledger(*stops: str) -> Ledger:
    waiting = [
        {"client_algo_id": name, "status": "NEW", "symbol": "BTCUSDT", "side": "SELL", "quantity": "1"}
        for name in (*stops, "pt")
    ]
    held = [{"symbol": "BTCUSDT", "quantity": "1"}]
    return Ledger({"orders": [], "algo_orders": waiting, "positions": held, "wallet": {"USDT": "0"}})


def told_in_turn(answers: Iterator[Ledger]) -> Callable[[], Ledger]:
    return lambda: next(answers)


def test_a_stop_that_moves_between_the_two_records_is_no_contradiction() -> None:
    old, new = ledger("p1"), ledger("p2")
    read_ledger = told_in_turn(iter([old, new, new, new]))
    seen, there, why = look_until_rest(lambda: books("p2"), read_ledger, seconds=5)
    assert why is None
    assert no_protection_is_left_behind(seen, there).holds
    assert not no_protection_is_left_behind(seen, old).holds  # what two questions without a third would have said


def test_a_contradiction_that_stays_is_found_and_told_once() -> None:
    told: list[str] = []
    seen, there, why = look_until_rest(lambda: books("p1"), lambda: ledger("p1", "p9"), seconds=5, tell=told.append)
    assert why is None
    assert no_protection_is_left_behind(seen, there).violations == ["p9 waits there, here it is None"]
    *_, why = look_until_rest(lambda: books(), lambda: ledger("p1"), seconds=0.5, tell=told.append)
    assert why is not None
    assert told == [f"not at rest yet: {why}"]


def test_a_record_that_cannot_be_read_is_waited_for_and_then_an_error() -> None:
    def away() -> Books:
        raise psycopg.OperationalError("away")

    with pytest.raises(psycopg.OperationalError):
        look_until_rest(away, lambda: ledger("p1"), seconds=0.3)
