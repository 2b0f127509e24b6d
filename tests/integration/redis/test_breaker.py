"""The circuit breaker, by a clock of its own."""

from __future__ import annotations

import threading

from app.adapters.redis.breaker import CircuitBreaker


class Seconds:
    """A monotonic clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def opened(clock: Seconds) -> CircuitBreaker:
    breaker = CircuitBreaker(failures_max=2, open_seconds_first=1.0, open_seconds_max=4.0, monotonic=clock)
    assert breaker.allows()
    assert breaker.failed() is False
    assert breaker.allows()
    assert breaker.failed() is True
    return breaker


def test_it_opens_after_two_failures_in_a_row_and_not_before() -> None:
    breaker = CircuitBreaker(failures_max=2)
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert breaker.allows()
    breaker.failed()
    assert not breaker.allows()


def test_one_probe_at_a_time_and_its_success_closes() -> None:
    clock = Seconds()
    breaker = opened(clock)
    clock.now += 0.999
    assert not breaker.allows()
    clock.now += 0.002
    assert breaker.allows()
    assert not breaker.allows()
    assert breaker.succeeded() is True
    assert breaker.allows()
    assert not breaker.is_open


def test_a_failed_probe_doubles_the_wait_up_to_the_maximum() -> None:
    clock = Seconds()
    breaker = opened(clock)
    for wait in (1.0, 2.0, 4.0, 4.0, 4.0):
        clock.now += wait - 0.001
        assert not breaker.allows()
        clock.now += 0.002
        assert breaker.allows()
        assert breaker.failed() is False  # open already: not opened anew


def test_late_failures_of_calls_sent_before_it_opened_do_not_lengthen_the_wait() -> None:
    clock = Seconds()
    breaker = opened(clock)
    for _ in range(20):
        breaker.failed()
    clock.now += 1.001
    assert breaker.allows()


def test_a_prober_that_never_reports_is_replaced_after_the_longest_wait() -> None:
    clock = Seconds()
    breaker = opened(clock)
    clock.now += 1.001
    assert breaker.allows()
    clock.now += 4.001
    assert breaker.allows()


def test_of_many_threads_exactly_one_is_the_probe() -> None:
    clock = Seconds()
    breaker = opened(clock)
    clock.now += 2
    start = threading.Barrier(8)
    allowed: list[bool] = []

    def ask() -> None:
        start.wait(5)
        allowed.append(breaker.allows())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert sum(allowed) == 1
