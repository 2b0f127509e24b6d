"""Transport faults on real sockets: what the server saw, what the client made of it, and how long it took."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.adapters.binance.rest import RestExchange
from app.adapters.binance.transport import ForkedTransportError, Limits, PooledTransport, Timeouts
from app.ports import OrderReport, Rejected, RetryAfter, Unknown
from tests.support.waiting import wait_until
from tests.unit.binance.fakes import make_attempt, make_exchange, order_json
from tests.unit.binance.raw_server import Behaviour, RawServer, http, read_request, serving

FAST = Timeouts(connect_seconds=0.5, write_seconds=0.5, read_seconds=0.3, pool_seconds=0.2, total_seconds=0.8)
FILLED = json.dumps(order_json()).encode()


def exchange_at(server: RawServer, timeouts: Timeouts = FAST, limits: Limits | None = None) -> RestExchange:
    return make_exchange(PooledTransport(timeouts=timeouts, limits=limits), base_url=server.url)


def submit_to(behaviour: Behaviour) -> tuple[object, RawServer]:
    with serving(behaviour) as server:
        exchange = exchange_at(server)
        try:
            return exchange.submit(make_attempt()), server
        finally:
            exchange.close()


def answering(data: bytes) -> Behaviour:
    def behave(connection: socket.socket, server: RawServer) -> None:
        if read_request(connection, server):
            connection.sendall(data)

    return behave


def hang(connection: socket.socket, server: RawServer) -> None:
    read_request(connection, server)
    server.stopping.wait(5)


def close_unread(connection: socket.socket, server: RawServer) -> None:
    connection.recv(1)  # the client has connected and begun; closing with the rest unread resets the connection


def close_after_reading(connection: socket.socket, server: RawServer) -> None:
    read_request(connection, server)


def trickle(connection: socket.socket, server: RawServer) -> None:
    read_request(connection, server)
    for byte in http(200, FILLED):
        connection.sendall(bytes([byte]))
        if server.stopping.wait(0.1):  # well inside every read time-out
            return


@pytest.mark.parametrize(
    "behaviour",
    [
        close_unread,
        close_after_reading,
        hang,
        trickle,
        answering(http(200, FILLED)[:-20]),
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + FILLED),
        answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhalf"),
        answering(b"SSH-2.0-OpenSSH_9.9\r\n"),
        answering(b"HTTP/1.1 abc\r\n\r\n"),
        answering(http(502, b"<html>Bad Gateway</html>", "Content-Type: text/html")),
        answering(http(200, FILLED, "Content-Encoding: gzip")),
        answering(http(200, b"")),
        answering(b"HTTP/1.1 204 No Content\r\n\r\n"),
        answering(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
    ],
    ids=lambda behaviour: getattr(behaviour, "__name__", None),
)
def test_a_fault_after_the_request_left_is_unknown_and_sent_once(behaviour: Behaviour) -> None:
    began = time.monotonic()
    reply, server = submit_to(behaviour)
    assert isinstance(reply, Unknown), reply
    assert server.connections == 1
    assert time.monotonic() - began < 3


def test_a_trickling_answer_ends_at_the_total_time_out() -> None:
    began = time.monotonic()
    with serving(trickle) as server:
        reply = exchange_at(server).submit(make_attempt())
        assert isinstance(reply, Unknown)
        assert 0.7 < time.monotonic() - began < 2


def test_the_total_time_out_cuts_a_longer_read_time_out_short() -> None:
    timeouts = Timeouts(read_seconds=5.0, total_seconds=0.3)
    began = time.monotonic()
    with serving(hang) as server:
        assert isinstance(exchange_at(server, timeouts=timeouts).submit(make_attempt()), Unknown)
        assert time.monotonic() - began < 2


def test_an_endless_answer_ends_at_the_size_limit() -> None:
    def endless(connection: socket.socket, server: RawServer) -> None:
        read_request(connection, server)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not server.stopping.is_set():
            connection.sendall(b" " * 65536)

    with serving(endless) as server:
        reply = exchange_at(server, limits=Limits(answer_bytes_max=1_000_000)).submit(make_attempt())
    assert isinstance(reply, Unknown)
    assert "1000000 bytes" in reply.reason


def test_a_refused_connection_is_certainly_not_sent() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    listener.close()
    exchange = make_exchange(PooledTransport(timeouts=FAST), base_url=f"http://127.0.0.1:{port}")
    reply = exchange.submit(make_attempt())
    assert isinstance(reply, RetryAfter)
    assert reply.code == "NOT_SENT"


def test_a_full_pool_is_certainly_not_sent() -> None:
    with serving(hang) as server:
        limits = Limits(connections_max=1)
        timeouts = Timeouts(connect_seconds=0.5, read_seconds=2.0, pool_seconds=0.1, total_seconds=2.0)
        exchange = exchange_at(server, timeouts=timeouts, limits=limits)
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(exchange.submit, make_attempt())
            wait_until(lambda: server.received, seconds=5, what="the first request")
            second = exchange.submit(make_attempt(client_order_id="qabc-2"))
            assert isinstance(second, RetryAfter)
            assert len(server.received) == 1
            server.stopping.set()
            assert isinstance(first.result(5), Unknown)


def test_connections_are_kept_and_a_closed_idle_one_is_not_used_again() -> None:
    def two_answers(connection: socket.socket, server: RawServer) -> None:
        for _ in range(2):
            if not read_request(connection, server):
                return
            connection.sendall(http(200, FILLED))

    with serving(two_answers) as server:
        exchange = exchange_at(server)
        for closed_before, connections_after in ((0, 1), (0, 1), (1, 2), (1, 2)):
            wait_until(lambda expected=closed_before: server.closed == expected, seconds=5, what="the server's close")
            assert isinstance(exchange.submit(make_attempt()), OrderReport)
            assert server.connections == connections_after


def test_a_kept_connection_closed_under_the_request_is_unknown_and_not_sent_again() -> None:
    """The race every keep-alive client has: the second request is read, the connection closed, no answer given."""

    def answer_then_vanish(connection: socket.socket, server: RawServer) -> None:
        read_request(connection, server)
        connection.sendall(http(200, FILLED))
        read_request(connection, server)

    with serving(answer_then_vanish) as server:
        exchange = exchange_at(server)
        assert isinstance(exchange.submit(make_attempt()), OrderReport)
        assert isinstance(exchange.submit(make_attempt()), Unknown)
        assert len(server.received) == 2
        assert server.connections == 1


def test_eight_threads_get_their_own_answers() -> None:
    def echo_the_id(connection: socket.socket, server: RawServer) -> None:
        while request := read_request(connection, server):
            client_order_id = request.partition(b"newClientOrderId=")[2].partition(b"&")[0].decode()
            connection.sendall(http(200, json.dumps(order_json(clientOrderId=client_order_id)).encode()))

    with serving(echo_the_id) as server:
        exchange = exchange_at(server, timeouts=Timeouts())
        attempts = [make_attempt(client_order_id=f"q-{number}") for number in range(200)]
        with ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(exchange.submit, attempts))
        exchange.close()
        assert all(isinstance(reply, OrderReport) for reply in replies)
        assert server.connections <= 8
        assert len(server.received) == 200


def test_an_answer_that_comes_late_does_not_answer_the_next_request() -> None:
    """After a read time-out the connection is given up, so that no stale answer is ever taken for a new one."""
    release = threading.Event()

    def late(connection: socket.socket, server: RawServer) -> None:
        while read_request(connection, server):
            if len(server.received) == 1:
                release.wait(5)
            connection.sendall(http(200, json.dumps(order_json(clientOrderId=f"q-{len(server.received)}")).encode()))

    with serving(late) as server:
        exchange = exchange_at(server)
        assert isinstance(exchange.submit(make_attempt(client_order_id="q-1")), Unknown)
        release.set()
        assert isinstance(exchange.submit(make_attempt(client_order_id="q-2")), OrderReport)
        assert server.connections == 2


def test_a_refusal_sent_before_the_request_was_read_is_never_taken_for_anything_else() -> None:
    def refuse(connection: socket.socket, server: RawServer) -> None:
        connection.sendall(http(400, b'{"code": -1121, "msg": "Invalid symbol."}', "Connection: close"))
        read_request(connection, server)

    reply, _ = submit_to(refuse)
    assert isinstance(reply, Rejected | Unknown)


def test_a_transport_made_before_a_fork_refuses_to_work_in_the_child() -> None:
    with serving(answering(http(200, FILLED))) as server:
        exchange = exchange_at(server)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                exchange.submit(make_attempt())
                os.write(writing, b"sent")
            except ForkedTransportError:
                os.write(writing, b"refused")
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            assert pipe.read() == b"refused"
        assert server.received == []


# Pieces of which almost-answers are made: more telling than random bytes alone.
FRAGMENTS = st.sampled_from(
    [
        *(
            b"HTTP/1.1 ",
            b"HTTP/9.9 ",
            b"200 ",
            b"400 ",
            b"100 Continue\r\n\r\n",
            b"101 Switching\r\n",
            b"OK\r\n",
            b"\r\n",
        ),
        *(
            b"Content-Length: ",
            b"5",
            b"-1",
            b"Transfer-Encoding: chunked\r\n",
            b"0\r\n\r\n",
            b"Content-Encoding: gzip\r\n",
        ),
        *(b"Location: http://x\r\n", b"Connection: upgrade\r\n", b":", b" ", b"{", b"[]", b"\x00", b"\xff"),
    ]
)


def test_whatever_bytes_come_over_the_socket_the_outcome_is_unknown() -> None:
    said = [b""]

    def speak(connection: socket.socket, server: RawServer) -> None:
        answering(said[0])(connection, server)

    with serving(speak) as server:
        exchange = exchange_at(server)

        @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(garbage=st.binary(max_size=200) | st.lists(FRAGMENTS, max_size=12).map(b"".join))
        def claim(garbage: bytes) -> None:
            said[0] = garbage
            before = len(server.received)
            reply = exchange.submit(make_attempt())
            assert isinstance(reply, Unknown), reply
            assert len(server.received) <= before + 1

        claim()
        exchange.close()
