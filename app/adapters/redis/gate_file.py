"""What the exchange has forbidden us, on disk: a ban outlives Redis, every process and a restart of the machine.

One small JSON file for all processes of a machine. It is replaced as a whole, so it is never read half written, and one
writer at a time takes the later end of what is there and what it knows, so a short closing never shortens a long one.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import structlog

CLOSED_SECONDS_MAX = 259_200.0  # three days, the exchange's longest ban; more is a clock that was set back
FILE_BYTES_MAX = 4096
LOCK_SECONDS_MAX = 0.1
LOCK_POLL_SECONDS = 0.005
# Two processes measure the same end by different clocks: closer together it is the same closing.
SAME_SECONDS = 1.0

log = structlog.get_logger(__name__)


class Gate(StrEnum):
    """What is closed."""

    EVERYTHING = "everything"  # 418, 429 for weight: no request of ours is welcome
    ORDERS = "orders"  # -1015: only what creates orders waits; cancels and questions go on


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """A gate is closed for `seconds` from now, because of `reason`."""

    seconds: float
    reason: str


class GateFile:
    """Reads and writes one file. Nothing here raises: a disk that fails is logged, and Redis and memory still hold.

    `wall_seconds` is the machine's clock, seconds since 1970: no other one goes on through a restart.
    """

    def __init__(self, path: Path, *, wall_seconds: Callable[[], float] = time.time) -> None:
        self._path = path
        self._wall_seconds = wall_seconds
        self._seen: tuple[int, int] | None = None

    def news(self) -> Mapping[Gate, Closing]:
        """What is closed, if the file is another than at the last look; else nothing. A look costs one `stat`."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return {}
        except OSError as error:
            log.warning("rate_gate_file_unreadable", path=str(self._path), error=str(error))
            return {}
        seen = (status.st_ino, status.st_mtime_ns)
        if seen == self._seen:
            return {}
        self._seen = seen
        return self._read()

    def keep(self, closings: Mapping[Gate, Closing]) -> None:
        """Make what is closed durable, beside what others have written."""
        try:
            with self._alone():
                known = self._read()
                later = {
                    gate: closing
                    for gate, closing in closings.items()
                    if gate not in known or closing.seconds > known[gate].seconds + SAME_SECONDS
                }
                if later:
                    self._write({**known, **later})
        except OSError as error:
            log.error("rate_gate_file_not_written", path=str(self._path), error=str(error))  # noqa: TRY400 - one line

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("a") as lock:
            # Held for one write of a few hundred bytes; freed by the kernel when its holder dies.
            ends = time.monotonic() + LOCK_SECONDS_MAX
            while not _locked(lock.fileno()) and time.monotonic() < ends:
                time.sleep(LOCK_POLL_SECONDS)
            # Its holder is frozen, then. Unlocked, a long closing may lose to a short one written in the same instant:
            # better than none, and than waiting for as long as it likes.
            yield

    def _read(self) -> dict[Gate, Closing]:
        try:
            with self._path.open("rb") as file:
                text = file.read(FILE_BYTES_MAX)
        except FileNotFoundError:
            return {}
        except OSError as error:
            log.warning("rate_gate_file_unreadable", path=str(self._path), error=str(error))
            return {}
        now = self._wall_seconds()
        try:
            rows = {Gate(name): (float(row["until"]), str(row["reason"])) for name, row in json.loads(text).items()}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            # Not ours, or damaged: the exchange tells again at the first request.
            log.warning("rate_gate_file_malformed", path=str(self._path), error=str(error))
            return {}
        return {
            gate: Closing(seconds=min(until - now, CLOSED_SECONDS_MAX), reason=reason)
            for gate, (until, reason) in rows.items()
            if until > now
        }

    def _write(self, closings: Mapping[Gate, Closing]) -> None:
        now = self._wall_seconds()
        rows = {
            gate.value: {"until": now + closing.seconds, "reason": closing.reason} for gate, closing in closings.items()
        }
        staging = self._path.with_name(f"{self._path.name}.{os.getpid()}.{threading.get_ident()}.new")
        with staging.open("w") as file:
            json.dump(rows, file)
            file.flush()
            os.fsync(file.fileno())
        staging.replace(self._path)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
