"""A hundred random cuts: real processes killed while they write or replay, and their files cut at a random byte."""

from __future__ import annotations

import os
import random
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.disk.numbers import Receiver, files_in, open_numbers

CUTS = 100
BATCH_MAX = 20


def killed_after(seconds: float, work: Callable[[int], None]) -> bytes:
    """Fork, let `work` write to a pipe, SIGKILL it `seconds` after its first word; everything that it wrote."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reading)
            work(writing)
        finally:
            os._exit(1)
    os.close(writing)
    assert select.select([reading], [], [], 10)[0]
    time.sleep(seconds)  # the length of the blow's way, not a wait for anything
    os.kill(pid, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    said = b""
    while block := os.read(reading, 1 << 16):
        said += block
    os.close(reading)
    return said


def write_until_killed(directory: Path, chance: random.Random) -> Callable[[int], None]:
    def work(pipe: int) -> None:
        buffer = open_numbers(directory, segment_records_max=60)
        number = 0
        while True:
            count = chance.randint(1, 30)
            buffer.append(range(number, number + count))
            number += count
            os.write(pipe, f"{number}\n".encode())  # acknowledged

    return work


@pytest.mark.parametrize("quarter", range(4))
def test_nothing_acknowledged_is_lost_nothing_is_invented_and_the_rest_replays(tmp_path: Path, quarter: int) -> None:
    for cut in range(quarter * CUTS // 4, (quarter + 1) * CUTS // 4):
        chance = random.Random(cut)
        directory = tmp_path / str(cut)
        said = killed_after(chance.uniform(0.0, 0.02), write_until_killed(directory, chance))
        acknowledged = int(said.split()[-1])
        written = b"".join(path.read_bytes() for path in files_in(directory, ".jsonl"))
        kept = None
        if cut % 2:
            # The newest file loses its end at a random byte: what a disk may do to what nobody synced, and worse.
            newest = files_in(directory, ".jsonl")[-1]
            size = newest.stat().st_size
            cut_at = chance.randint(0, size)
            os.truncate(newest, cut_at)
            kept = written[: len(written) - size + cut_at].count(b"\n")
        receiver = Receiver()
        receiver.replay(open_numbers(directory), batch_max=BATCH_MAX)
        assert receiver.taken == list(range(len(receiver.taken))), cut
        assert receiver.lost == []
        assert len(receiver.taken) == (written.count(b"\n") if kept is None else kept), cut
        if kept is None:
            assert len(receiver.taken) >= acknowledged, cut
        assert not open_numbers(directory).has_backlog()


@pytest.mark.parametrize("half", range(2))
def test_a_replay_that_is_killed_goes_on_where_it_was_with_at_most_one_batch_twice(tmp_path: Path, half: int) -> None:
    kills = 0
    for cut in range(half * 15, half * 15 + 15):
        chance = random.Random(1_000 + cut)
        directory = tmp_path / str(cut)
        for _ in range(2):
            open_numbers(directory, segment_records_max=200).append(range(0))
        first, second = open_numbers(directory, segment_records_max=200), open_numbers(directory)
        for start in range(0, 2_000, 100):
            (first if start % 200 else second).append(range(start, start + 100))

        def replay(pipe: int, directory: Path = directory) -> None:
            def deliver(numbers: object) -> None:
                os.write(pipe, ("".join(f"{number}\n" for number in numbers)).encode())

            open_numbers(directory).replay(deliver, on_lost=lambda *_: os._exit(2), batch_max=BATCH_MAX, seconds_max=30)
            time.sleep(30)  # done before the blow came: wait for it

        before = [int(number) for number in killed_after(chance.uniform(0.0, 0.01), replay).split()]
        receiver = Receiver()
        receiver.replay(open_numbers(directory), batch_max=BATCH_MAX)
        after = receiver.taken
        assert sorted(set(before) | set(after)) == list(range(2_000)), cut
        assert before == list(range(len(before))), cut
        assert len(before) + len(after) - 2_000 in (0, BATCH_MAX), cut
        kills += bool(after)
    assert kills > 5  # or the blows came too late to prove anything
