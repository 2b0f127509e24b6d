"""Orders: what remains, what is reserved, and client order ids."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.orders import Order, OrderPurpose, OrderState, client_order_id
from app.domain.signals import Side
from tests.unit.domain.builders import NOW, D


def make_order(**changes: Any) -> Order:
    order = Order(
        order_id=uuid.UUID(int=1),
        signal_id="signal-1",
        symbol="BTCUSDT",
        side=Side.BUY,
        purpose=OrderPurpose.ENTRY,
        quantity=D("10"),
        reference_price=D("100"),
        limit_price=D("101"),
        state=OrderState.SUBMITTED,
        reason_code=None,
        reason=None,
        executed_quantity=D("4"),
        booked_quantity=D("1"),
        attempts_made=1,
        next_attempt_at=None,
        policy_version=1,
        correlation_id="c-1",
        created_at=NOW,
        ended_at=None,
    )
    return replace(order, **changes)


def test_what_was_executed_may_not_be_asked_for_again() -> None:
    assert make_order().remaining_quantity == D("6")


@pytest.mark.parametrize("state", list(OrderState))
def test_a_live_order_reserves_all_that_is_not_booked_and_an_ended_one_what_is_still_to_be_booked(
    state: OrderState,
) -> None:
    reserved = make_order(state=state).reserved_quantity
    assert reserved == (D("9") if state in ("SUBMITTED", "CHASING") else D("3"))


@given(order_id=st.uuids(), number=st.integers(1, 99))
def test_a_client_order_id_is_what_the_exchange_takes_and_names_one_attempt(order_id: uuid.UUID, number: int) -> None:
    name = client_order_id(order_id, number)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,36}", name)
    assert name == client_order_id(order_id, number)
    assert name.endswith(f"-{number}")
    assert name != client_order_id(order_id, number % 99 + 1)
    assert name != client_order_id(uuid.UUID(int=(order_id.int + 1) % 2**128), number)


def test_a_client_order_id_is_the_same_on_every_machine() -> None:
    assert client_order_id(uuid.UUID(int=0), 1) == "qaaaaaaaaaaaaaaaaaaaaaaaaaa-1"


@pytest.mark.parametrize("number", [0, 100, -1])
def test_an_attempt_number_out_of_range_is_a_surprise(number: int) -> None:
    with pytest.raises(ValueError, match=f"attempt number out of range: {number}"):
        client_order_id(uuid.UUID(int=1), number)
