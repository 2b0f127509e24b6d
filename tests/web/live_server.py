"""The application behind a real server on a port of its own, and a client that reads its frames."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from websockets.sync.client import ClientConnection, connect
from werkzeug.serving import WSGIRequestHandler, make_server


class QuietHandler(WSGIRequestHandler):
    """The application writes its own line per request."""

    def log(self, type: str, message: str, *args: Any) -> None:
        """Nothing."""


@contextmanager
def served(application: Flask, *, port: int = 0) -> Iterator[int]:
    """The port of a threaded server that runs as long as the block; the hub is stopped with it."""
    server = make_server("127.0.0.1", port, application, threaded=True, request_handler=QuietHandler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        application.extensions["dashboard_hub"].stop()
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


def dashboard(
    port: int,
    *,
    after: int | None = None,
    token: str | None = "read-token",
    headers: dict[str, str] | None = None,
    **options: Any,
) -> ClientConnection:
    """A connected dashboard."""
    query = "" if after is None else f"?after={after}"
    given = dict(headers or {})
    if token is not None:
        given["Authorization"] = f"Bearer {token}"
    return connect(
        f"ws://127.0.0.1:{port}/ws/dashboard{query}",
        additional_headers=given,
        open_timeout=5,
        close_timeout=2,
        **{"compression": None, "proxy": None, "ping_interval": None, **options},
    )


class Reader:
    """Frames of one dashboard with the time each came."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.frames: list[tuple[float, dict[str, Any]]] = []

    def next(self, timeout: float = 5.0) -> dict[str, Any]:
        frame = json.loads(self.connection.recv(timeout=timeout))
        self.frames.append((time.monotonic(), frame))
        return frame  # type: ignore[no-any-return]

    def until(self, seq: int, timeout: float = 10.0) -> list[dict[str, Any]]:
        """Frames up to the one that reaches `seq`."""
        deadline = time.monotonic() + timeout
        got = []
        while not got or got[-1].get("last_seq", 0) < seq:
            got.append(self.next(max(0.01, deadline - time.monotonic())))
        return got

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for _, frame in self.frames if frame["type"] == "event_batch" for event in frame["events"]]
