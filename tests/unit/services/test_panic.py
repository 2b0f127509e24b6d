"""Panic on an exchange that does as it is told: bounded, never flipping, and flat only when the exchange says so."""

from __future__ import annotations

import itertools
import uuid
from decimal import Decimal

from app.domain.market import ExchangePosition
from app.ports import RateLimits, Rejected, RetryAfter, Unknown
from app.services.panic import Panic
from tests.fakes.clock import FakeClock
from tests.fakes.exchange import FakeExchange, Fills
from tests.fakes.redis import FakeRateBudget
from tests.unit.domain.builders import make_rules

D = Decimal


class Room:
    """An operator with nothing but the exchange; time passes only by sleeping."""

    def __init__(self, *, seconds_max: float = 60.0) -> None:
        self.clock = FakeClock()
        self.began = self.clock.now()
        self.exchange = FakeExchange(self.clock.now)
        self.exchange.rules = [make_rules()]
        self.exchange.limits = RateLimits(weight_per_minute=2_400, orders_per_minute=1_200, orders_per_10_seconds=300)
        self.said: list[str] = []
        numbers = itertools.count(1)
        self.panic = Panic(
            exchange=self.exchange,
            budget=FakeRateBudget(self.clock.now),
            clock=self.clock,
            ticks=lambda: (self.clock.now() - self.began).total_seconds(),
            sleep=self.clock.advance,
            say=self.said.append,
            new_id=lambda: uuid.UUID(int=next(numbers)),
            seconds_max=seconds_max,
        )

    def hold(self, *quantities: str) -> None:
        self.exchange.held_positions = [
            ExchangePosition(
                symbol=symbol, quantity=D(quantity), entry_price=D(100), mark_price=D(100), unrealised_pnl=D(0)
            )
            for symbol, quantity in zip(("BTCUSDT", "ETHUSDT"), quantities, strict=False)
        ]


def test_long_and_short_are_closed_by_reduce_only_orders_of_the_other_side():
    room = Room()
    room.hold("0.5", "-3")
    room.exchange.conditional = {"ETHUSDT"}
    room.exchange.script(Fills(price=D(100)), Fills(price=D(100)))
    outcome = room.panic()
    assert outcome.is_flat
    assert [(each.side.value, each.quantity, each.reduce_only) for each in room.exchange.submitted] == [
        ("SELL", D("0.5"), True),
        ("BUY", D(3), True),
    ]
    assert room.exchange.cancelled == ["ETHUSDT"]


def test_partial_fills_refusals_and_lost_answers_are_looked_at_again():
    room = Room()
    room.hold("1")
    room.exchange.script(
        Fills(share=D("0.4"), price=D(100)),
        Rejected(code="-2022", message="ReduceOnly Order is rejected."),
        Unknown(reason="read timed out"),
        RetryAfter(code="-1008", message="busy", seconds=1),
        Fills(price=D(100)),
    )
    assert room.panic().is_flat
    assert [each.quantity for each in room.exchange.submitted] == [D(1), D("0.6"), D("0.6"), D("0.6"), D("0.6")]


def test_a_position_too_large_for_one_market_order_is_closed_in_parts():
    room = Room()
    room.hold("120.004")
    room.exchange.script(*[Fills(price=D(100))] * 3)
    assert room.panic().is_flat
    assert [each.quantity for each in room.exchange.submitted] == [D(50), D(50), D("20.004")]


def test_flat_is_said_only_after_a_look_when_nothing_sent_before_can_arrive():
    room = Room()

    def arrive_late(seconds: float) -> None:
        FakeClock.advance(room.clock, seconds)
        if not room.exchange.submitted:
            room.hold("0.5")
            room.exchange.script(Fills(price=D(100)))

    room.panic = Panic(**{**{name: getattr(room.panic, name) for name in Panic.__slots__}, "sleep": arrive_late})
    outcome = room.panic()
    assert outcome.is_flat
    assert "something arrived late" in room.said
    assert len(room.exchange.submitted) == 1
    assert outcome.seconds_to_flat >= 5


def test_an_exchange_that_refuses_for_ever_is_given_up_in_time_and_what_is_left_is_told():
    room = Room(seconds_max=10)
    room.hold("1")
    room.exchange.script(*[Rejected(code="-4131", message="PERCENT_PRICE")] * 100)
    outcome = room.panic()
    assert not outcome.is_flat
    assert "BTCUSDT 1" in outcome.left[0]
    assert (room.clock.now() - room.began).total_seconds() < 12


def test_an_exchange_that_never_answers_is_not_flat():
    room = Room(seconds_max=10)
    room.exchange.is_away = True
    outcome = room.panic()
    assert (outcome.is_flat, list(outcome.left)) == (False, ["the exchange did not answer"])
