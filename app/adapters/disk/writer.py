"""The appending side: one file per process, whole lines or none, one sync for all threads that wait for it."""

from __future__ import annotations

import fcntl
import itertools
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from app.adapters.disk import directory as files
from app.adapters.disk.line import lines
from app.ports import BufferFullError, BufferUnavailableError

OPEN_ATTEMPTS_MAX = 3


class _Segment:
    """An open file of ours. `size` counts whole appends; `synced` how much of it survives a power cut."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor
        self.size = 0
        self.records = 0
        self.last_at_us = 0
        self._synced = 0
        self._sync_lock = threading.Lock()
        self._failure: OSError | None = None
        self._is_open = True

    def sync(self, end: int) -> None:
        """Return once the bytes before `end` are on the disk; whoever comes first syncs for all who wrote by then."""
        with self._sync_lock:
            if self._synced >= end:
                return
            # A failed sync may have thrown the pages away: a later one that succeeds would prove nothing.
            if self._failure is not None:
                raise self._failure
            written = self.size
            try:
                files.sync_data(self.descriptor)
            except OSError as error:
                self._failure = error
                raise
            self._synced = written

    @property
    def is_sound(self) -> bool:
        return self._failure is None

    def unlock(self) -> None:
        """The replayer may look at it again."""
        if self._is_open:
            fcntl.flock(self.descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Sync for those who still wait, then let go."""
        with self._sync_lock:
            try:
                if self._failure is None and self._synced < self.size:
                    files.sync_data(self.descriptor)
                    self._synced = self.size
            except OSError as error:
                self._failure = error
            finally:
                self._is_open = False
                os.close(self.descriptor)


class SegmentWriter:
    """Thread-safe. Never waits for another process: a segment that the replayer is looking at is left to it."""

    def __init__(
        self,
        directory: Path,
        *,
        segment_bytes_max: int,
        segment_records_max: int,
        bytes_max: int,
        now_us: Callable[[], int],
        random_text: Callable[[], str],
        on_new_segment: Callable[[], None],
    ) -> None:
        self._directory = directory
        self._segment_bytes_max = segment_bytes_max
        self._segment_records_max = segment_records_max
        self._bytes_max = bytes_max
        self._now_us = now_us
        self._random_text = random_text
        self._on_new_segment = on_new_segment
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._segment: _Segment | None = None
        self._others_bytes = 0
        self._process_id = os.getpid()

    def append(self, encoded: Sequence[bytes]) -> None:
        """Write encoded records as lines and sync them: one sync per call, or per many calls at once."""
        with files.disk_errors(f"cannot append to {self._directory}"):
            with self._lock:
                segment = self._writable()
                try:
                    end = self._write(segment, encoded)
                finally:
                    segment.unlock()
            segment.sync(end)

    def close(self) -> None:
        """Let go of the file; the next append opens another."""
        with self._lock:
            self._leave()

    def _write(self, segment: _Segment, encoded: Sequence[bytes]) -> int:
        # Within a file time never goes back, so that merging files by time keeps the order of each.
        now_us = max(self._now_us(), segment.last_at_us)
        content = lines(encoded, now_us)
        if self._others_bytes + segment.size + len(content) > self._bytes_max:
            self._others_bytes = self._bytes_beside(segment)  # some may have been delivered since
            if self._others_bytes + segment.size + len(content) > self._bytes_max:
                raise BufferFullError(f"{self._directory} may hold no more than {self._bytes_max} bytes")
        try:
            _write_all(segment.descriptor, content)
        except BaseException:
            self._take_back(segment)
            raise
        segment.last_at_us = now_us
        segment.records += len(encoded)
        segment.size += len(content)
        return segment.size

    def _take_back(self, segment: _Segment) -> None:
        """No part of a failed append stays; a file that cannot be cut ends in a torn line and is not used again."""
        try:
            os.ftruncate(segment.descriptor, segment.size)
        except OSError:
            self._segment = None
            segment.close()

    def _writable(self) -> _Segment:
        """The current segment, locked; a new one when it is full, failed, taken over by the replayer, or gone."""
        if self._process_id != os.getpid():
            self._segment = None  # it belongs to the process that we were forked from
            self._process_id = os.getpid()
        segment = self._segment
        if segment is not None:
            is_full = segment.size >= self._segment_bytes_max or segment.records >= self._segment_records_max
            if not is_full and segment.is_sound and files.try_lock(segment.descriptor):
                if os.fstat(segment.descriptor).st_nlink > 0:
                    return segment
                segment.unlock()
            self._leave()
        return self._open()

    def _bytes_beside(self, segment: _Segment | None) -> int:
        own = None if segment is None else segment.path
        return sum(_size_of(path) for path in files.segments(self._directory) if path != own)

    def _leave(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None:
            segment.close()

    def _open(self) -> _Segment:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._on_new_segment()
        self._others_bytes = self._bytes_beside(None)
        for _ in range(OPEN_ATTEMPTS_MAX):
            segment = self._try_open()
            if segment is not None:
                self._segment = segment
                return segment
        raise BufferUnavailableError(f"{OPEN_ATTEMPTS_MAX} new segments in {self._directory} were taken for leftovers")

    def _try_open(self) -> _Segment | None:
        """A new, locked segment; None when somebody took it for a leftover before it was locked."""
        name = f"{self._now_us():016d}-{os.getpid()}-{self._random_text()}-{next(self._numbers):06d}"
        opening = self._directory / f"{name}{files.OPENING}"
        descriptor = os.open(opening, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            if not files.try_lock(descriptor):
                os.close(descriptor)
                return None
            # Locked before it gets its name: the replayer never sees an empty file that is about to be written.
            path = opening.rename(opening.with_suffix(files.SEGMENT))
            files.sync_directory(self._directory)
        except FileNotFoundError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        return _Segment(path, descriptor)


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
