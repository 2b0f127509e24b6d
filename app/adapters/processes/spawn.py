"""Starting one child process in a session of its own that dies with us, whatever kills us."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from app.adapters.embedded.service_user import ServiceUser

PR_SET_PDEATHSIG = 1  # linux/prctl.h

# Looked up once here: between fork and exec a child should do as little as it can.
_prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


def spawn(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    log_path: Path,
    working_directory: Path,
    user: ServiceUser | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start `command` with its output appended to `log_path`; raises `OSError` when it cannot be started.

    The child leads a session and process group of its own: a Ctrl-C at the terminal reaches us alone, and its whole
    group can be signalled. On Linux the kernel sends it `death_signal` when the calling *thread* ends, so call this
    from the thread that lives as long as the program. Elsewhere a kill -9 of the caller is cleaned up after by the next
    start (`leftovers.py`).
    """
    with log_path.open("ab") as log:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=working_directory,
            start_new_session=True,
            user=user.uid if user else None,
            group=user.gid if user else None,
            extra_groups=[] if user else None,
            # Runs after the change of user, which would clear the setting.
            preexec_fn=_die_with_parent(death_signal),
        )


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> bool:
    """Send a signal to everything in the child's process group; False when nothing is left of it.

    The group may outlive its leader, and its number is not given away while a member lives.
    """
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        # macOS answers so for a group of zombies only.
        return False
    return True


def _die_with_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    if _prctl is None:
        return None
    prctl, parent, number = _prctl, os.getpid(), int(death_signal)

    def set_death_signal() -> None:
        prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # we were killed before the setting took hold
            os._exit(1)

    return set_death_signal
