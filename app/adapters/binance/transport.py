"""The one seam to the network: a connection pool with every limit written out and a deadline over the whole exchange.

The library's own time-outs bound each read, not their sum: a server that sends one byte every two seconds would hold a
worker for days. Here every socket operation of a request is cut short by the request's deadline as well.
"""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpcore
import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long one request may take; reading stays below the order's `recvWindow` of 2-3 s."""

    connect_seconds: float = 1.0
    write_seconds: float = 1.0
    read_seconds: float = 2.5
    pool_seconds: float = 0.5  # waiting for a free connection
    total_seconds: float = 4.0  # all of the above together; name resolution is bounded by the system's resolver


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Connections and bytes. Eight worker threads, a clock refresh, and room."""

    connections_max: int = 16
    idle_connections_max: int = 16
    # Below the exchange's own idle time-out, so that a connection is rarely closed under a request.
    idle_seconds_max: float = 20.0
    answer_bytes_max: int = 16 * 1024 * 1024  # exchangeInfo has 1.1 MB


class ForkedTransportError(RuntimeError):
    """The transport was made before a fork: parent and child would read each other's answers."""


class _DeadlineStream(httpcore.NetworkStream):
    """A socket whose every operation also ends at the deadline of the request in hand."""

    def __init__(self, stream: httpcore.NetworkStream, backend: _DeadlineBackend) -> None:
        self._stream = stream
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._backend.shorten(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._backend.shorten(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        shortened = self._backend.shorten(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, shortened), self._backend)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _DeadlineBackend(httpcore.NetworkBackend):
    """Opens sockets that know the deadline of the thread's current request."""

    def __init__(self) -> None:
        self._inner = httpcore.SyncBackend()
        self._current = threading.local()

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        self._current.at = time.monotonic() + seconds
        try:
            yield
        finally:
            self._current.at = None

    def shorten(self, timeout: float | None, expired: type[httpcore.TimeoutException]) -> float | None:
        at: float | None = getattr(self._current, "at", None)
        if at is None:
            return timeout
        left = at - time.monotonic()
        if left <= 0:
            raise expired("the deadline of the whole request has passed")
        return left if timeout is None else min(timeout, left)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        shortened = self.shorten(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(self._inner.connect_tcp(host, port, shortened, local_address, socket_options), self)


# Most specific first: the first class that fits decides.
_HTTPX_NAME_OF: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    (httpcore.ConnectTimeout, httpx.ConnectTimeout),
    (httpcore.PoolTimeout, httpx.PoolTimeout),
    (httpcore.WriteTimeout, httpx.WriteTimeout),
    (httpcore.ReadTimeout, httpx.ReadTimeout),
    (httpcore.ConnectError, httpx.ConnectError),
    (httpcore.WriteError, httpx.WriteError),
    (httpcore.ReadError, httpx.ReadError),
    (httpcore.RemoteProtocolError, httpx.RemoteProtocolError),
    (httpcore.LocalProtocolError, httpx.LocalProtocolError),
    (httpcore.UnsupportedProtocol, httpx.UnsupportedProtocol),
    (httpcore.ProxyError, httpx.ProxyError),
)


@contextmanager
def _in_httpx_terms() -> Iterator[None]:
    try:
        yield
    except (
        httpcore.TimeoutException,
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.ProxyError,
        httpcore.UnsupportedProtocol,
    ) as error:
        for known, translated in _HTTPX_NAME_OF:
            if isinstance(error, known):
                raise translated(str(error)) from error
        raise httpx.TransportError(str(error)) from error


def _refuse_compression(answer: httpcore.Response) -> None:
    """We ask for none; unpacking what came all the same would put no bound on its size."""
    for name, value in answer.headers:
        if name.lower() == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            raise httpx.DecodingError("a compressed answer that was not asked for")


class PooledTransport(httpx.BaseTransport):
    """HTTP/1.1 keep-alive connections, thread-safe, no retries, no redirects, no proxy from the environment.

    Make it after forking. `handle_request` reads the whole answer; raises `httpx.TransportError` and its kin.
    `ssl_context` is for a private certificate authority; without one the usual authorities are trusted.
    """

    def __init__(
        self,
        *,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._timeouts = timeouts or Timeouts()
        self._limits = limits or Limits()
        self._backend = _DeadlineBackend()
        self._process_id = os.getpid()
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl_context or httpx.create_ssl_context(verify=True, trust_env=False),
            max_connections=self._limits.connections_max,
            max_keepalive_connections=self._limits.idle_connections_max,
            keepalive_expiry=self._limits.idle_seconds_max,
            http1=True,
            http2=False,
            retries=0,
            network_backend=self._backend,
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send once and read the answer to its end; nothing is tried twice."""
        if os.getpid() != self._process_id:
            raise ForkedTransportError("an exchange connection was made before the fork; make it in the child")
        with _in_httpx_terms(), self._backend.deadline(self._timeouts.total_seconds):
            answer = self._pool.handle_request(self._pool_request(request))
            try:
                _refuse_compression(answer)
                body = self._read(answer)
            finally:
                answer.close()
        return httpx.Response(answer.status, headers=answer.headers, content=body)

    def _pool_request(self, request: httpx.Request) -> httpcore.Request:
        return httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.read(),
            extensions={
                "timeout": {
                    "connect": self._timeouts.connect_seconds,
                    "read": self._timeouts.read_seconds,
                    "write": self._timeouts.write_seconds,
                    "pool": self._timeouts.pool_seconds,
                }
            },
        )

    def _read(self, answer: httpcore.Response) -> bytes:
        parts: list[bytes] = []
        size = 0
        for part in answer.iter_stream():
            size += len(part)
            if size > self._limits.answer_bytes_max:
                raise httpx.ReadError(f"the answer is longer than {self._limits.answer_bytes_max} bytes")
            parts.append(part)
        return b"".join(parts)

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.close()
