"""What pages are told of health: as the service says it, and never later than its deadline."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import httpx
import orjson
import pytest

from app.adapters.health_api import DEADLINE_SECONDS, FRESH_SECONDS, HealthApi

TOLD = {"status": "OK", "at": "2026-11-22T12:00:00+00:00", "components": [{"component": "redis"}]}


class Clock:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Service(httpx.BaseTransport):
    """Answers as it is told to, and counts."""

    def __init__(self, answer: httpx.Response | Exception) -> None:
        self.answer = answer
        self.asked = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def answering(answer: httpx.Response | Exception) -> object:
    return HealthApi("http://health", transport=Service(answer))()


def test_an_answer_is_told_and_kept_for_a_moment() -> None:
    clock, service = Clock(), Service(httpx.Response(200, json={**TOLD, "alerts": []}))
    health = HealthApi("http://health", transport=service, monotonic=clock)
    assert [health(), health()] == [TOLD, TOLD]
    assert service.asked == 1
    clock.now += FRESH_SECONDS
    service.answer = httpx.ConnectError("refused")
    assert health() == "the health service does not answer: ConnectError"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (httpx.Response(502), "the health service answers 502"),
        (httpx.Response(200, content=b"<html>"), "the health service's answer is not one of health"),
        (httpx.Response(200, content=b"[1]"), "the health service's answer is not one of health"),
        (httpx.Response(200, content=b"x" * 300_000), "the health service's answer is longer than 262144 bytes"),
        (httpx.ReadTimeout("slow"), "the health service does not answer within 0.5 s"),
    ],
)
def test_what_is_not_known_has_its_reason(answer: httpx.Response | Exception, reason: str) -> None:
    assert answering(answer) == reason


@pytest.fixture
def drip() -> Iterator[str]:
    """A service whose answer never ends: a byte every tenth of a second."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while not ended.wait(0.1):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    ended.set()
    thread.join(5)
    listener.close()


def test_an_answer_that_drips_in_is_not_waited_for(drip: str) -> None:
    began = time.monotonic()
    assert HealthApi(drip)() == "the health service does not answer within 0.5 s"
    assert time.monotonic() - began < 10 * DEADLINE_SECONDS  # a busy machine; without a deadline it takes 100 s


def test_nobody_waits_while_somebody_else_asks() -> None:
    asked, let_go = threading.Event(), threading.Event()

    class Slow(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            asked.set()
            assert let_go.wait(10)
            return httpx.Response(200, content=orjson.dumps(TOLD))

    health = HealthApi("http://health", transport=Slow())
    first: list[object] = []
    thread = threading.Thread(target=lambda: first.append(health()))
    thread.start()
    assert asked.wait(10)
    assert health() == "the health service was not asked yet"
    let_go.set()
    thread.join(10)
    assert first == [TOLD]
