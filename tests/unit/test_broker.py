"""What follows from the choice of a broker."""

from __future__ import annotations

import pytest

from app.adapters.celery.broker import (
    impatient_options,
    is_rabbitmq,
    quorum_queues,
    transport_options,
    wire_countdown,
    wire_priority,
)
from app.flow import Queue


@pytest.mark.parametrize(
    ("url", "expected"), [("amqp://h/v", True), ("amqps://h/v", True), ("redis://h/0", False), ("", False)]
)
def test_rabbitmq_is_told_by_its_url(url: str, expected: bool) -> None:
    assert is_rabbitmq(url) is expected


def test_redis_takes_our_priorities_as_they_are_and_rabbitmq_the_other_way_round_on_two_levels() -> None:
    ours = range(10)
    assert [wire_priority(each, rabbitmq=False) for each in ours] == list(ours)
    theirs = [wire_priority(each, rabbitmq=True) for each in ours]
    assert theirs == sorted(theirs, reverse=True)
    # RabbitMQ 4: above 4 is high, the rest is normal.
    assert [each > 4 for each in theirs] == [True, True] + [False] * 8


@pytest.mark.parametrize(("seconds", "expected"), [(0.1, 1), (1.0, 1), (1.2, 2), (30.0, 30)])
def test_rabbitmq_delays_by_whole_seconds_and_never_for_less_than_asked(seconds: float, expected: int) -> None:
    assert wire_countdown(seconds, rabbitmq=True) == expected
    assert wire_countdown(seconds, rabbitmq=False) == seconds


def test_every_queue_of_the_flow_is_a_quorum_queue_that_delayed_messages_can_reach() -> None:
    queues = quorum_queues()
    assert {queue.name for queue in queues} == {queue.value for queue in Queue}
    for queue in queues:
        assert queue.queue_arguments == {"x-queue-type": "quorum"}
        assert queue.exchange.type == "topic", "Celery holds delayed messages of a direct exchange in the worker"
        assert queue.routing_key == queue.name


@pytest.mark.parametrize("url", ["amqp://h/v", "redis://h/0", "sentinel://h/mymaster/0"])
def test_whoever_answers_a_request_waits_for_no_broker_for_long(url: str) -> None:
    options = impatient_options(transport_options(url), seconds=0.25)
    bounds = [value for name, value in options.items() if name in ("read_timeout", "write_timeout", "socket_timeout")]
    asking = options.get("sentinel_kwargs", {})
    bounds += [value for name, value in asking.items() if name.startswith("socket_")]
    assert bounds
    assert set(bounds) == {0.25}
