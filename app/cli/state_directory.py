"""The state directory: its layout, and the lock that makes sure of one supervisor."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.adapters.processes.records import SystemRecord, read_record
from app.cli.failure import CommandFailure


@dataclass(frozen=True, slots=True)
class StateDirectory:
    """Paths within one state directory."""

    root: Path

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Ready files and the like: worthless once the supervisor has ended."""
        return self.root / "run"

    @property
    def paper_exchange(self) -> Path:
        """The paper account and its keys."""
        return self.root / "paper-exchange"

    @property
    def record(self) -> Path:
        return self.run / "system.json"

    @property
    def lock(self) -> Path:
        return self.run / "lock"

    @property
    def operator_token(self) -> Path:
        return self.root / "operator.token"

    @property
    def first_link(self) -> Path:
        """The login link of a system that nobody can log in to yet; mode 600, gone once it is shown."""
        return self.run / "first-login-link"

    @property
    def flower_password(self) -> Path:
        """Of Flower's user `operator`; mode 600."""
        return self.root / "flower.password"

    @property
    def metrics(self) -> Path:
        """Where the processes of this machine count for Prometheus; begins empty with every `up`."""
        return self.run / "metrics"

    @property
    def connection(self) -> Path:
        """What other commands need to reach the running system's servers; mode 600."""
        return self.run / "connection.json"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def read_record(self) -> SystemRecord | None:
        return read_record(self.record)

    def create(self) -> None:
        """Make what is missing. 711: the user that Postgres runs as must get through, but not look around."""
        try:
            if not self.root.exists():
                self.root.parent.mkdir(parents=True, exist_ok=True)
                self.root.mkdir(mode=0o711)
            for directory in (self.logs, self.run, self.paper_exchange, self.metrics):
                directory.mkdir(mode=0o700, exist_ok=True)
            probe = self.run / "writable"
            probe.write_bytes(b"x" * 4096)
            probe.unlink()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise CommandFailure(f"cannot write to the state directory {self.root} (QT_STATE_DIR): {reason}") from error

    def begin_metrics(self) -> None:
        """An empty place to count in: what earlier processes counted is with Prometheus."""
        shutil.rmtree(self.metrics, ignore_errors=True)
        self.metrics.mkdir(mode=0o700)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the directory for one supervisor; the kernel lets go when the process ends, however it ends."""
        with self.lock.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                record = self.read_record()
                by = f" (pid {record.supervisor.pid})" if record is not None and record.is_running else ""
                raise CommandFailure(
                    f"already running{by} on the state directory {self.root}; "
                    "stop it with ./qt down, or set another QT_STATE_DIR"
                ) from None
            yield
