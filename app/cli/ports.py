"""Whether the ports that the system wants are free, said before anything is started."""

from __future__ import annotations

import errno
import socket
from collections.abc import Mapping

from app.cli.failure import CommandFailure


def require_free_ports(wanted: Mapping[str, tuple[str, int]]) -> None:
    """`wanted`: environment variable -> (address, port). Fails naming the first that is taken, and by whom if known."""
    names: dict[int, str] = {}
    for variable, (address, port) in wanted.items():
        if port in names:
            raise CommandFailure(f"{variable} and {names[port]} are both {port}; each process needs a port of its own")
        names[port] = variable
        try:
            _bind(address, port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise CommandFailure(
                    f"port {port} ({variable}) is in use{_holder(port)}; set {variable} to a free one"
                ) from error
            raise CommandFailure(f"cannot listen on {address}:{port} ({variable}): {error.strerror}") from error


def _bind(address: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((address, port))
        probe.listen(1)


def _holder(port: int) -> str:
    """ " by NAME (pid N)" where the system lets us know."""
    import psutil  # type: ignore[import-untyped]

    try:
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})" if connection.pid else ""
    except (psutil.Error, PermissionError):
        return ""
    return ""
