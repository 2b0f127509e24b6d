"""What is forbidden us stays on disk: whole, the longest of all, and never for longer than it can be true."""

from __future__ import annotations

import fcntl
import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.adapters.redis.gate_file import CLOSED_SECONDS_MAX, Closing, Gate, GateFile

BAN = Closing(seconds=90.0, reason="418")
PAUSE = Closing(seconds=10.0, reason="429 -1015")


@dataclass
class Wall:
    """The machine's clock, set by hand."""

    now: float = 1_763_812_800.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "rate_gate.json"


def test_what_was_kept_is_read_by_whoever_comes_later_less_the_time_that_passed(path: Path, wall: Wall) -> None:
    GateFile(path, wall_seconds=wall).keep({Gate.EVERYTHING: BAN})
    wall.now += 30
    assert GateFile(path, wall_seconds=wall).news() == {Gate.EVERYTHING: Closing(seconds=60.0, reason="418")}
    wall.now += 60
    assert GateFile(path, wall_seconds=wall).news() == {}


def test_a_file_is_news_once_and_again_when_it_was_replaced(path: Path, wall: Wall) -> None:
    reader, writer = GateFile(path, wall_seconds=wall), GateFile(path, wall_seconds=wall)
    assert reader.news() == {}
    writer.keep({Gate.ORDERS: PAUSE})
    assert reader.news() == {Gate.ORDERS: PAUSE}
    assert reader.news() == {}
    writer.keep({Gate.EVERYTHING: BAN})
    assert reader.news() == {Gate.ORDERS: PAUSE, Gate.EVERYTHING: BAN}


def test_a_shorter_closing_never_shortens_a_longer_one(path: Path, wall: Wall) -> None:
    file = GateFile(path, wall_seconds=wall)
    file.keep({Gate.EVERYTHING: BAN})
    before = path.stat().st_ino
    file.keep({Gate.EVERYTHING: Closing(seconds=2.0, reason="429")})
    file.keep({Gate.EVERYTHING: Closing(seconds=90.5, reason="the same end by another clock")})
    assert path.stat().st_ino == before  # not even written
    assert file.news() == {Gate.EVERYTHING: BAN}


def test_of_many_writers_at_once_the_longest_closing_stays(path: Path, wall: Wall) -> None:
    writers = [
        threading.Thread(
            target=GateFile(path, wall_seconds=wall).keep,
            args=({Gate.EVERYTHING: Closing(seconds=10.0 * (turn % 13 + 1), reason=str(turn % 13))},),
        )
        for turn in range(26)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(10)
    assert GateFile(path, wall_seconds=wall).news() == {Gate.EVERYTHING: Closing(seconds=130.0, reason="12")}
    assert [entry.name for entry in path.parent.iterdir() if entry.name.endswith(".new")] == []


def test_a_writer_that_froze_holding_the_lock_delays_the_others_for_a_moment_only(path: Path, wall: Wall) -> None:
    file = GateFile(path, wall_seconds=wall)
    file.keep({Gate.ORDERS: PAUSE})
    with path.with_suffix(".lock").open("a") as frozen:
        fcntl.flock(frozen, fcntl.LOCK_EX)
        began = time.monotonic()
        file.keep({Gate.EVERYTHING: BAN})
        assert time.monotonic() - began < 1.0
    assert file.news() == {Gate.ORDERS: PAUSE, Gate.EVERYTHING: BAN}


def test_a_clock_that_was_set_back_by_years_closes_for_no_longer_than_the_longest_ban(path: Path, wall: Wall) -> None:
    GateFile(path, wall_seconds=wall).keep({Gate.EVERYTHING: BAN})
    wall.now -= 10 * 365 * 86_400
    assert GateFile(path, wall_seconds=wall).news()[Gate.EVERYTHING].seconds == CLOSED_SECONDS_MAX


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "7", '{"everything": 7}', '{"else": {"until": 1, "reason": ""}}', '{"orders": {"until": "x"}}'],
)
def test_a_damaged_file_is_no_closing_and_is_replaced_by_the_next_one(path: Path, wall: Wall, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    file = GateFile(path, wall_seconds=wall)
    assert file.news() == {}
    file.keep({Gate.ORDERS: PAUSE})
    assert file.news() == {Gate.ORDERS: PAUSE}
    assert list(json.loads(path.read_text())) == ["orders"]
