"""A worker whose broker is reset, slow, or gone without a word takes messages again, by itself."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from celery import Celery

from app.adapters.celery.connection import PromptConnection
from tasks.app import app as application
from tests.conftest import REPOSITORY
from tests.support.tcp_proxy import TcpProxy, Weather, tcp_proxy
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

START_SECONDS_MAX = 60.0
BACK_SECONDS_MAX = 5.0
SLACK_SECONDS = 2.0  # of a busy machine
HINT_SECONDS = 0.5


@dataclass
class Floor:
    """A worker behind a network, and a publisher who reaches the broker directly, as beat on another machine does."""

    network: TcpProxy
    publisher: Celery
    notes: Path
    sent: int = 0

    def send(self) -> str:
        self.sent += 1
        word = f"word-{self.sent}"
        self.publisher.send_task("note", args=(word,), queue="noted")
        return word

    def noted(self) -> set[str]:
        return set(self.notes.read_text().split()) if self.notes.exists() else set()


@pytest.fixture
def floor(tmp_path: Path, fresh_redis: str) -> Iterator[Floor]:
    broker = urlsplit(fresh_redis)
    assert broker.port is not None
    with tcp_proxy(("127.0.0.1", broker.port)) as network:
        notes = tmp_path / "notes"
        command = ("-m", "celery", "-A", "tests.integration.outages.noting_worker", "worker", "--queues", "noted")
        worker = subprocess.Popen(
            [
                sys.executable,
                *command,
                "--pool",
                "threads",
                "--concurrency",
                "2",
                "--without-gossip",
                "--without-mingle",
            ],
            cwd=REPOSITORY,
            env={
                **os.environ,
                "QT_REDIS_URL": fresh_redis.replace(f":{broker.port}/", f":{network.port}/"),
                "NOTES": str(notes),
            },
            stdout=(tmp_path / "worker.log").open("w"),
            stderr=subprocess.STDOUT,
        )
        publisher = Celery(broker=fresh_redis)
        publisher.config_from_object("celeryconfig")
        publisher.conf.broker_url = fresh_redis
        found = Floor(network, publisher, notes)
        try:
            first = found.send()
            wait_until(lambda: first in found.noted(), seconds=START_SECONDS_MAX, what="the worker to work")
            yield found
        finally:
            worker.kill()
            worker.wait(10)
            publisher.close()


def test_our_own_workers_and_beat_connect_as_the_worker_of_these_tests_does() -> None:
    assert type(application.connection_for_read()) is PromptConnection
    assert type(application.connection_for_write()) is PromptConnection


@pytest.mark.parametrize(
    ("weather", "away_seconds"),
    # The refusal is so long because who is refused waits longer each time before it asks again.
    [(Weather.REFUSING, 21.0), (Weather.SLOW, 8.0), (Weather.SILENT, 8.0)],
)
def test_a_worker_takes_new_messages_within_five_seconds_of_a_network_that_is_well_again(
    floor: Floor, weather: Weather, away_seconds: float
) -> None:
    floor.network.turn(weather, delay_seconds=1.0)
    time.sleep(away_seconds)  # the outage itself
    floor.network.turn(Weather.FAIR)
    back_at = time.monotonic()
    words: list[str] = []

    def takes_again() -> bool:
        # As beat does: what was handed to a dead connection is lost, the next hint is not.
        if not words or time.monotonic() - back_at > HINT_SECONDS * len(words):
            words.append(floor.send())
        return bool(floor.noted() & set(words))

    wait_until(takes_again, seconds=90, what="the worker to take a message")
    seconds = time.monotonic() - back_at
    print(f"{weather}: at work {seconds:.1f} s after the network was well again")
    assert seconds < BACK_SECONDS_MAX + SLACK_SECONDS
