"""A real worker on a real RabbitMQ: it keeps up with its threads, and outlives a broker that is killed."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import pools

import celeryconfig
from app.adapters.celery.queue_lengths import RabbitQueueLengths
from app.adapters.celery.task_queue import CeleryTaskQueue, producer
from tests.support.noting_worker import THREADS, NotingWorker
from tests.support.rabbitmq import Rabbit, on_rabbitmq, rabbit_server
from tests.support.waiting import wait_until

pytestmark = on_rabbitmq

MESSAGES = 80  # ten times as many as a worker may hold at once
RUN_SECONDS_MAX = 60.0
BACK_SECONDS_MAX = 15.0  # a connection that two threads read from was found dead by the server, after 30 s


def waiting(rabbit: Rabbit) -> int:
    """Messages of the queue that nobody has taken."""
    lengths = RabbitQueueLengths(rabbit.url)
    try:
        return lengths.waiting()["default"]
    finally:
        lengths.close()


@pytest.fixture
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
def worker(rabbit: Rabbit, tmp_path: Path) -> Iterator[NotingWorker]:
    started = NotingWorker(tmp_path, {"QT_BROKER_URL": rabbit.url})
    yield started
    started.end()


def test_a_worker_keeps_up_waits_whole_seconds_and_is_back_after_its_broker_was_killed(
    rabbit: Rabbit, hints: CeleryTaskQueue, worker: NotingWorker
) -> None:
    sent: set[int] = set()

    def send(number: int, countdown_seconds: float = 0.0) -> None:
        wait_until(
            lambda: hints.send("signals.dispatch", number=number, countdown_seconds=countdown_seconds),
            seconds=RUN_SECONDS_MAX,
            what=f"message {number} to be confirmed",
        )
        sent.add(number)

    def all_ran() -> bool:
        return sent <= {number for number, _ in worker.ran()}

    try:
        send(0)
        wait_until(all_ran, seconds=RUN_SECONDS_MAX, what="the first message to be run")
        for number in range(1, MESSAGES):
            send(number)
        wait_until(all_ran, seconds=RUN_SECONDS_MAX, what="every message to be run")
        times = sorted(at for number, at in worker.ran() if number)
        print(f"{MESSAGES - 1} messages in {times[-1] - times[0]:.2f} s")

        began = time.time()
        send(1_000, countdown_seconds=0.3)
        wait_until(all_ran, seconds=RUN_SECONDS_MAX, what="the delayed message to be run")
        (ran_at,) = [at for number, at in worker.ran() if number == 1_000]
        assert ran_at - began >= 0.9

        # Every thread is at work when the broker goes, and ends while it is away: those messages come again.
        for number in range(3_000, 3_000 + THREADS):
            assert hints.send("signals.dispatch", number=number, seconds=2.0)
        wait_until(lambda: waiting(rabbit) == 0, seconds=RUN_SECONDS_MAX, what="every thread to be at work")
        rabbit.kill()
        assert not hints.send("signals.dispatch", number=-1)
        rabbit.start_again()
        answers_at = time.time()
        for number in range(2_000, 2_000 + THREADS):
            send(number)
        wait_until(all_ran, seconds=RUN_SECONDS_MAX, what="messages to be run after the broker came back")
        back = min(at for number, at in worker.ran() if 2_000 <= number < 3_000)
        print(f"RabbitMQ {rabbit.version}: the worker was back after {back - answers_at:.1f} s")
        wait_until(
            lambda: len([number for number, _ in worker.ran() if number >= 2_000]) >= 2 * THREADS,
            seconds=RUN_SECONDS_MAX,
            what="what was cut off to be run again",
        )
        assert max(at for number, at in worker.ran() if 2_000 <= number < 3_000) - answers_at < BACK_SECONDS_MAX
        assert "Failed to bind queue" not in worker.log.read_text(), "delayed messages would not come through"
    except AssertionError:
        print(worker.log.read_text()[-4_000:])
        raise
    assert worker.process.poll() is None
    assert "quorum" in worker.log.read_text() or "Global QoS is disabled" in worker.log.read_text()
