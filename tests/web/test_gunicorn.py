"""The real server with the real configuration: large bodies, live sockets beside requests, and its end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.conftest import REPOSITORY
from tests.support.waiting import wait_until
from tests.web.live_server import Reader, dashboard

TOKEN = {"Authorization": "Bearer signals-token"}


class Gunicorn:
    """A running server."""

    def __init__(self, folder: Path) -> None:
        self.ready_file = folder / "web.ready"
        self.log_path = folder / "web.log"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "gunicorn", "--config", "python:web.gunicorn_conf"),
                    *("--bind", "127.0.0.1:0", "--log-level", "info", "tests.web.gunicorn_app:app"),
                ],
                cwd=REPOSITORY,
                env={**os.environ, "QT_STATE_DIR": str(folder), "QT_READY_FILE": str(self.ready_file)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until(self.ready_file.exists, seconds=20, what="gunicorn")
        match = re.search(r"Listening at: http://127\.0\.0\.1:(\d+)", self.log)
        assert match is not None
        self.port = int(match.group(1))

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gunicorn]:
    running = Gunicorn(tmp_path_factory.mktemp("gunicorn"))
    yield running
    running.process.send_signal(signal.SIGTERM)
    running.process.wait(10)


def test_a_body_of_10_mb_gets_its_answer_on_a_connection_that_stays_good(server: Gunicorn) -> None:
    with httpx.Client(base_url=server.url, headers=TOKEN, trust_env=False) as client:
        for _ in range(2):
            response = client.post(
                "/api/signals", content=b"[" + b"1" * 10_000_000, headers={"Content-Type": "application/json"}
            )
            assert (response.status_code, response.json()["type"]) == (413, "/problems/body-too-large")
        assert client.get("/live").status_code == 200


def test_a_chunked_body_is_counted_as_it_comes(server: Gunicorn) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 65_536

    with httpx.Client(base_url=server.url, headers=TOKEN, trust_env=False) as client:
        response = client.post("/api/signals", content=chunks(), headers={"Content-Type": "application/json"})
    assert response.status_code == 413


def test_a_body_that_stops_arriving_gives_its_thread_back(server: Gunicorn) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=15) as connection:
        connection.sendall(
            b"POST /api/signals HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer signals-token\r\n"
            b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")


def test_dashboards_and_producers_are_served_side_by_side(server: Gunicorn) -> None:
    with ExitStack() as stack:
        # More dashboards than there are threads for requests.
        readers = [Reader(stack.enter_context(dashboard(server.port))) for _ in range(70)]
        with httpx.Client(base_url=server.url, headers=TOKEN, trust_env=False) as client:
            assert client.get("/live").status_code == 200
        for reader in readers:
            assert reader.next()["type"] == "event_batch"


def test_sigterm_says_goodbye_and_ends_within_seconds(tmp_path: Path) -> None:
    server = Gunicorn(tmp_path)
    with dashboard(server.port) as connection:
        Reader(connection).next()
        server.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                connection.recv(timeout=5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
    assert server.process.wait(5) == 0
    assert "Traceback" not in server.log
