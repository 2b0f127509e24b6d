"""The bad network is as bad as it says, and good again afterwards."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.tcp_proxy import TcpProxy, Weather, tcp_proxy


@pytest.fixture
def proxy() -> Iterator[TcpProxy]:
    """In front of a server that sends everything back."""
    listener = socket.create_server(("127.0.0.1", 0))

    def echo(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(1024):
                connection.sendall(data)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=echo, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    with tcp_proxy(listener.getsockname()) as found:
        yield found
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def connected(proxy: TcpProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=2)


def told(connection: socket.socket, word: bytes, seconds: float = 5.0) -> bytes:
    connection.settimeout(seconds)
    connection.sendall(word)
    return connection.recv(1024)


def test_a_connection_of_a_silent_time_stays_silent_and_a_new_one_is_answered(proxy: TcpProxy) -> None:
    with connected(proxy) as before:
        assert told(before, b"a") == b"a"
        proxy.turn(Weather.SILENT)
        with connected(proxy) as during, pytest.raises(TimeoutError):
            told(during, b"b", 0.1)
        proxy.turn(Weather.FAIR)
        with pytest.raises(TimeoutError):
            told(before, b"c", 0.1)
        with connected(proxy) as after:
            assert told(after, b"d") == b"d"


def test_refusing_resets_what_is_open_and_ends_on_the_same_port(proxy: TcpProxy) -> None:
    with connected(proxy) as before:
        assert told(before, b"a") == b"a"
        proxy.turn(Weather.REFUSING)
        with pytest.raises(ConnectionError):
            while told(before, b"b"):
                pass
            raise ConnectionError("it hung up")
    with pytest.raises(ConnectionRefusedError):
        connected(proxy)
    proxy.turn(Weather.FAIR)
    with connected(proxy) as after:
        assert told(after, b"c") == b"c"


def test_slow_answers_come_late_each_way(proxy: TcpProxy) -> None:
    proxy.turn(Weather.SLOW, delay_seconds=0.2)
    with connected(proxy) as connection:
        began = time.monotonic()
        assert told(connection, b"a") == b"a"
        assert time.monotonic() - began >= 0.4
