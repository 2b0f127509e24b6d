"""Hints on a real RabbitMQ: confirmed by quorum queues, delayed by the broker, cheap to do without while it is away."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator

import amqp
import kombu
import pytest
from kombu import pools
from kombu.transport.native_delayed_delivery import (
    bind_queue_to_native_delayed_delivery_exchange,
    declare_native_delayed_delivery_exchanges_and_queues,
)

import celeryconfig
from app.adapters.celery.broker import quorum_queues
from app.adapters.celery.queue_lengths import RabbitQueueLengths
from app.adapters.celery.task_queue import CeleryTaskQueue, producer
from app.ports import ProgressUnavailableError
from tests.support.rabbitmq import Rabbit, on_rabbitmq, rabbit_server
from tests.support.waiting import wait_until

pytestmark = on_rabbitmq


@pytest.fixture(scope="module")
def rabbit() -> Iterator[Rabbit]:
    with rabbit_server() as server:
        yield server


@pytest.fixture
def hints(rabbit: Rabbit, monkeypatch: pytest.MonkeyPatch) -> Iterator[CeleryTaskQueue]:
    monkeypatch.setenv("QT_BROKER_URL", rabbit.url)
    importlib.reload(celeryconfig)
    yield CeleryTaskQueue(producer())
    pools.reset()
    monkeypatch.undo()
    importlib.reload(celeryconfig)


@pytest.fixture
def lengths(rabbit: Rabbit) -> Iterator[RabbitQueueLengths]:
    asked = RabbitQueueLengths(rabbit.url)
    yield asked
    asked.close()


def took(queue: CeleryTaskQueue) -> tuple[bool, float]:
    began = time.monotonic()
    sent = queue.send("signals.dispatch", priority=0)
    return sent, time.monotonic() - began


def test_a_hint_waits_in_a_quorum_queue_and_is_counted(
    rabbit: Rabbit, hints: CeleryTaskQueue, lengths: RabbitQueueLengths
) -> None:
    assert lengths.waiting() == {}, "a queue that the broker does not know is not said to be empty"
    sent = [hints.send("signals.dispatch") for _ in range(3)]
    assert lengths.waiting() == {"default": sum(sent)} != {"default": 0}
    with kombu.Connection(rabbit.url) as connection, pytest.raises(amqp.PreconditionFailed, match="x-queue-type"):
        connection.channel().queue_declare("default", durable=True, auto_delete=False)


def test_a_countdown_of_less_than_a_second_is_waited_for_in_the_broker(
    rabbit: Rabbit, hints: CeleryTaskQueue, lengths: RabbitQueueLengths
) -> None:
    with kombu.Connection(rabbit.url) as connection:  # what a worker does when it starts
        declare_native_delayed_delivery_exchanges_and_queues(connection, "quorum")
        for queue in quorum_queues():
            queue(connection.channel()).declare()
            bind_queue_to_native_delayed_delivery_exchange(connection, queue)
    began = time.monotonic()
    assert hints.send("orders.chase", countdown_seconds=0.4, order_id="1")
    assert lengths.waiting()["orders"] == 0
    wait_until(lambda: lengths.waiting()["orders"] == 1, seconds=10, what="the message to become due")
    assert time.monotonic() - began >= 0.9, "RabbitMQ delays by whole seconds"


def test_a_frozen_broker_costs_one_caller_a_moment_and_the_next_ones_nothing(
    rabbit: Rabbit, hints: CeleryTaskQueue, lengths: RabbitQueueLengths
) -> None:
    wait_until(lambda: hints.send("signals.dispatch"), seconds=10, what="the first hint to be sent")
    rabbit.freeze()
    try:
        sent, seconds = took(hints)
        assert (sent, seconds < 1.5) == (False, True), seconds
        sent, seconds = took(hints)
        assert (sent, seconds < 0.02) == (False, True), seconds
        with pytest.raises(ProgressUnavailableError, match="RabbitMQ does not answer"):
            lengths.waiting()
    finally:
        rabbit.thaw()
    wait_until(lambda: hints.send("signals.dispatch"), seconds=10, what="hints to be sent again")


def test_a_broker_that_is_killed_and_comes_back_is_found_again_with_what_it_had(
    rabbit: Rabbit, hints: CeleryTaskQueue, lengths: RabbitQueueLengths
) -> None:
    wait_until(lambda: hints.send("signals.dispatch"), seconds=10, what="the first hint to be sent")
    before = lengths.waiting()["default"]
    rabbit.kill()
    sent, seconds = took(hints)
    assert (sent, seconds < 1.5) == (False, True), seconds
    with pytest.raises(ProgressUnavailableError):
        lengths.waiting()
    rabbit.start_again()
    wait_until(lambda: hints.send("signals.dispatch"), seconds=10, what="hints to be sent again")

    def counted() -> int:
        try:
            return lengths.waiting().get("default", 0)
        except ProgressUnavailableError:
            return 0

    # Everything confirmed is still there; of what was not confirmed it may be.
    wait_until(lambda: counted() >= before + 1, seconds=10, what="the confirmed hints to be counted")
