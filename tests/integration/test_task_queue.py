"""Hints on a real broker: sent while it works, cheap to do without while it does not."""

from __future__ import annotations

import os
import signal
import time

import pytest
import redis
from kombu import pools

from app.adapters.celery.task_queue import CeleryTaskQueue, producer

pytestmark = pytest.mark.integration


@pytest.fixture
def hints(fresh_redis):
    application = producer()
    application.conf.broker_url = fresh_redis
    queue = CeleryTaskQueue(application)
    yield queue
    pools.reset()


def took(queue: CeleryTaskQueue) -> tuple[bool, float]:
    began = time.monotonic()
    sent = queue.send("signals.dispatch", priority=0)
    return sent, time.monotonic() - began


def test_a_hint_is_sent_in_milliseconds(hints):
    hints.send("signals.dispatch")
    sent, seconds = took(hints)
    assert sent
    assert seconds < 0.25


def test_a_frozen_broker_costs_one_caller_a_moment_and_the_next_ones_nothing(hints, fresh_redis):
    assert hints.send("signals.dispatch")
    with redis.Redis.from_url(fresh_redis) as client:
        server = client.info("server")["process_id"]
    os.kill(server, signal.SIGSTOP)
    try:
        sent, seconds = took(hints)
        assert not sent
        assert seconds < 1.5
        sent, seconds = took(hints)
        assert not sent
        assert seconds < 0.02
    finally:
        os.kill(server, signal.SIGCONT)
    deadline = time.monotonic() + 10
    while not hints.send("signals.dispatch"):
        assert time.monotonic() < deadline, "hints are never sent again"


def test_a_task_that_the_flow_does_not_name_is_a_bug(hints):
    with pytest.raises(LookupError):
        hints.send("signals.dispach")


def test_a_channel_keeps_its_client_for_as_long_as_its_pool_lasts(fresh_redis):
    application = producer()
    application.conf.broker_url = fresh_redis
    with application.producer_pool.acquire(block=True) as publisher:
        channel = publisher.channel
        kept = channel._create_client()
        assert channel._create_client() is kept
        assert channel._create_client(asynchronous=True) is not kept  # it waits on a connection of its own
        channel._disconnect_pools()  # as after a lost connection
        assert channel._create_client() is not kept
        assert channel._create_client().ping()
