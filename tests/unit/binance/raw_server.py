"""A server that misbehaves on the socket itself: each connection is handed to a function, bytes and all."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

ACCEPT_POLL_SECONDS = 0.05
SOCKET_SECONDS_MAX = 5.0
Behaviour = Callable[[socket.socket, "RawServer"], None]


@dataclass
class RawServer:
    """Where it listens, what it has read, and a flag that ends every wait."""

    port: int
    received: list[bytes] = field(default_factory=list)
    connections: int = 0
    closed: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def read_request(connection: socket.socket, server: RawServer) -> bytes:
    """One whole request: headers and as much body as they announce; empty when the client left."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        body += connection.recv(65536)
    request = head + b"\r\n\r\n" + body
    server.received.append(request)
    return request


def http(status: int, body: bytes, *headers: str) -> bytes:
    """The bytes of an answer with a right Content-Length."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@contextmanager
def serving(behaviour: Behaviour, *, tls: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    """Serve until the block ends; an `OSError` of one connection (the client went away) ends that connection only."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(ACCEPT_POLL_SECONDS)
    server = RawServer(port=listener.getsockname()[1])
    threads: list[threading.Thread] = []
    open_connections: list[socket.socket] = []

    def handle(connection: socket.socket) -> None:
        connection.settimeout(SOCKET_SECONDS_MAX)
        with connection, suppress(OSError):
            if tls is None:
                behaviour(connection, server)
            else:
                with tls.wrap_socket(connection, server_side=True) as encrypted:
                    behaviour(encrypted, server)
        server.closed += 1

    def accept() -> None:
        while not server.stopping.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            server.connections += 1
            open_connections.append(connection)
            thread = threading.Thread(target=handle, args=(connection,), daemon=True)
            thread.start()
            threads.append(thread)

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield server
    finally:
        server.stopping.set()
        acceptor.join(SOCKET_SECONDS_MAX)
        for connection in open_connections:
            with suppress(OSError):  # it may be closed already
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(SOCKET_SECONDS_MAX)
        listener.close()
