"""Postgres and Redis killed and frozen under a flood: a 202 has one row and one end, and the door always answers."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from app.adapters.disk.buffer import Bounds
from app.adapters.postgres import migrate
from app.adapters.postgres.engine import ANSWER_SECONDS_MAX
from app.bootstrap import wiring as bootstrap
from app.domain.signals import SignalState
from app.ports import DatabaseUnavailableError, EventsUnavailableError
from tests.integration.outages.door import Door, open_door
from tests.integration.outages.servers import Mortal, mortal_postgres, mortal_valkey
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

PER_SECOND = 40
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def database() -> Iterator[Mortal]:
    with mortal_postgres() as server:
        migrate(server.url)
        yield server


@pytest.fixture(scope="module")
def broker() -> Iterator[Mortal]:
    with mortal_valkey() as server:
        yield server


@pytest.fixture
def door(tmp_path: Path, database: Mortal, broker: Mortal) -> Iterator[Door]:
    door = open_door(tmp_path, database_url=database.url, redis_url=broker.url)
    assert door.post(f"first-{next(NUMBERS)}").status_code == 202  # its token is known from now on
    yield door
    door.system.close()


class Flood:
    """Posts at a steady rate whatever the answers are, as independent producers do."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(48)
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            self._pool.submit(self._door.post, f"s-{next(NUMBERS)}")
            due += 1 / PER_SECOND
            self._stop.wait(max(0.0, due - time.monotonic()))

    def __enter__(self) -> Flood:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        self._pool.shutdown(wait=True)


@contextmanager
def sweeping(door: Door) -> Iterator[None]:
    """What beat and a default worker do in a running system, ten times a second."""
    stop = threading.Event()

    system = door.system
    use_cases = (system.sweep_signals, system.drain_spool, system.replay_events, system.mend_events.sweep)

    def run() -> None:
        while not stop.wait(0.1):
            for use_case in use_cases:
                try:
                    use_case()
                except (DatabaseUnavailableError, EventsUnavailableError):
                    continue  # as a task: it failed, the next one comes

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)


class Follower:
    """Reads the live stream as a dashboard does and remembers where it was told of a gap."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.seen: dict[str, list[str]] = {}  # signal id -> types of its events in the order of the stream
        self.sequences: list[int] = []

    def _run(self) -> None:
        after = 0
        while not self._stop.is_set():
            try:
                events = self._door.system.events.read(after=after, block_seconds=0.5, limit=500)
            except EventsUnavailableError:
                self._stop.wait(0.05)
                continue
            for each in events:
                after = each.sequence
                self.sequences.append(after)
                self.seen.setdefault(str(each.event.payload.get("signal_id")), []).append(each.event.type.value)

    def __enter__(self) -> Follower:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)


def ended(door: Door) -> bool:
    """Whether every promised signal has its row and its end."""
    states = door.states()
    return all(name in states and SignalState(states[name][0]).is_terminal for name in door.promised)


def wait_answers(door: Door, count: int) -> None:
    """Until so many more requests were answered, whatever the machine's speed."""
    wanted = len(door.waits) + count
    wait_until(lambda: len(door.waits) >= wanted, seconds=60, what=f"{count} more answers")


def test_with_both_servers_killed_in_turn_every_202_has_one_row_and_one_end_and_the_stream_keeps_each_signals_order(
    door: Door, database: Mortal, broker: Mortal
) -> None:
    with Follower(door) as follower, sweeping(door):
        with Flood(door):
            for step in (broker.kill, database.kill, broker.start_again, database.start_again):
                wait_answers(door, 2 * PER_SECOND)
                step()
            wait_answers(door, 2 * PER_SECOND)
        wait_until(lambda: ended(door), seconds=30, what="every promise to be kept")
        promised = set(door.promised)
        states = door.states()
        wait_until(
            lambda: all(len(set(follower.seen.get(name, []))) == 2 for name in promised),
            seconds=60,
            what="the stream to tell of every signal and its end, also of those that Redis had forgotten",
        )
        system_buffers = door.system.console.snapshot()["system"]["buffers"]
    assert door.verdicts["SPOOLED"] > 2 * PER_SECOND
    assert set(door.verdicts) <= {"QUEUED", "SPOOLED", "REPLACED", "DROPPED"}, door.verdicts
    assert len(promised) > 6 * PER_SECOND
    assert all(reason for state, reason in states.values() if state == "EXPIRED")
    assert door.seconds_of(begun_after=0)[-1] < 3.0
    # Redis forgets up to a second when it is killed: told again under new numbers, in order, whatever was read before.
    for name in promised:
        assert list(dict.fromkeys(follower.seen[name])) == ["signal_received", "signal_decided"], name
    assert follower.sequences == sorted(set(follower.sequences))
    assert (system_buffers["events"]["depth"], system_buffers["signals"]["depth"]) == (0, 0)
    assert system_buffers["events"]["replayed"] > 0
    assert system_buffers["signals"]["replayed"] > 0


def test_with_both_servers_frozen_the_door_answers_in_time_and_keeps_its_promises(
    door: Door, database: Mortal, broker: Mortal
) -> None:
    with sweeping(door):
        with Flood(door):
            wait_answers(door, PER_SECOND // 2)
            database.freeze()
            broker.freeze()
            wait_until(lambda: door.verdicts["SPOOLED"] > PER_SECOND, seconds=30, what="both to be noticed")
            noticed_at = time.monotonic()
            # Answers to who came before are still on their way: only those who came after it count.
            wait_until(
                lambda: len(door.seconds_of(begun_after=noticed_at)) > 3 * PER_SECOND, seconds=60, what="later answers"
            )
            noticed = door.seconds_of(begun_after=noticed_at)
            database.thaw()
            broker.thaw()
        wait_until(lambda: ended(door), seconds=30, what="every promise to be kept")
    # Who came before it was noticed waits for what Postgres may take; from then on nobody waits for anything.
    assert door.seconds_of(begun_after=0)[-1] < ANSWER_SECONDS_MAX + 3.0
    assert noticed[len(noticed) // 2] < 0.1
    assert noticed[-1] < 1.5
    assert door.verdicts["SPOOLED"] > 3 * PER_SECOND
    assert set(door.verdicts) <= {"QUEUED", "SPOOLED", "REPLACED", "DROPPED"}, door.verdicts


def test_a_signal_spooled_twice_and_posted_once_more_has_one_row(door: Door, database: Mortal) -> None:
    name = f"twice-{next(NUMBERS)}"
    database.kill()
    try:
        assert door.post(name).json["results"][0]["verdict"] == "SPOOLED"
        assert door.post(name).json["results"][0]["verdict"] == "SPOOLED"
    finally:
        database.start_again()
    wait_until(lambda: door.post(name).json["results"][0]["verdict"] == "DUPLICATE", seconds=20, what="its row")
    assert len([each for each in door.states() if each == name]) == 1
    assert door.verdicts["503"] == 0


def test_a_fresh_signal_is_ranked_and_a_stale_one_expired_with_a_reason_once_postgres_is_back(
    door: Door, database: Mortal
) -> None:
    stale, fresh = f"stale-{next(NUMBERS)}", f"fresh-{next(NUMBERS)}"
    database.kill()
    try:
        door.post(stale, ttl_seconds=1)
        over_at = door.system.clock.now() + timedelta(seconds=1)
        door.post(fresh, ttl_seconds=120)
        wait_until(lambda: door.system.clock.now() > over_at, seconds=5, what="the end of its life")
    finally:
        database.start_again()
    wait_until(lambda: {stale, fresh} <= set(door.states()), seconds=20, what="their rows")
    states = door.states()
    assert states[fresh][0] == "QUEUED"
    assert states[stale][0] == "EXPIRED"
    assert "time to live" in str(states[stale][1])
    assert fresh in door.system.window.members()
    assert stale not in door.system.window.members()


def test_a_token_never_seen_before_is_not_trusted_during_an_outage(door: Door, database: Mortal) -> None:
    known, door.token = door.token, "never-seen"
    database.kill()
    try:
        assert door.post("stranger").status_code == 503
        door.token = known
        assert door.post(f"known-{next(NUMBERS)}").status_code == 202
    finally:
        database.start_again()


def test_a_web_that_starts_during_an_outage_knows_the_tokens_that_its_predecessor_knew(
    tmp_path: Path, door: Door, database: Mortal, broker: Mortal
) -> None:
    database.kill()
    try:
        successor = open_door(tmp_path, database_url=database.url, redis_url=broker.url, token=door.token)
        name = f"successor-{next(NUMBERS)}"
        assert successor.post(name).json["results"][0]["verdict"] == "SPOOLED"
        successor.token = "never-seen"
        assert successor.post("stranger").status_code == 503
    finally:
        database.start_again()
    wait_until(lambda: name in door.states(), seconds=20, what="its row")
    successor.system.close()


@pytest.mark.parametrize("fault", ["full", "unusable"])
def test_with_postgres_and_the_disk_away_the_answer_is_503_with_a_reason_and_never_202(
    tmp_path: Path, database: Mortal, broker: Mortal, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault == "full":
        monkeypatch.setattr(bootstrap, "SIGNAL_SPOOL_BOUNDS", Bounds(bytes_max=1_500))
    else:
        (tmp_path / "buffer").mkdir()
        (tmp_path / "buffer" / "signals").write_text("not a directory")
    door = open_door(tmp_path, database_url=database.url, redis_url=broker.url)
    door.post(f"first-{next(NUMBERS)}")
    database.kill()
    try:
        names = [f"{fault}-{number}" for number in range(12)]
        answers = {name: door.post(name) for name in names}
    finally:
        database.start_again()
    refused = [answer for answer in answers.values() if answer.status_code == 503]
    assert len(refused) >= 8
    assert refused[0].json["reason"] == ("BufferFullError" if fault == "full" else "BufferUnavailableError")
    assert "disk" in refused[0].json["detail"]
    assert refused[0].headers["Retry-After"]
    wait_until(
        lambda: {name for name in names if answers[name].status_code == 202} <= set(door.states()),
        seconds=20,
        what="the rows of those that were promised",
    )
    assert not [name for name in names if answers[name].status_code == 503 and name in door.states()]
    door.system.close()


@pytest.mark.parametrize("seed", range(3))
def test_a_web_that_is_killed_while_it_spools_keeps_every_promise_it_made_once_another_one_starts(
    tmp_path: Path, database: Mortal, broker: Mortal, door: Door, seed: int
) -> None:
    database.kill()
    try:
        arguments = (str(tmp_path), database.url, broker.url, f"doomed-{seed}")
        web = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.outages.doomed_web", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert web.stdout is not None
        promised = [web.stdout.readline().strip() for _ in range(5 + 7 * seed)]
        os.kill(web.pid, signal.SIGKILL)
        promised += web.stdout.read().split("\n")[:-1]
        web.wait(10)
        web.stdout.close()
    finally:
        database.start_again()
    assert all(name.startswith("doomed-") for name in promised)
    successor = open_door(tmp_path, database_url=database.url, redis_url=broker.url)
    successor.system.carry_on()
    wait_until(lambda: set(promised) <= set(successor.states()), seconds=20, what="the rows of all promises")
    wait_until(lambda: not successor.system.signal_spool.has_backlog(), seconds=5, what="the spool to be empty")
    successor.system.close()
