"""A websocket server for tests: each connection is handed to a script, and everything it saw can be asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve


@dataclass
class StreamServer:
    """Where it listens, the paths asked for in order, and the connections open now."""

    port: int = 0
    paths: list[str] = field(default_factory=list)
    open: list[ServerConnection] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def hold(self, connection: ServerConnection) -> None:
        """Read (and answer pings) until the client leaves."""
        with suppress(ConnectionClosed):
            while True:
                connection.recv()


Script = Callable[[ServerConnection, StreamServer, int], None]


@contextmanager
def streaming(script: Script) -> Iterator[StreamServer]:
    """Serve until the block ends; the script gets the connection, the server and the connection's number from 0."""
    server = StreamServer()
    lock = threading.Lock()

    def handle(connection: ServerConnection) -> None:
        assert connection.request is not None
        with lock:
            number = len(server.paths)
            server.paths.append(connection.request.path)
            server.open.append(connection)
        with suppress(ConnectionClosed):
            script(connection, server, number)

    with serve(handle, "127.0.0.1", 0, compression=None, close_timeout=0.5) as listener:
        server.port = listener.socket.getsockname()[1]
        thread = threading.Thread(target=listener.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.stopping.set()
            listener.shutdown()
            for connection in server.open:
                connection.close()
            thread.join(5)
