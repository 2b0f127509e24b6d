"""Canaries: every kind of failure is provoked, and neither key, secret nor signature shows up anywhere."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import re
import socket
import traceback
from collections.abc import Callable, Iterator

import httpx
import pytest
import structlog

from app.adapters.binance.credentials import Credentials
from app.adapters.binance.rest import RestExchange
from app.adapters.binance.start_check import UnsafeKeyError, refuse_withdrawal_key
from app.adapters.binance.transport import PooledTransport
from app.ports import ExchangeError
from tests.unit.binance.fakes import BASE_URL, KEY, SECRET, SERVER_MS, answer, make_attempt, make_exchange
from tests.unit.binance.raw_server import RawServer, http, read_request, serving
from tests.unit.binance.test_transport import FAST

SIGNATURE = re.compile(r"[0-9a-f]{64}")


def leaks(text: str) -> list[str]:
    found = [name for name, canary in (("key", KEY), ("secret", SECRET)) if canary[:24] in text]
    return found + ["signature"] * bool(SIGNATURE.search(text))


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """Each structlog line and each line of the standard library's loggers, at the lowest level."""
    lines: list[str] = []

    def keep(logger: object, name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        lines.append(repr(event))
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[keep], cache_logger_on_first_use=False)
    caplog.set_level(logging.DEBUG)
    try:
        yield lines
    finally:
        structlog.configure(**before)
        lines.extend(record.getMessage() for record in caplog.records)


def echo(request: httpx.Request) -> str:
    """All that the client sent, as a careless server may send it back."""
    return f"{request.url} {dict(request.headers)} {request.content.decode()}"


def echoing_error(kind: type[httpx.TransportError]) -> Callable[[httpx.Request], httpx.Response]:
    def script(request: httpx.Request) -> httpx.Response:
        raise kind(echo(request), request=request)

    return script


FAILURES: list[Callable[[httpx.Request], httpx.Response]] = [
    *(
        echoing_error(kind)
        for kind in (
            httpx.ConnectError,
            httpx.ConnectTimeout,
            httpx.PoolTimeout,
            httpx.ReadError,
            httpx.ReadTimeout,
            httpx.WriteError,
            httpx.RemoteProtocolError,
        )
    ),
    lambda request: answer(400, {"code": -1100, "msg": f"Illegal characters in {echo(request)}"}),
    lambda request: answer(401, {"code": -2015, "msg": echo(request)}),
    lambda request: answer(429, {"code": -1003, "msg": echo(request)}, {"Retry-After": echo(request)[:500]}),
    lambda request: answer(400, {"code": -99, "msg": "x" * 150 + echo(request)}),
    lambda request: answer(502, echo(request)),
    lambda request: answer(502, "x" * 170 + request.headers.get("X-MBX-APIKEY", "")),
    lambda request: answer(503, {"code": -1008, "msg": echo(request)}),
    lambda request: answer(200, echo(request)),
    lambda request: answer(200, {"code": 1, "msg": echo(request)}),
    lambda request: answer(200, {"status": echo(request), "orderId": 1}),
    lambda request: answer(200, [{"status": echo(request)}]),
]


def calls(exchange: RestExchange) -> list[Callable[[], object]]:
    return [
        lambda: exchange.submit(make_attempt()),
        lambda: exchange.query_order(symbol="BTCUSDT", client_order_id="qabc-1"),
        lambda: exchange.cancel_all("BTCUSDT"),
        exchange.account,
        exchange.positions,
        exchange.open_orders,
        lambda: exchange.trades("BTCUSDT"),
        exchange.symbol_rules,
        exchange.open_listen_key,
    ]


def everything_said(call: Callable[[], object]) -> str:
    """The value, or the exception as the nosiest logger would print it: with the local variables of every frame."""
    try:
        return repr(call())
    except (ExchangeError, UnsafeKeyError) as error:
        nosy = traceback.TracebackException.from_exception(error, capture_locals=True)
        return "".join(nosy.format()) + repr(error) + repr(error.__cause__)


@pytest.mark.parametrize("failure", FAILURES)
def test_no_failure_shows_a_credential(
    failure: Callable[[httpx.Request], httpx.Response], everything_logged: list[str]
) -> None:
    for number in range(9):
        said = everything_said(calls(make_exchange(failure))[number])
        assert leaks(said) == [], said
    production = "https://fapi.binance.com"

    class Transport(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            return failure(request)

    said = everything_said(
        lambda: refuse_withdrawal_key(
            base_url=production,
            credentials=Credentials(key=KEY, secret=SECRET),
            now_ms=lambda: SERVER_MS,
            transport=Transport(),
        )
    )
    assert leaks(said) == [], said
    assert any("exchange_request" in line for line in everything_logged)
    assert [line for line in everything_logged if leaks(line)] == []


def echo_as_status_line(connection: socket.socket, server: RawServer) -> None:
    connection.sendall(read_request(connection, server))


def echo_as_body(connection: socket.socket, server: RawServer) -> None:
    connection.sendall(http(400, read_request(connection, server)))


@pytest.mark.parametrize("behaviour", [echo_as_status_line, echo_as_body])
def test_a_server_that_echoes_on_the_socket_gets_nothing_into_our_logs(
    behaviour: Callable[[socket.socket, RawServer], None],
    everything_logged: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with serving(behaviour) as server:
        exchange = make_exchange(PooledTransport(timeouts=FAST), base_url=server.url)
        for call in calls(exchange):
            said = everything_said(call)
            assert leaks(said) == [], said
        exchange.close()
        assert KEY.encode() in b"".join(server.received)  # the canary was really there to be leaked
    ours = [*everything_logged, *(record.getMessage() for record in caplog.records)]
    assert [line for line in ours if leaks(line)] == []


def test_credentials_do_not_show_themselves() -> None:
    credentials = Credentials(key=KEY, secret=SECRET)
    exchange = make_exchange(lambda request: answer(200, {}))
    for text in (repr(credentials), str(credentials), f"{credentials}", repr(exchange), repr(vars(exchange))):
        assert leaks(text) == []
    with pytest.raises(TypeError):
        pickle.dumps(credentials)
    with pytest.raises(TypeError):
        copy.copy(credentials)
    with pytest.raises(TypeError):
        json.dumps(credentials)


def test_the_canary_would_be_found() -> None:
    assert leaks(f"... {KEY} ...") == ["key"]
    assert leaks(f"... {SECRET} ...") == ["secret"]
    assert leaks("signature=" + "ab" * 32) == ["signature"]
    assert BASE_URL.startswith("http")
