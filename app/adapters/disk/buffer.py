"""`app.ports.DurableBuffer` on a directory of this machine."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import orjson
import structlog

from app.adapters.disk import directory as files
from app.adapters.disk import ring
from app.adapters.disk.line import Record, encode
from app.adapters.disk.reader import facts_of
from app.adapters.disk.replay import Replay
from app.adapters.disk.totals import Totals
from app.adapters.disk.writer import SegmentWriter
from app.ports import BufferFullError, BufferStatus, Loss

T = TypeVar("T")

SEGMENT_BYTES_MAX = 4 << 20
SEGMENT_RECORDS_MAX = 2_500
PROBE_BYTES = 4_096
SET_ASIDE_BYTES_MAX = 64 << 20

log = structlog.get_logger(__name__)


class Codec(Protocol[T]):
    """How items become lines. `to_json` may leave aware datetimes, words of an enumeration and mappings to the encoder;
    `from_json` raises what such code raises for what it cannot read."""

    def key(self, item: T) -> str: ...

    def to_json(self, item: T) -> Any: ...

    def from_json(self, key: str, value: Any) -> T: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """`bytes_max` refuses what would not fit; `records_max` makes a ring that gives the oldest up for the newest."""

    bytes_max: int
    records_max: int | None = None


def now_us() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1_000


class DiskBuffer(Generic[T]):
    """Thread-safe; any number of processes may open the same directory. Makes it when something is first appended."""

    def __init__(
        self,
        directory: Path,
        codec: Codec[T],
        bounds: Bounds,
        *,
        segment_bytes_max: int = SEGMENT_BYTES_MAX,
        segment_records_max: int = SEGMENT_RECORDS_MAX,
        clock_us: Callable[[], int] = now_us,
    ) -> None:
        self._directory = directory
        self._codec = codec
        self._bounds = bounds
        self._clock_us = clock_us
        self._set_aside_lock = threading.Lock()
        self._writer = SegmentWriter(
            directory,
            segment_bytes_max=segment_bytes_max,
            segment_records_max=segment_records_max,
            bytes_max=bounds.bytes_max,
            now_us=clock_us,
            random_text=lambda: secrets.token_hex(4),
            on_new_segment=self._keep_within_ring,
        )

    def append(self, items: Sequence[T]) -> None:
        """Durable when it returns: one sync for all of them. All or none, or `BufferUnavailableError`."""
        if items:
            key, to_json = self._codec.key, self._codec.to_json
            self._writer.append([encode(key(item), to_json(item)) for item in items])

    def has_backlog(self) -> bool:
        """Whether any process' segment is there: one look at the directory, for a segment goes with its last record."""
        with files.disk_errors(f"cannot read {self._directory}"):
            return bool(files.segments(self._directory))

    def replay(
        self,
        deliver: Callable[[Sequence[T]], None],
        *,
        on_lost: Callable[[int, Loss], None],
        batch_max: int,
        seconds_max: float,
    ) -> int | None:
        """Deliver what waits in the order in which it was appended, whichever process did."""
        with files.disk_errors(f"cannot replay {self._directory}"):
            if not self._directory.exists():
                return 0
            lock = self._directory / "replay.lock"
            lock.touch(mode=0o600, exist_ok=True)
            with files.locked(lock) as descriptor:
                if descriptor is None:
                    return None
                run = Replay(
                    self._directory,
                    records_max=self._bounds.records_max,
                    deliver=lambda records: self._deliver(records, deliver),
                    on_lost=on_lost,
                    now_us=self._clock_us,
                )
                run.run(batch_max=batch_max, seconds_max=seconds_max)
                return run.delivered

    def set_aside(self, item: T, reason: str) -> None:
        """Keep it, with its reason, in `set-aside.jsonl`."""
        self._set_aside(self._codec.key(item), self._codec.to_json(item), reason)

    def status(self) -> BufferStatus:
        """Read from the directory, all processes together."""
        with files.disk_errors(f"cannot read {self._directory}"):
            found = [facts for path in files.segments(self._directory) if (facts := facts_of(path)) is not None]
            totals = Totals.read(self._directory)
            noted = ring.fallen_off(self._directory)
        oldest_us = min((facts.first_at_us for facts in found), default=None)
        return BufferStatus(
            depth=sum(facts.waiting for facts in found),
            oldest_at=None if oldest_us is None else datetime.fromtimestamp(oldest_us / 1e6, UTC),
            replayed=totals.replayed,
            fell_off=totals.fell_off + sum(number for name, number in noted.items() if name not in totals.counted),
            corrupt=totals.corrupt,
            set_aside=self._set_aside_count(),
        )

    def probe(self) -> None:
        """Write and sync a small file, as an append would."""
        with files.disk_errors(f"cannot write to {self._directory}"):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._directory / f"probe-{secrets.token_hex(4)}"
            try:
                with path.open("xb") as file:
                    file.write(bytes(PROBE_BYTES))
                    file.flush()
                    files.sync_data(file.fileno())
            finally:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file that this process appends to."""
        self._writer.close()

    def _deliver(self, records: Sequence[Record], deliver: Callable[[Sequence[T]], None]) -> None:
        items = []
        for record in records:
            try:
                items.append(self._codec.from_json(record.key, record.value))
            except (ValueError, KeyError, TypeError, ArithmeticError) as error:
                # Written whole, but by another release: not ours to guess.
                self._set_aside(record.key, record.value, f"cannot be read: {error!r}")
        if items:
            deliver(items)

    def _set_aside(self, key: str, value: Any, reason: str) -> None:
        log.error("buffer_record_set_aside", key=key, reason=reason)
        path = self._directory / files.SET_ASIDE
        line = orjson.dumps({"id": key, "value": value, "reason": reason}, default=dict) + b"\n"
        with files.disk_errors(f"cannot set aside in {path}"), self._set_aside_lock, path.open("ab") as file:
            if file.tell() + len(line) > SET_ASIDE_BYTES_MAX:
                raise BufferFullError(f"{path} holds its {SET_ASIDE_BYTES_MAX} bytes")
            file.write(line)
            file.flush()
            files.sync_data(file.fileno())

    def _set_aside_count(self) -> int:
        with suppress(FileNotFoundError):
            return (self._directory / files.SET_ASIDE).read_bytes().count(b"\n")
        return 0

    def _keep_within_ring(self) -> None:
        if self._bounds.records_max is not None:
            ring.give_up_oldest(self._directory, records_max=self._bounds.records_max)
