"""What a buffer does when there is no room, no directory, or no answer from the disk: it says so."""

from __future__ import annotations

import errno
import os
import resource
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from app.adapters.disk import directory as files
from app.ports import BufferFullError, BufferUnavailableError, Loss
from tests.unit.disk.numbers import Receiver, files_in, open_numbers, ticking


def in_child(work: Callable[[], None]) -> int:
    """The exit status of a forked process that does `work`: 0, or 1 when it raised."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_an_append_that_does_not_fit_is_refused_whole_and_those_before_and_after_it_live(tmp_path: Path) -> None:
    def work() -> None:
        # The kernel itself cuts a write off in the middle, as on a disk that fills up.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_500, 1_500))
        buffer = open_numbers(tmp_path)
        buffer.append(range(5))
        with pytest.raises(BufferFullError) as raised:
            buffer.append(range(5, 25))
        assert isinstance(raised.value.__cause__, OSError)
        buffer.append([25])

    assert in_child(work) == 0
    (segment,) = files_in(tmp_path, ".jsonl")
    assert segment.read_bytes().endswith(b"\n")
    receiver = Receiver()
    receiver.replay(open_numbers(tmp_path))
    assert receiver.taken == [0, 1, 2, 3, 4, 25]
    assert receiver.lost == []


def test_a_full_disk_is_seen_by_a_probe_before_anything_has_to_be_appended(tmp_path: Path) -> None:
    def work() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        with pytest.raises(BufferFullError):
            open_numbers(tmp_path).probe()

    assert in_child(work) == 0
    open_numbers(tmp_path).probe()
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_set_aside_is_not_forgotten(tmp_path: Path) -> None:
    buffer = open_numbers(tmp_path)
    (tmp_path / "set-aside.jsonl").symlink_to("/dev/full")
    with pytest.raises(BufferFullError):
        buffer.set_aside(1, "because")


@pytest.mark.parametrize("call", ["append", "has_backlog", "replay", "status", "probe"])
def test_a_directory_that_cannot_be_used_is_an_error_with_its_cause(tmp_path: Path, call: str) -> None:
    (tmp_path / "file").write_text("not a directory")
    buffer = open_numbers(tmp_path / "file")
    calls: dict[str, Callable[[], object]] = {
        "append": lambda: buffer.append([1]),
        "has_backlog": buffer.has_backlog,
        "replay": lambda: Receiver().replay(buffer),
        "status": buffer.status,
        "probe": buffer.probe,
    }
    with pytest.raises(BufferUnavailableError) as raised:
        calls[call]()
    assert isinstance(raised.value.__cause__, OSError)


def test_after_a_sync_that_failed_nothing_more_is_trusted_to_that_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = open_numbers(tmp_path, clock_us=ticking())
    buffer.append([0])
    sync = files.sync_data

    def failing(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(files, "sync_data", failing)
    with pytest.raises(BufferUnavailableError, match="Input/output error"):
        buffer.append([1])
    monkeypatch.setattr(files, "sync_data", sync)
    buffer.append([2])
    assert len(files_in(tmp_path, ".jsonl")) == 2
    receiver = Receiver()
    receiver.replay(buffer)
    # 1 was refused, not taken back: it may come, as a commit whose answer was lost may have happened.
    assert [number for number in receiver.taken if number != 1] == [0, 2]


def test_threads_that_append_at_once_share_one_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = open_numbers(tmp_path)
    buffer.append([0])
    syncs: list[int] = []
    first_sync_began, go_on = threading.Event(), threading.Event()

    def slow(descriptor: int) -> None:
        syncs.append(descriptor)
        first_sync_began.set()
        assert go_on.wait(10)
        os.fsync(descriptor)

    monkeypatch.setattr(files, "sync_data", slow)
    threads = [threading.Thread(target=buffer.append, args=([number],)) for number in range(1, 9)]
    threads[0].start()
    assert first_sync_began.wait(10)
    for thread in threads[1:]:
        thread.start()
    deadline = threading.Event()
    (segment,) = files_in(tmp_path, ".jsonl")
    while segment.read_bytes().count(b"\n") < 9:
        assert not deadline.wait(0.01)
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert len(syncs) == 2


def test_a_spool_refuses_what_it_has_no_room_for_and_takes_more_once_it_was_drained(tmp_path: Path) -> None:
    buffer = open_numbers(tmp_path, bytes_max=3_000, segment_records_max=5)
    taken = 0
    with pytest.raises(BufferFullError, match="3000 bytes"):
        for number in range(1_000):
            buffer.append([number])
            taken = number + 1
    assert 15 < taken < 30
    receiver = Receiver()
    receiver.replay(buffer)
    assert receiver.taken == list(range(taken))
    buffer.append([taken])


def test_room_left_by_other_processes_is_found_without_a_new_file(tmp_path: Path) -> None:
    other = open_numbers(tmp_path)
    other.append(range(25))
    buffer = open_numbers(tmp_path, bytes_max=4_200)
    buffer.append([100])
    with pytest.raises(BufferFullError):
        buffer.append(range(101, 120))
    for segment in files_in(tmp_path, ".jsonl")[:1]:
        segment.unlink()
    buffer.append(range(101, 120))


def test_a_ring_of_several_processes_keeps_the_newest_and_bounds_its_files(tmp_path: Path) -> None:
    clock = ticking()
    writers = [open_numbers(tmp_path, records_max=100, segment_records_max=10, clock_us=clock) for _ in range(3)]
    for start in range(0, 3_000, 5):
        writers[start // 5 % 3].append(range(start, start + 5))
    assert sum(path.read_bytes().count(b"\n") for path in files_in(tmp_path, ".jsonl")) <= 100 + 4 * 10
    status = writers[0].status()
    assert status.depth + status.fell_off == 3_000
    receiver = Receiver()
    receiver.replay(open_numbers(tmp_path, records_max=100))
    assert receiver.taken == list(range(2_900, 3_000))
    assert {loss for _, loss in receiver.lost} == {Loss.FELL_OFF}
    assert sum(count for count, _ in receiver.lost) == 2_900
    assert writers[0].status().fell_off == 2_900
    assert files_in(tmp_path, ".fell-off") == []


def test_what_a_process_noted_as_given_up_and_did_not_remove_is_neither_delivered_nor_counted_twice(
    tmp_path: Path,
) -> None:
    buffer = open_numbers(tmp_path, records_max=10)
    buffer.append(range(4))
    buffer.close()
    (segment,) = files_in(tmp_path, ".jsonl")
    segment.with_suffix(".fell-off").write_text("4")
    receiver = Receiver()
    receiver.replay(buffer)
    receiver.replay(buffer)
    assert receiver.taken == []
    assert receiver.lost == [(4, Loss.FELL_OFF)]
    assert buffer.status().fell_off == 4
