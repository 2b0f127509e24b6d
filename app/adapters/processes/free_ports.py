"""Free ports of this machine, from below the range that the kernel hands out for outgoing connections.

That range starts at 32768 on Linux and 49152 on macOS: from within it, any client on the machine may sit on our port
while a server restarts, even a client dialling that very port.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Mapping, Sequence

SYSTEM_PORTS = range(10_000, 20_000)
EMBEDDED_PORTS = range(20_000, 32_000)
ATTEMPTS_MAX = 200


def free_port(ports: range) -> int:
    """A port of `ports` on which nobody listens on loopback now, looked for from a random place on.

    Raises `OSError` when none of the first tries is free. Nothing is reserved: who binds it first has it.
    """
    start = secrets.randbelow(len(ports))
    refused: OSError | None = None
    for attempt in range(ATTEMPTS_MAX):
        port = ports[(start + attempt) % len(ports)]
        with socket.socket() as probe:
            # As a server itself does: connections of its last run in TIME_WAIT do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                refused = error
                continue
            return port
    raise OSError(f"no free port among {ATTEMPTS_MAX} tried from {ports[start]} up") from refused


def free_system_ports(names: Sequence[str]) -> Mapping[str, str]:
    """A different free port for each setting of `names`, as environment variables are written."""
    chosen: dict[str, str] = {}
    while len(chosen) < len(names):
        port = str(free_port(SYSTEM_PORTS))
        if port not in chosen.values():
            chosen[names[len(chosen)]] = port
    return chosen
