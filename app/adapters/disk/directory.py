"""The files of one buffer: their names, who may touch them when, and how they come and go without a race.

`<start>-<pid>-<random>-<number>.jsonl`  a segment: appended to by one process, read and removed by the replayer
`<same>.opening`                         one that is being made: it is locked before it gets its name
`<same>.acknowledged`                    how far its records were delivered
`<same>.fell-off`                        how many of its records were given up for newer ones
`<same>.corrupt`                         a segment with damaged lines, kept for a person once the rest was delivered
`set-aside.jsonl`, `totals.json`, `replay.lock`
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import orjson

from app.ports import BufferFullError, BufferUnavailableError

SEGMENT = ".jsonl"
OPENING = ".opening"
ACKNOWLEDGED = ".acknowledged"
FELL_OFF = ".fell-off"
CORRUPT = ".corrupt"
SET_ASIDE = "set-aside.jsonl"
CORRUPT_FILES_MAX = 20
OPENING_US_MAX = 60_000_000  # from making a file to its lock: microseconds of work, and what a starved machine adds

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

# Of the metadata only the length is needed to read data back, and it is written with it. (macOS has only fsync.)
sync_data = getattr(os, "fdatasync", os.fsync)


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Turn the system's errors into the core's, with their cause."""
    try:
        yield
    except OSError as error:
        kind = BufferFullError if error.errno in _FULL else BufferUnavailableError
        raise kind(f"{what}: {error.strerror or error}") from error


def segments(directory: Path) -> list[Path]:
    """All segments, oldest file first; none while the directory was never made."""
    try:
        names = os.listdir(directory)  # noqa: PTH208 - asked for every event, and twice as fast as paths
    except FileNotFoundError:
        return []
    return [directory / name for name in sorted(names) if name.endswith(SEGMENT) and name != SET_ASIDE]


def try_lock(descriptor: int) -> bool:
    """Whether nobody else holds the file; nobody ever waits, for a holder may be frozen. The kernel lets go of it when
    its holder dies."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def locked(path: Path) -> Iterator[int | None]:
    """The open file, locked; None when somebody else holds it or it is gone."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        held = try_lock(descriptor) and os.fstat(descriptor).st_nlink > 0
        yield descriptor if held else None
    finally:
        os.close(descriptor)


def sync_directory(directory: Path) -> None:
    """Make names durable: a file without its name is lost with the next power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, content: bytes) -> None:
    """Replace a small file in one step. Not synced: after a power cut an older one only makes some records come twice,
    and a torn one is noticed by its reader."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    temporary.write_bytes(content)
    temporary.rename(path)


def acknowledged_of(segment: Path) -> tuple[int, int]:
    """Up to which byte the segment was delivered, and how many damaged lines are in that; zeros when nothing tells."""
    try:
        values = orjson.loads(segment.with_suffix(ACKNOWLEDGED).read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return 0, 0
    return (int(values["offset"]), int(values["damaged"])) if isinstance(values, dict) else (0, 0)


def acknowledge(segment: Path, offset: int, *, damaged: int) -> None:
    """Everything before this byte was delivered, except damaged lines.

    Always of one length, at the start of its file: one small write in place, which neither a kill nor a power cut
    halves. (Replacing the file by a rename makes file systems flush it, at every batch.)
    """
    content = f'{{"offset":{offset:>15},"damaged":{damaged:>9}}}'.encode()
    descriptor = os.open(segment.with_suffix(ACKNOWLEDGED), os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(descriptor, content, 0)
    finally:
        os.close(descriptor)


def remove(segment: Path, *, keep_as_corrupt: bool = False) -> None:
    """Forget a segment whose lock is held. The segment first: a kill leaves an acknowledgement of nothing."""
    if keep_as_corrupt and len(list(segment.parent.glob(f"*{CORRUPT}"))) < CORRUPT_FILES_MAX:
        segment.rename(segment.with_suffix(CORRUPT))
    else:
        segment.unlink()
    segment.with_suffix(ACKNOWLEDGED).unlink(missing_ok=True)


def remove_leftovers(directory: Path, *, now_us: int) -> None:
    """What processes left behind that were killed between two steps."""
    for path in directory.iterdir():
        if path.suffix == ACKNOWLEDGED and not path.with_suffix(SEGMENT).exists():
            path.unlink(missing_ok=True)
        elif path.suffix == OPENING and not _is_young(path, now_us):
            # Its maker holds it, unless it is dead (or was frozen before it did, and will try again).
            with locked(path) as descriptor, suppress(FileNotFoundError):
                if descriptor is not None:
                    path.unlink()


def _is_young(opening: Path, now_us: int) -> bool:
    """Whether its maker may be about to lock it: a name begins with when it was made."""
    made_us = opening.name.partition("-")[0]
    return made_us.isdecimal() and 0 <= now_us - int(made_us) < OPENING_US_MAX
