"""A running system under a flood loses Redis and Postgres, frozen and then killed: what was promised ends once."""

from __future__ import annotations

import time

import httpx
import psutil
import pytest

from app.chaos.flood import Flood
from tests.support.api import Api, broken
from tests.support.system import RunningSystem
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.timeout(240), pytest.mark.long]

PER_SECOND = 20
AWAY_SECONDS = 6.0
FLOOD_SECONDS = 26.0
HEALTH_SECONDS_MAX = 5.0
SETTLE_SECONDS_MAX = 45.0


class Server:
    """One of the system's servers, with all its processes."""

    def __init__(self, running: RunningSystem, name: str) -> None:
        self._leader = psutil.Process(running.system.pids()[name])
        self._all: list[psutil.Process] = []

    def freeze(self) -> None:
        """The leader first: it makes no new ones then."""
        self._leader.suspend()
        self._all = [self._leader, *self._leader.children(recursive=True)]
        for process in self._all[1:]:
            process.suspend()

    def kill(self) -> None:
        for process in self._all:
            process.kill()


def health_of(running: RunningSystem, component: str) -> dict[str, object]:
    findings = httpx.get(f"{running.urls['health']}/health", timeout=10).json()["components"]
    return next(finding for finding in findings if finding["component"] == component)


def seen_degraded(running: RunningSystem, component: str) -> dict[str, object]:
    """What health says of a component once it has seen that it is worse off, which takes it five seconds at most."""

    def look() -> dict[str, object]:
        finding = health_of(running, component)
        return finding if finding["status"] == "DEGRADED" else {}

    return wait_until(look, seconds=HEALTH_SECONDS_MAX, what=f"{component} to be DEGRADED")


def test_every_202_of_a_flood_through_both_outages_ends_once_and_the_outages_are_seen(
    running: RunningSystem, api: Api
) -> None:
    redis, postgres = Server(running, "redis"), Server(running, "postgres")
    token = (running.state / "operator.token").read_text().strip()
    flood = Flood(base_url=running.urls["web"], token=token, seed=1, per_second=PER_SECOND)
    began = time.monotonic()

    def at(second: float) -> None:
        time.sleep(max(0.0, began + second - time.monotonic()))

    flood.start()
    at(2)
    redis.freeze()
    at(2 + AWAY_SECONDS)
    events_waited = seen_degraded(running, "event_buffer")
    redis.kill()
    at(12)
    postgres.freeze()
    at(12 + AWAY_SECONDS)
    signals_waited = seen_degraded(running, "signal_spool")
    postgres.kill()
    at(FLOOD_SECONDS)
    flood.stop()
    wait_until(
        lambda: all(health_of(running, name)["status"] == "OK" for name in ("redis", "postgres")),
        seconds=SETTLE_SECONDS_MAX,
        what="both servers to be back",
    )
    books = api.wait_settled(SETTLE_SECONDS_MAX)
    wait_until(
        lambda: all(health_of(running, name)["status"] == "OK" for name in ("event_buffer", "signal_spool")),
        seconds=SETTLE_SECONDS_MAX,
        what="both buffers to be empty",
    )
    buffers = api.get("/api/snapshot")["system"]["buffers"]
    promises = api.promises(flood.promised)
    assert broken(promises) == {}
    assert len(books.signals) >= len(flood.promised) > 0.5 * PER_SECOND * FLOOD_SECONDS, flood.verdicts
    assert flood.verdicts["SPOOLED"] > PER_SECOND, flood.verdicts
    assert "wait on the disk" in str(events_waited["cause"])
    assert "wait on the disk" in str(signals_waited["cause"])
    for name in ("events", "signals"):
        assert buffers[name]["depth"] == 0
        assert buffers[name]["replayed"] > 0
        assert (buffers[name]["fell_off"], buffers[name]["corrupt"], buffers[name]["set_aside"]) == (0, 0, 0)
