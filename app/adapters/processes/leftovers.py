"""Ending what a killed supervisor left behind: by process number and start time, never by name."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable

import psutil  # type: ignore[import-untyped]

from app.adapters.processes.records import Identity, SystemRecord

# On Linux the kernel has told them already; this is for those that flush, and for other systems.
OWN_END_SECONDS_MAX = 3.0
KILL_SECONDS_MAX = 5.0
POLL_SECONDS = 0.05


def end_leftovers(record: SystemRecord | None) -> list[str]:
    """Make sure that no process of a dead supervisor's record runs; the names of those that had to be ended."""
    if record is None:
        return []
    found = {
        entry.identity: entry.name
        for entry in record.processes
        if entry.identity is not None and entry.identity.find() is not None
    }
    for identity in found:
        if (process := identity.find()) is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
                process.resume()  # one that was frozen would not hear it
    for identity in wait_until_gone(found, seconds_max=OWN_END_SECONDS_MAX):
        # Each leads its own group (spawn.py), so this reaches its children too.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(identity.pid, signal.SIGKILL)
    wait_until_gone(found, seconds_max=KILL_SECONDS_MAX)
    return list(found.values())


def wait_until_gone(identities: Iterable[Identity], *, seconds_max: float) -> list[Identity]:
    """Wait for processes that are not our children; those that still run when the time is over.

    A dead one that its parent has yet to collect is gone: in some containers nobody ever will.
    """
    deadline = time.monotonic() + seconds_max
    while True:
        alive = [identity for identity in identities if identity.find() is not None]
        if not alive or time.monotonic() >= deadline:
            return alive
        time.sleep(POLL_SECONDS)
