"""An embedded PostgreSQL cluster: made once, then run as a plain `postgres` process by the supervisor or the tests."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psutil  # type: ignore[import-untyped]

from app.adapters.embedded.failures import EmbeddedServerError, describe_os_error
from app.adapters.embedded.placement import (
    SOCKET_NAME,
    place_directory,
    place_postgres_binaries,
    place_socket_directory,
)
from app.adapters.embedded.private_file import write_private
from app.adapters.embedded.service_user import ServiceUser, run_as, service_user_if_root

ROLE = "quantum_trader"
DATABASE = "quantum_trader"
# A fresh cluster takes 25 MB, its write-ahead log 16 MB a segment; below this it would die in its first minutes.
FREE_BYTES_MIN = 192 * 1024 * 1024

# Fast shutdown: running transactions are rolled back, everything is flushed.
STOP_SIGNAL = signal.SIGINT
# When the supervisor itself is killed: stop at once, recover from the log at the next start.
DEATH_SIGNAL = signal.SIGQUIT

# Reachable through the socket alone; a port would be one more thing that can be taken.
SETTINGS = {
    "listen_addresses": "''",
    "port": "5432",
    "max_connections": "200",
    "shared_buffers": "'128MB'",
    "max_wal_size": "'1GB'",
    "min_wal_size": "'80MB'",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "log_line_prefix": "'%m [%p] %q%a '",
    "log_min_duration_statement": "'1s'",
    # Statements here are short; compiling them costs more than it saves.
    "jit": "off",
}
# For tests only: what a crash would lose does not matter there, and creating databases gets several times faster.
THROWAWAY_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "'32MB'",
    "max_wal_size": "'256MB'",
    "autovacuum_naptime": "'1h'",
}


@dataclass(frozen=True, slots=True)
class PostgresCluster:
    """A prepared cluster: the command that runs it, whom to run it as, and how to reach it."""

    binaries: Path
    data_directory: Path
    socket_directory: Path
    user: ServiceUser | None
    password: str = field(repr=False)
    notices: tuple[str, ...] = ()

    @property
    def command(self) -> tuple[str, ...]:
        return (str(self.binaries / "postgres"), "-D", str(self.data_directory))

    def url(self, database: str = DATABASE) -> str:
        """A `postgresql://` URL for libpq and SQLAlchemy alike; holds the password: handed on by environment alone."""
        socket_directory = quote(str(self.socket_directory), safe="/")
        return f"postgresql://{ROLE}:{quote(self.password)}@/{database}?host={socket_directory}"


def prepare_postgres(home: Path, *, throwaway: bool = False) -> PostgresCluster:
    """Make or find the cluster in `home` (exists, ours) and bring its configuration up to date; starts nothing.

    A preparation that was killed half way is thrown away by the next one. Raises `EmbeddedServerError`.
    """
    try:
        return _prepare(home, throwaway=throwaway)
    except OSError as error:
        raise EmbeddedServerError(describe_os_error(error, "cannot prepare Postgres in")) from error
    except subprocess.TimeoutExpired as error:
        program = Path(error.cmd[0]).name
        raise EmbeddedServerError(
            f"{program} did not finish within {error.timeout:.0f} s (disk or machine too slow)"
        ) from error


def clear_stale_locks(cluster: PostgresCluster) -> None:
    """Remove the lock files of a server that was killed; called by whoever holds the state directory for itself.

    Postgres looks at the number alone, so another program that has it by now, or a dead server that nobody has
    collected yet (in containers whose first process does not), would keep the new one from starting. A postgres that
    does serve this data directory is left alone: two would ruin it.
    """
    for lock in (cluster.data_directory / "postmaster.pid", cluster.socket_directory / f"{SOCKET_NAME}.lock"):
        try:
            pid = int(lock.read_text().splitlines()[0])
        except FileNotFoundError:
            continue
        except (ValueError, IndexError):
            pid = 0
        if not _serves(pid, cluster.data_directory):
            lock.unlink(missing_ok=True)


def _serves(pid: int, data_directory: Path) -> bool:
    try:
        process = psutil.Process(pid)
        return process.name() == "postgres" and str(data_directory) in process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False


def _prepare(home: Path, *, throwaway: bool) -> PostgresCluster:
    user = service_user_if_root()
    placement = place_directory(home / "postgres", user)
    cluster = PostgresCluster(
        binaries=place_postgres_binaries(user),
        data_directory=placement.directory / "data",
        socket_directory=place_socket_directory(placement.directory / "socket", user),
        user=user,
        password=_password(home / "postgres.password"),
        notices=(placement.notice,) if placement.notice else (),
    )
    if not (cluster.data_directory / "PG_VERSION").exists():
        _require_free_space(placement.directory)
        _initialise(cluster, placement.directory / "data.new", throwaway=throwaway)
    _configure(cluster, throwaway=throwaway)
    return cluster


def _initialise(cluster: PostgresCluster, staging: Path, *, throwaway: bool) -> None:
    """initdb and our database, beside the final place; the rename is what makes it count."""
    shutil.rmtree(staging, ignore_errors=True)
    password_file = staging.with_name("initdb.password")
    try:
        password_file.write_text(cluster.password)
        _give(password_file, cluster.user)
        initdb = [
            str(cluster.binaries / "initdb"), f"--pgdata={staging}", f"--username={ROLE}", f"--pwfile={password_file}",
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
            "--locale=C", "--no-instructions",
            # A server that stops on a checksum error is better than one that trades on a damaged page.
            "--data-checksums",
            *(["--no-sync"] if throwaway else []),
        ]  # fmt: skip
        _succeed(run_as(initdb, cluster.user), "initdb")
    finally:
        password_file.unlink(missing_ok=True)
    single_user = [str(cluster.binaries / "postgres"), "--single", "-D", str(staging), "postgres"]
    _succeed(run_as(single_user, cluster.user, text=f"CREATE DATABASE {DATABASE}\n"), "postgres --single")
    staging.rename(cluster.data_directory)


def _configure(cluster: PostgresCluster, *, throwaway: bool) -> None:
    """Our settings in a file of their own that is written anew at every start; `postgresql.conf` includes it."""
    settings = SETTINGS | {"unix_socket_directories": f"'{cluster.socket_directory}'"}
    if throwaway:
        settings |= THROWAWAY_SETTINGS
    ours = cluster.data_directory / "quantum-trader.conf"
    ours.write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
    _give(ours, cluster.user)
    main = cluster.data_directory / "postgresql.conf"
    include = f"include = '{ours.name}'\n"
    if include not in main.read_text():
        with main.open("a") as file:
            file.write(include)


def _password(path: Path) -> str:
    """The role's password, made once and kept readable for us alone."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32))
    return path.read_text().strip()


def _give(path: Path, user: ServiceUser | None) -> None:
    path.chmod(0o600)
    if user is not None:
        os.chown(path, user.uid, user.gid)


def _require_free_space(directory: Path) -> None:
    status = os.statvfs(directory)
    free = status.f_bavail * status.f_frsize
    if free < FREE_BYTES_MIN:
        raise EmbeddedServerError(
            f"not enough space left on the disk of {directory}: {free // 2**20} MB free, "
            f"{FREE_BYTES_MIN // 2**20} MB needed"
        )


def _succeed(result: subprocess.CompletedProcess[str], program: str) -> None:
    if result.returncode != 0:
        lines = [line for line in result.stderr.splitlines() if line.strip()]
        said = next((line for line in lines if "error" in line.lower() or "FATAL" in line), lines[-1] if lines else "")
        raise EmbeddedServerError(f"{program} failed with code {result.returncode}: {said.strip()}")
