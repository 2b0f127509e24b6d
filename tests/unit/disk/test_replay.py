"""Replaying: in the order of appending whoever appended, from where it stopped, around damage, until nothing waits."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app.adapters.disk.buffer import DiskBuffer, now_us
from app.ports import Loss
from tests.support.servers import server_home
from tests.unit.disk.numbers import Receiver, RefusedError, files_in, open_numbers, ticking


class SeveralProcesses(RuleBasedStateMachine):
    """Three writers and replays that are broken off, against a list."""

    @initialize()
    def begin(self) -> None:
        self.home = server_home("qt-disk-")
        self.directory = self.home.__enter__() / "numbers"
        self.clock = ticking()
        self.writers = [self.opened() for _ in range(3)]
        self.appended = 0
        self.delivered: list[int] = []

    def opened(self) -> DiskBuffer[int]:
        return open_numbers(self.directory, segment_records_max=7, clock_us=self.clock)

    @rule(writer=st.integers(0, 2), count=st.integers(1, 9))
    def append(self, writer: int, count: int) -> None:
        self.writers[writer].append(range(self.appended, self.appended + count))
        self.appended += count

    @rule(writer=st.integers(0, 2), leaves_politely=st.booleans())
    def restart(self, writer: int, leaves_politely: bool) -> None:
        if leaves_politely:
            self.writers[writer].close()
        self.writers[writer] = self.opened()

    @rule(batches=st.integers(0, 3), batch_max=st.integers(1, 6))
    def replay(self, batches: int, batch_max: int) -> None:
        receiver = Receiver(batches)
        try:
            receiver.replay(self.opened(), batch_max=batch_max)
        except RefusedError:
            assert len(receiver.batches) == batches
        self.delivered += receiver.taken

    @precondition(lambda self: self.appended)
    @rule(writer=st.integers(0, 2))
    def cut_off_in_the_middle_of_a_line(self, writer: int) -> None:
        self.writers[writer].close()
        self.writers[writer] = self.opened()
        segments = files_in(self.directory, ".jsonl")
        if segments:
            with segments[-1].open("ab") as file:
                file.write(b'{"sum":"0123')
            # Whoever had it open is dead: a living writer takes its failed appends back.
            self.writers = [self.opened() for _ in range(3)]

    @invariant()
    def delivered_is_the_beginning_of_what_was_appended(self) -> None:
        if hasattr(self, "delivered"):
            assert self.delivered == list(range(len(self.delivered)))
            assert self.opened().status().depth == self.appended - len(self.delivered)

    def teardown(self) -> None:
        if hasattr(self, "home"):
            receiver = Receiver()
            receiver.replay(self.opened())
            assert self.delivered + receiver.taken == list(range(self.appended))
            assert not self.opened().has_backlog()
            self.home.__exit__(None, None, None)


TestSeveralProcesses = SeveralProcesses.TestCase
TestSeveralProcesses.settings = settings(
    max_examples=40, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_damage_in_the_middle_costs_its_line_is_told_and_its_file_is_kept(tmp_path: Path) -> None:
    buffer = open_numbers(tmp_path)
    buffer.append(range(10))
    (segment,) = files_in(tmp_path, ".jsonl")
    lines = segment.read_bytes().split(b"\n")
    lines[4] = lines[4].replace(b"n4", b"n5")
    segment.write_bytes(b"\n".join(lines))
    receiver = Receiver()
    receiver.replay(open_numbers(tmp_path))
    assert receiver.taken == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert receiver.lost == [(1, Loss.CORRUPT)]
    assert buffer.status().corrupt == 1
    assert not buffer.has_backlog()
    assert len(files_in(tmp_path, ".corrupt")) == 1


@pytest.mark.parametrize("damaged", [{0}, {9}, {0, 1, 2, 3}, set(range(10))])
def test_damage_at_either_end_or_everywhere_is_counted_once(tmp_path: Path, damaged: set[int]) -> None:
    open_numbers(tmp_path).append(range(10))
    (segment,) = files_in(tmp_path, ".jsonl")
    lines = segment.read_bytes().split(b"\n")
    for number in damaged:
        lines[number] = b"?" + lines[number][1:]
    segment.write_bytes(b"\n".join(lines))
    receiver = Receiver()
    receiver.replay(open_numbers(tmp_path), batch_max=3)
    receiver.replay(open_numbers(tmp_path), batch_max=3)
    assert receiver.taken == [number for number in range(10) if number not in damaged]
    assert sum(count for count, _ in receiver.lost) == len(damaged)
    assert open_numbers(tmp_path).status().corrupt == len(damaged)


def test_damage_told_before_a_broken_off_replay_is_not_forgotten_after_it(tmp_path: Path) -> None:
    open_numbers(tmp_path).append(range(10))
    (segment,) = files_in(tmp_path, ".jsonl")
    lines = segment.read_bytes().split(b"\n")
    lines[1] = b""
    segment.write_bytes(b"\n".join(lines))
    receiver = Receiver(1)
    with pytest.raises(RefusedError):
        receiver.replay(open_numbers(tmp_path), batch_max=3)
    receiver.batches_max = 100
    receiver.replay(open_numbers(tmp_path), batch_max=3)
    assert receiver.lost == [(1, Loss.CORRUPT)]
    assert len(files_in(tmp_path, ".corrupt")) == 1


def test_a_file_shorter_than_what_was_delivered_of_it_is_done(tmp_path: Path) -> None:
    open_numbers(tmp_path).append(range(10))
    receiver = Receiver(1)
    with pytest.raises(RefusedError):
        receiver.replay(open_numbers(tmp_path), batch_max=5)
    (segment,) = files_in(tmp_path, ".jsonl")
    os.truncate(segment, 10)
    receiver.batches_max = 100
    receiver.replay(open_numbers(tmp_path))
    assert receiver.taken == [0, 1, 2, 3, 4]
    assert not open_numbers(tmp_path).has_backlog()


def test_an_acknowledgement_that_cannot_be_read_makes_records_come_again_not_go_missing(tmp_path: Path) -> None:
    open_numbers(tmp_path).append(range(10))
    receiver = Receiver(1)
    with pytest.raises(RefusedError):
        receiver.replay(open_numbers(tmp_path), batch_max=5)
    (acknowledged,) = files_in(tmp_path, ".acknowledged")
    acknowledged.write_bytes(b"")
    again = Receiver()
    again.replay(open_numbers(tmp_path))
    assert again.taken == list(range(10))


def test_a_record_of_another_release_is_set_aside_with_its_reason_and_holds_up_nobody(tmp_path: Path) -> None:
    class NewerCodec:
        def key(self, item: int) -> str:
            return f"n{item}"

        def to_json(self, item: int) -> object:
            return {"number": item} if item != 1 else {"nummer": item}

        def from_json(self, key: str, value: object) -> int:
            raise AssertionError("this release writes only")

    newer = open_numbers(tmp_path)
    newer._codec = NewerCodec()
    newer.append([0, 1, 2])
    receiver = Receiver()
    receiver.replay(open_numbers(tmp_path))
    assert receiver.taken == [0, 2]
    assert open_numbers(tmp_path).status().set_aside == 1
    assert b'"nummer":1' in (tmp_path / "set-aside.jsonl").read_bytes()


def test_time_that_goes_back_does_not_turn_round_the_order_of_a_process(tmp_path: Path) -> None:
    times = iter([5_000, 4_000, 3_000, 2_000, 1_000, 500])
    buffer = open_numbers(tmp_path, clock_us=lambda: next(times))
    for number in range(4):
        buffer.append([number])
    receiver = Receiver()
    receiver.replay(buffer)
    assert receiver.taken == [0, 1, 2, 3]


def test_a_replay_ends_with_its_time_and_goes_on_next_time(tmp_path: Path) -> None:
    open_numbers(tmp_path).append(range(100))
    receiver = Receiver()
    receiver.replay(open_numbers(tmp_path), batch_max=10, seconds_max=0)
    assert receiver.taken == list(range(10))
    receiver.replay(open_numbers(tmp_path), batch_max=10)
    assert receiver.taken == list(range(100))


def test_a_writer_never_waits_for_whoever_looks_at_its_file(tmp_path: Path) -> None:
    buffer = open_numbers(tmp_path, clock_us=ticking())
    buffer.append([0])
    (segment,) = files_in(tmp_path, ".jsonl")
    with segment.open("rb") as frozen_replayer:
        fcntl.flock(frozen_replayer, fcntl.LOCK_EX)
        began = time.monotonic()
        buffer.append([1])
        assert time.monotonic() - began < 1.0
    assert len(files_in(tmp_path, ".jsonl")) == 2
    receiver = Receiver()
    receiver.replay(open_numbers(tmp_path))
    assert receiver.taken == [0, 1]


def test_appending_threads_and_a_replay_beside_them_lose_nothing_double_nothing_and_keep_each_threads_order(
    tmp_path: Path,
) -> None:
    threads, each = 4, 150
    buffer = open_numbers(tmp_path, segment_records_max=40)
    other_process = open_numbers(tmp_path, segment_records_max=40)
    failures: list[BaseException] = []

    def write(thread: int) -> None:
        try:
            for number in range(each):
                (buffer if thread % 2 else other_process).append([thread * 1_000 + number])
        except BaseException as error:
            failures.append(error)
            raise

    writers = [threading.Thread(target=write, args=(thread,)) for thread in range(threads)]
    receiver = Receiver()
    reader = open_numbers(tmp_path)
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        receiver.replay(reader, batch_max=7)
    receiver.replay(reader)
    assert failures == []
    assert len(receiver.taken) == len(set(receiver.taken)) == threads * each
    for thread in range(threads):
        mine = [number for number in receiver.taken if number // 1_000 == thread]
        assert mine == sorted(mine)
    assert not reader.has_backlog()


def test_leftovers_of_processes_that_were_killed_between_two_steps_are_swept_up(tmp_path: Path) -> None:
    (tmp_path / "0000000000000001-1-aaaaaaaa-000001.opening").touch()
    (tmp_path / "0000000000000001-1-aaaaaaaa-000002.acknowledged").write_bytes(b'{"offset":5,"damaged":0}')
    open_numbers(tmp_path).append([1])
    receiver = Receiver()
    receiver.replay(open_numbers(tmp_path))
    assert receiver.taken == [1]
    assert files_in(tmp_path, ".opening") + files_in(tmp_path, ".acknowledged") == []


def test_a_file_that_was_made_just_now_is_no_leftover_of_a_killed_process(tmp_path: Path) -> None:
    """Its maker has yet to lock it. Three in a row were taken from one that was slow, and its append was refused."""
    young = tmp_path / f"{now_us():016d}-1-aaaaaaaa-000001.opening"
    young.touch()
    open_numbers(tmp_path).append([1])
    receiver = Receiver()
    receiver.replay(open_numbers(tmp_path))
    assert receiver.taken == [1]
    assert files_in(tmp_path, ".opening") == [young]
