"""What a supervised process is: how to start it, when it counts as ready, how to stop it."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.adapters.embedded.service_user import ServiceUser

# None: it works. Else one line that says why not yet. May raise OSError, which counts as its text.
Probe = Callable[[], Awaitable[str | None]]


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process of the system. `after` names those that must be ready before it starts and stop after it."""

    name: str
    command: tuple[str, ...]
    log_path: Path
    environment: Mapping[str, str] = field(repr=False)  # holds secrets
    probe: Probe | None = None  # None: being alive is enough
    working_directory: Path = Path("/")
    after: tuple[str, ...] = ()
    # A step instead of a service: it counts as ready once it has ended with code 0, and is neither probed nor repeated.
    runs_once: bool = False
    user: ServiceUser | None = None
    ready_file: Path | None = None  # removed before every start, so that an old one proves nothing
    stop_signal: signal.Signals = signal.SIGTERM
    stop_grace_seconds: float = 10.0
    death_signal: signal.Signals = signal.SIGKILL
    # What must be put right before every start, e.g. a pid file of the last one.
    before_start: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class SupervisorLimits:
    """Every wait of the supervisor, in seconds."""

    probe_timeout_seconds: float = 3.0
    probe_starting_interval_seconds: float = 0.1
    probe_ready_interval_seconds: float = 2.0
    # One slow answer on a busy machine is not an illness.
    failed_probes_max: int = 3
    start_seconds_max: float = 90.0
    # A process that ends this often without ever having been ready will not be, however often it is tried.
    start_attempts_max: int = 3
    kill_seconds_max: float = 5.0
    exit_poll_seconds: float = 0.05
    log_bytes_max: int = 32 * 1024 * 1024
    log_check_interval_seconds: float = 10.0
