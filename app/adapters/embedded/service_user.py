"""The unprivileged system user that Postgres runs as when we are root, because it refuses to run as root itself."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from app.adapters.embedded.failures import EmbeddedServerError

SERVICE_USER_NAME = "quantum-trader"
# Where user names cannot be added (read-only /etc, no useradd) every Unix still has this one.
FALLBACK_USER_NAME = "nobody"
COMMAND_SECONDS_MAX = 120  # `initdb` syncs a new cluster: a busy disk takes its time


@dataclass(frozen=True, slots=True)
class ServiceUser:
    """A system user by name and numbers, as `subprocess` and `chown` want them."""

    name: str
    uid: int
    gid: int


def service_user_if_root() -> ServiceUser | None:
    """The user to run Postgres as; None when we are an ordinary user and simply run it ourselves."""
    if os.geteuid() != 0:
        return None
    for name in (SERVICE_USER_NAME, FALLBACK_USER_NAME):
        found = _look_up(name) or (_create(name) if name == SERVICE_USER_NAME else None)
        if found is not None:
            return found
    raise EmbeddedServerError(
        "running as root, and Postgres needs an unprivileged user: there is none and none can be added "
        "(run as an ordinary user, or set QT_DATABASE_URL)"
    )


def can_enter(directory: Path, user: ServiceUser | None) -> bool:
    """Whether `user` (None: we ourselves) may traverse `directory`, asked of the kernel rather than of mode bits."""
    if user is None:
        return os.access(directory, os.X_OK)
    command = ["/bin/sh", "-c", 'test -x "$1"', "sh", str(directory)]
    return run_as(command, user).returncode == 0


def can_run(program: Path, user: ServiceUser | None) -> bool:
    """Whether `user` can execute `program --version`: covers closed parents, missing bits and noexec mounts alike."""
    try:
        return run_as([str(program), "--version"], user).returncode == 0
    except OSError:
        return False


def run_as(
    command: list[str], user: ServiceUser | None, *, text: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a short command as `user` in the root directory with a bounded wait; the caller reads the return code."""
    return subprocess.run(
        command,
        input=text,
        stdin=None if text is not None else subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        timeout=COMMAND_SECONDS_MAX,
        user=user.uid if user else None,
        group=user.gid if user else None,
        extra_groups=[] if user else None,
    )


def _look_up(name: str) -> ServiceUser | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return ServiceUser(name, entry.pw_uid, entry.pw_gid)


def _create(name: str) -> ServiceUser | None:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd is None:
        return None
    # Two systems may start at once: whoever loses the race finds the user that the other one added.
    run_as([useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", "--user-group", name], None)
    return _look_up(name)
