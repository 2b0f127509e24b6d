"""The exchange's clock: how the offset is measured, kept, refreshed, and when not knowing becomes an error."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from app.adapters.binance.server_clock import ServerClock
from app.ports import ExchangeError

WALL = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class World:
    """Our ticks, the exchange's clock, and how long the way there and back takes."""

    ticks_ms: float = 1_000_000.0
    ahead_ms: float = 500_000.0
    there_ms: list[float] = field(default_factory=lambda: [10.0])
    back_ms: list[float] = field(default_factory=lambda: [10.0])
    fails: bool = False
    asked: int = 0

    def ask(self) -> int:
        there = self.there_ms[self.asked % len(self.there_ms)]
        back = self.back_ms[self.asked % len(self.back_ms)]
        self.asked += 1
        self.ticks_ms += there
        if self.fails:
            raise ExchangeError("no answer")
        told = int(self.ticks_ms + self.ahead_ms)
        self.ticks_ms += back
        return told

    def clock(self) -> ServerClock:
        return ServerClock(
            self.ask,
            samples=3,
            refresh_seconds=60.0,
            retry_seconds=5.0,
            age_seconds_max=600.0,
            ticks_ns=lambda: int(self.ticks_ms * 1_000_000),
            wall_now=lambda: WALL,
        )

    @property
    def truth_ms(self) -> float:
        return self.ticks_ms + self.ahead_ms


def test_half_the_round_trip_is_taken_off() -> None:
    world = World(there_ms=[40.0], back_ms=[40.0])
    assert abs(world.clock().now_ms() - world.truth_ms) <= 1


def test_the_shortest_of_several_round_trips_is_believed() -> None:
    # Lopsided ways mislead by half their difference; the short one by 1 ms at most.
    world = World(there_ms=[900.0, 2.0, 300.0], back_ms=[0.0, 2.0, 0.0])
    assert abs(world.clock().now_ms() - world.truth_ms) <= 1
    assert world.asked == 3


def test_between_measurements_nobody_is_asked() -> None:
    world = World()
    clock = world.clock()
    clock.now_ms()
    world.ticks_ms += 59_000
    assert abs(clock.now_ms() - world.truth_ms) <= 1
    assert world.asked == 3


def test_an_old_offset_is_measured_again() -> None:
    world = World()
    clock = world.clock()
    clock.now_ms()
    world.ahead_ms += 7_000
    world.ticks_ms += 61_000
    assert abs(clock.now_ms() - world.truth_ms) <= 1


def test_a_stale_offset_is_measured_at_the_next_use() -> None:
    world = World()
    clock = world.clock()
    clock.now_ms()
    world.ahead_ms -= 3_000
    clock.mark_stale()
    assert abs(clock.now_ms() - world.truth_ms) <= 1


def test_while_it_cannot_be_measured_the_old_offset_serves_and_the_exchange_is_not_pestered() -> None:
    world = World()
    clock = world.clock()
    clock.now_ms()
    world.fails = True
    world.ticks_ms += 61_000
    assert abs(clock.now_ms() - world.truth_ms) <= 1
    asked = world.asked
    clock.now_ms()
    assert world.asked == asked
    world.ticks_ms += 5_001
    clock.now_ms()
    assert world.asked == asked + 1


def test_after_too_long_not_knowing_the_time_is_an_error() -> None:
    world = World()
    clock = world.clock()
    clock.now_ms()
    world.fails = True
    world.ticks_ms += 601_000
    with pytest.raises(ExchangeError, match="too long"):
        clock.now_ms()


def test_a_clock_that_was_never_measured_is_an_error_and_fails_fast_for_a_while() -> None:
    world = World(fails=True)
    clock = world.clock()
    with pytest.raises(ExchangeError):
        clock.now_ms()
    with pytest.raises(ExchangeError, match="a moment ago"):
        clock.now_ms()
    assert world.asked == 1
    world.fails = False
    world.ticks_ms += 5_001
    assert abs(clock.now_ms() - world.truth_ms) <= 1


def test_one_lost_sample_does_not_spoil_a_measurement() -> None:
    world = World()

    def ask() -> int:
        world.fails = world.asked == 1
        return world.ask()

    clock = ServerClock(ask, samples=3, ticks_ns=lambda: int(world.ticks_ms * 1_000_000), wall_now=lambda: WALL)
    assert abs(clock.now_ms() - world.truth_ms) <= 1


def test_a_moment_of_the_exchange_is_shown_on_our_clock_and_never_in_the_future() -> None:
    world = World()
    clock = world.clock()
    now_ms = clock.now_ms()
    assert clock.local_time_of(now_ms - 1_500) == WALL - timedelta(milliseconds=1_500)
    assert clock.local_time_of(now_ms + 1_500) == WALL


def test_while_one_thread_measures_the_others_do_not_wait() -> None:
    world = World()
    entered, leave = threading.Event(), threading.Event()
    is_slow = False

    def ask() -> int:
        if is_slow:
            entered.set()
            assert leave.wait(5)
        return world.ask()

    clock = ServerClock(ask, samples=1, ticks_ns=lambda: int(world.ticks_ms * 1_000_000), wall_now=lambda: WALL)
    clock.now_ms()
    is_slow = True
    clock.mark_stale()
    measuring = threading.Thread(target=clock.now_ms)
    measuring.start()
    try:
        assert entered.wait(5)
        assert abs(clock.now_ms() - world.truth_ms) <= 1  # answered while the other is still asking
    finally:
        leave.set()
        measuring.join(5)
    assert not measuring.is_alive()
