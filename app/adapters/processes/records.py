"""The supervisor's record on disk: what runs, as whom, and in which state; read by `status` and by the next start."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

# psutil reckons start times from the boot time, which moves with the system clock; ids are not reused this soon.
START_TIME_TOLERANCE_SECONDS = 2.0


class ProcessState(StrEnum):
    """The life of a supervised process."""

    WAITING = "waiting"  # for those it comes after
    STARTING = "starting"
    READY = "ready"
    UNHEALTHY = "unhealthy"  # was ready, lives, does not answer
    RESTARTING = "restarting"  # ended; waits for its next start
    DONE = "done"  # a step that has ended well
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Identity:
    """A process for certain: a bare number may belong to somebody else by now."""

    pid: int
    started_at: float  # seconds since 1970, as psutil tells

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """The identity of a running process; None when there is none of that number."""
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return None

    def find(self) -> psutil.Process | None:
        """The process itself if it still runs (a zombie does not), else None."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started_at) <= START_TIME_TOLERANCE_SECONDS
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """One line of the record."""

    name: str
    state: ProcessState
    identity: Identity | None
    restarts: int
    detail: str = ""  # why it is not ready

    @property
    def pid(self) -> int | None:
        """Its number right now; None while it does not run."""
        return self.identity.pid if self.identity is not None else None


@dataclass(frozen=True, slots=True)
class SystemRecord:
    """The whole record. `urls` are for people and commands; they hold no secret."""

    supervisor: Identity
    urls: dict[str, str]
    ready: bool
    processes: tuple[ProcessRecord, ...] = field(default=())

    @property
    def is_running(self) -> bool:
        """Whether the supervisor that wrote this is still there."""
        return self.supervisor.find() is not None


def write_record(path: Path, record: SystemRecord) -> None:
    """Replace the record in one step."""
    staging = path.with_name(f"{path.name}.new")
    staging.write_text(json.dumps(asdict(record)))
    staging.replace(path)


def read_record(path: Path) -> SystemRecord | None:
    """The last record written; None when there is none, or when what is there is not one (a disk that was full)."""
    try:
        raw: dict[str, Any] = json.loads(path.read_text())
        processes = tuple(
            ProcessRecord(
                name=process["name"],
                state=ProcessState(process["state"]),
                identity=Identity(**process["identity"]) if process["identity"] else None,
                restarts=process["restarts"],
                detail=process["detail"],
            )
            for process in raw["processes"]
        )
        return SystemRecord(Identity(**raw["supervisor"]), raw["urls"], raw["ready"], processes)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return None
