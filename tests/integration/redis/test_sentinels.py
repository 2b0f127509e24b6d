"""Redis behind sentinels: the master is killed, a replica takes over, and our own connections find it by themselves."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import Connection, pools

import celeryconfig
from app.adapters.celery.broker import celery_url, transport_options
from app.adapters.celery.task_queue import CeleryTaskQueue, producer
from app.adapters.redis.admission_window import RedisAdmissionWindow
from app.adapters.redis.client import LuaScript, RedisLink, RedisUnavailableError, connect
from app.adapters.redis.rate_budget import RedisRateBudget
from app.adapters.redis.sentinels import sentinel_address
from app.ports import WindowUnavailableError
from tests.support.noting_worker import NotingWorker
from tests.support.sentinels import Watched, watched_redis
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration
BACK_SECONDS_MAX = 15.0
STORE = LuaScript("return redis.call('SET', KEYS[1], ARGV[1])")


@pytest.fixture
def watched() -> Iterator[Watched]:
    with watched_redis() as made:
        yield made


@pytest.fixture
def link(watched: Watched) -> Iterator[RedisLink]:
    opened = connect(watched.url)
    yield opened
    opened.close()


def test_window_budget_and_broker_go_on_with_the_replica_when_the_master_is_killed(
    watched: Watched, link: RedisLink
) -> None:
    window, budget = RedisAdmissionWindow(link, capacity=10), RedisRateBudget(link)
    broker = Connection(celery_url(watched.url), transport_options=transport_options(watched.url), connect_timeout=1)

    def publish() -> bool:
        try:
            with broker.Producer() as producer:
                producer.publish({"x": 1}, routing_key="orders", retry=False)
        except broker.connection_errors:
            broker.collect()
            return False
        return True

    def answers() -> bool:
        try:
            window.status()
            budget.status()
        except (RedisUnavailableError, WindowUnavailableError):
            return False
        return True

    assert answers()
    assert publish()
    watched.kill_master()
    killed_at = time.monotonic()
    assert not answers(), "the master is dead, and nobody is promoted yet"
    wait_until(answers, seconds=BACK_SECONDS_MAX, what="window and budget to answer again")
    ours = time.monotonic() - killed_at
    wait_until(publish, seconds=BACK_SECONDS_MAX, what="Celery's transport to publish again")
    print(f"window and budget after {ours:.1f} s, the broker after {time.monotonic() - killed_at:.1f} s")
    broker.release()


def test_a_worker_goes_on_with_the_replica_without_a_restart(
    watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QT_REDIS_URL", watched.url)
    monkeypatch.delenv("QT_BROKER_URL", raising=False)
    importlib.reload(celeryconfig)
    hints = CeleryTaskQueue(producer())
    worker = NotingWorker(tmp_path, {"QT_REDIS_URL": watched.url})

    def ran_after(moment: float) -> bool:
        """Whether a hint sent from now on is run: like the sweeps, one is sent again and again."""
        hints.send("signals.dispatch", number=1)
        return any(at > moment for _, at in worker.ran())

    try:
        wait_until(lambda: ran_after(0.0), seconds=60, what="the worker to run the first hint")
        watched.kill_master()
        killed_at = time.time()
        # What it had taken before the kill may end a moment later: that is no work of the new master.
        wait_until(lambda: ran_after(killed_at + 1.0), seconds=60, what="the worker to go on")
        back = min(at for _, at in worker.ran() if at > killed_at + 1.0) - killed_at
        print(f"the worker went on {back:.1f} s after the master was killed")
        assert worker.process.poll() is None
    except AssertionError:
        print(worker.log.read_text()[-4_000:])
        raise
    finally:
        worker.end()
        pools.reset()
        monkeypatch.undo()
        importlib.reload(celeryconfig)


def test_a_master_that_comes_back_as_a_replica_is_not_written_to(watched: Watched, link: RedisLink) -> None:
    assert link.run(STORE, ("key",), ("1",)) == b"OK"
    watched.kill_master()

    def stores() -> bool:
        try:
            return bool(link.run(STORE, ("key",), ("2",)) == b"OK")
        except RedisUnavailableError:
            return False

    wait_until(stores, seconds=BACK_SECONDS_MAX, what="writes to reach the new master")
    watched.start_old_master()
    wait_until(
        lambda: watched.is_replica(watched.master.port), seconds=2 * BACK_SECONDS_MAX, what="the old master to follow"
    )
    assert stores()
    with watched.ask(watched.replica.port) as client:
        assert (client.role()[0], client.get("key")) == ("master", "2")


def test_an_address_of_sentinels_is_read_whole_or_refused() -> None:
    address = sentinel_address("sentinel://qt:p%40ss@h1:26379,h2/mymaster/3?sentinel_password=word")
    assert address is not None
    assert address.sentinels == (("h1", 26379), ("h2", 26379))
    assert (address.service, address.database) == ("mymaster", 3)
    assert (address.username, address.password, address.sentinel_password) == ("qt", "p@ss", "word")
    assert "p@ss" not in repr(address)
    assert sentinel_address("redis://h/0") is None
    for broken in ("sentinel://h1:26379", "sentinel:///mymaster/0", "sentinel://h1:x/mymaster/0", "sentinel://h/m/x"):
        with pytest.raises(ValueError, match="sentinel://"):
            sentinel_address(broken)


def test_celery_is_told_of_every_sentinel() -> None:
    url = "sentinel://:word@h1:26379,h2:26380/mymaster/0"
    assert celery_url(url) == "sentinel://:word@h1:26379/0;sentinel://:word@h2:26380/0"
    assert transport_options(url)["master_name"] == "mymaster"
    assert celery_url("redis://h/0") == "redis://h/0"
