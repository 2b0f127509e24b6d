"""Partial fills against a real exchange process: chased on time, ended with a reason, never more than approved."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from itertools import pairwise

import pytest

from app.domain.money import ZERO
from app.domain.orders import Attempt, AttemptState, Order, OrderState
from app.domain.sizing import (
    REMAINDER_ATTEMPTS_EXHAUSTED,
    REMAINDER_ATTEMPTS_MAX,
    REMAINDER_BELOW_VENUE_MINIMUM,
    REMAINDER_DELAY_SECONDS,
)
from tests.recovery.floor import REST_SECONDS_MAX, Child, Floor
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.integration, pytest.mark.timeout(900)]

D = Decimal
SWEEP_SECONDS = D(1)  # a chase whose hint was lost is due at the next sweep
RETRY_AFTER_SECONDS = D(1)
LATE_SECONDS_MAX = D(3)  # what the work may take; longer by as much as this machine is found to be slower

# signal -> its symbol and how the exchange treats its attempts, in order
CASES: Mapping[str, tuple[str, list[dict[str, object]]]] = {
    "p-doubling": ("LINKUSDT", [{"kind": "partial_fill", "share": "0.5", "count": 3}]),
    "p-busy": (
        "AVAXUSDT",
        [
            {
                "kind": "rate_limited",
                "code": -1015,
                "retry_after_seconds": 1,
                "endpoint": "POST /fapi/v1/order",
                "count": 3,
            }
        ],
    ),
    "p-never-enough": ("XRPUSDT", [{"kind": "partial_fill", "share": "0.1"}]),
    "p-ninety": ("DOGEUSDT", [{"kind": "partial_fill", "share": "0.95", "count": 1}]),
    "p-below-minimum": ("ETHUSDT", [{"kind": "partial_fill", "share": "0.89"}]),
    "p-answer-lost": (
        "SOLUSDT",
        [
            {"kind": "partial_fill", "share": "0.6", "count": 2},
            {"kind": "http_error", "status": 503, "text": "unknown", "accepted": True, "count": 2},
        ],
    ),
    "p-answer-late": (
        "ADAUSDT",
        [
            {"kind": "partial_fill", "share": "0.5", "count": 1},
            {"kind": "delay_acceptance", "delay_ms": 1_200, "reply": "unknown", "count": 1},
        ],
    ),
}


@pytest.fixture(scope="module")
def ended(floor: Floor, healthy: Child) -> dict[str, tuple[Order, list[Attempt]]]:
    """All cases at once, each in its own symbol, carried through by the real worker."""
    floor.exchange.clear_faults()
    for symbol, rules in CASES.values():
        floor.exchange.faults(*({**rule, "symbol": symbol} for rule in rules))
    for signal_id, (symbol, _) in CASES.items():
        # The least confident order is the smallest: some 125 USDT, of which 11 % are below what ETHUSDT takes.
        floor.dispatched(signal_id, symbol, confidence="0.5" if signal_id == "p-below-minimum" else "1")
        floor.send("orders.place", signal_id=signal_id)
    found = {}
    for signal_id in CASES:
        wait_until(lambda name=signal_id: floor.is_settled(name), seconds=REST_SECONDS_MAX, what=f"{signal_id} to end")  # type: ignore[misc]
        with floor.system.unit_of_work() as uow:
            order = uow.orders.by_signal(signal_id)
            assert order is not None
            found[signal_id] = (order, list(uow.orders.attempts(order.order_id)))
    floor.exchange.clear_faults()
    return found


Ended = dict[str, tuple[Order, list[Attempt]]]


@pytest.fixture(scope="module")
def late_max(floor: Floor, ended: Ended) -> Decimal:
    """How late the work may be on this machine."""
    slower = D(str(floor.slowness.since(0)))
    print(f"machine {slower:.2f} times slower than one with room")
    return LATE_SECONDS_MAX * slower


def test_a_remainder_is_chased_after_half_a_second_doubling_until_ninety_percent(
    ended: Ended, late_max: Decimal
) -> None:
    order, attempts = ended["p-doubling"]
    assert order.state is OrderState.FILLED
    assert order.executed_quantity >= order.quantity * D("0.9")
    assert len(attempts) == 4
    for number, (earlier, later) in enumerate(pairwise(attempts)):
        assert earlier.ended_at is not None
        waited = D(str((later.begun_at - earlier.ended_at).total_seconds()))
        due = REMAINDER_DELAY_SECONDS * 2**number
        assert due <= waited <= due * D("1.25") + SWEEP_SECONDS + late_max


def test_a_busy_exchange_is_asked_again_after_half_a_second_doubling_but_not_before_it_said(
    ended: Ended, late_max: Decimal
) -> None:
    order, attempts = ended["p-busy"]
    assert order.state is OrderState.FILLED
    assert [attempt.error_code for attempt in attempts] == ["-1015"] * REMAINDER_ATTEMPTS_MAX + [None]
    for number, (earlier, later) in enumerate(pairwise(attempts)):
        assert earlier.ended_at is not None
        waited = D(str((later.begun_at - earlier.ended_at).total_seconds()))
        due = REMAINDER_DELAY_SECONDS * 2**number
        assert max(due, RETRY_AFTER_SECONDS) <= waited <= due * D("1.25") + RETRY_AFTER_SECONDS + late_max


def test_after_the_last_attempt_the_chase_ends_with_what_it_has(ended: Ended) -> None:
    order, attempts = ended["p-never-enough"]
    assert order.state is OrderState.PARTIALLY_FILLED
    assert len(attempts) == 1 + REMAINDER_ATTEMPTS_MAX
    assert ZERO < order.executed_quantity < order.quantity * D("0.9")
    assert order.reason_code in ("ATTEMPT_PARTIALLY_FILLED", REMAINDER_ATTEMPTS_EXHAUSTED)


def test_ninety_percent_is_accepted_as_complete(ended: Ended) -> None:
    order, attempts = ended["p-ninety"]
    assert order.state is OrderState.FILLED
    assert len(attempts) == 1


def test_a_remainder_below_the_minimum_notional_ends_the_chase_with_that_reason(ended: Ended) -> None:
    order, attempts = ended["p-below-minimum"]
    assert order.state is OrderState.PARTIALLY_FILLED
    assert len(attempts) == 1
    assert order.reason_code == REMAINDER_BELOW_VENUE_MINIMUM


@pytest.mark.parametrize("case", ["p-answer-lost", "p-answer-late"])
def test_the_remainder_is_what_the_exchange_has_left_over_when_the_answer_was_lost_or_late(
    ended: Ended, case: str
) -> None:
    order, attempts = ended[case]
    assert attempts[0].unknown_since is not None
    assert attempts[0].state is AttemptState.PARTIALLY_FILLED
    assert len(attempts) >= 2
    assert order.state is OrderState.FILLED


def test_no_attempt_asks_for_more_than_was_left_and_no_order_is_overfilled(
    ended: Ended, floor: Floor, healthy: Child
) -> None:
    for order, attempts in ended.values():
        left = order.quantity
        for attempt in attempts:
            assert attempt.quantity <= left
            left -= attempt.executed_quantity
        assert left == order.quantity - order.executed_quantity >= 0
    floor.wait_at_rest()
    floor.assert_promises_hold()
