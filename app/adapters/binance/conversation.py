"""One request, one answer: build it, sign it, send it once, read the limits off its headers, log one line."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx
import structlog

from app.adapters.binance.credentials import Credentials
from app.adapters.binance.error_table import Answer, pause_in
from app.adapters.binance.signing import Parameter, encode, signed
from app.adapters.binance.transport import PooledTransport
from app.adapters.binance.weights import Endpoint, Security
from app.adapters.binance.wire import safe_text
from app.adapters.metrics.instruments import EXCHANGE_REQUEST_SECONDS
from app.ports import RateBudget

log = structlog.get_logger(__name__)

USER_AGENT = "quantum-trader"
USED_WEIGHT_HEADER = "x-mbx-used-weight-1m"
ORDERS_10S_HEADER = "x-mbx-order-count-10s"
ORDERS_1M_HEADER = "x-mbx-order-count-1m"
_HEADERS_READ = frozenset({USED_WEIGHT_HEADER, ORDERS_10S_HEADER, ORDERS_1M_HEADER, "retry-after"})

# Raised before a byte of the request is written: no connection, or none free. Everything else may have been sent,
# also on a kept-alive connection that the server was just closing.
NOTHING_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class TransportFault(Exception):
    """No answer came. Made anew from the library's exception, whose request object carries the signature."""

    def __init__(self, kind: str, text: str, *, nothing_sent: bool) -> None:
        super().__init__(f"{kind}: {text}")
        self.nothing_sent = nothing_sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """What there is instead of an `Answer` when none came."""

    fault: TransportFault

    @property
    def nothing_sent(self) -> bool:
        """Whether it is certain that the request never left."""
        return self.fault.nothing_sent


class Conversation:
    """Sends requests to one host; safe to use from several threads; nothing is ever sent twice.

    `base_url` has no path (`https://fapi.binance.com`). `budget` is told the headers of every answer; None for a host
    whose limits are not ours to keep. Make it after forking.
    """

    def __init__(
        self,
        *,
        base_url: str,
        credentials: Credentials,
        budget: RateBudget | None,
        transport: httpx.BaseTransport | None = None,
        wall_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._credentials = credentials
        self._budget = budget
        self._transport = transport if transport is not None else PooledTransport()
        self._wall_seconds = wall_seconds

    def close(self) -> None:
        """Close every connection."""
        self._transport.close()

    def redact(self, text: str) -> str:
        """Foreign text without our key, secret or signatures."""
        return self._credentials.redact(text)

    def wall_ms(self) -> int:
        """This machine's clock, good enough to count down a ban."""
        return int(self._wall_seconds() * 1000)

    def ask(self, endpoint: Endpoint, parameters: Sequence[Parameter] = ()) -> Answer | Silence:
        """Send one request, once. Parameters of a signed endpoint include `timestamp` and `recvWindow`."""
        began = time.monotonic()
        outcome = self._send(endpoint, parameters)
        seconds = time.monotonic() - began
        milliseconds = round(seconds * 1000, 1)
        status = "silence" if isinstance(outcome, Silence) else str(outcome.status)
        EXCHANGE_REQUEST_SECONDS.labels(method=endpoint.method, path=endpoint.path, status=status).observe(seconds)
        if isinstance(outcome, Silence):
            log.info(
                "exchange_request",
                method=endpoint.method,
                path=endpoint.path,
                fault=str(outcome.fault),
                nothing_sent=outcome.nothing_sent,
                milliseconds=milliseconds,
            )
            return outcome
        # What creates orders is worth a line each; questions are many.
        tell = log.info if endpoint.orders else log.debug
        tell(
            "exchange_request",
            method=endpoint.method,
            path=endpoint.path,
            status=outcome.status,
            used_weight=outcome.headers.get(USED_WEIGHT_HEADER),
            milliseconds=milliseconds,
        )
        self._tell_budget(outcome)
        return outcome

    def without_secrets(self, answer: Answer) -> Answer:
        """The answer fit to be quoted: a server may have echoed our request."""
        text = answer.body.decode("utf-8", errors="replace")
        return dataclasses.replace(answer, body=self.redact(text).encode("utf-8", errors="replace"))

    def _send(self, endpoint: Endpoint, parameters: Sequence[Parameter]) -> Answer | Silence:
        try:
            response = self._transport.handle_request(self._request(endpoint, parameters))
            try:
                body = response.read()
            finally:
                response.close()
        # DecodingError: a compressed answer that is not. Every other subclass of RequestError is the transport's.
        except httpx.RequestError as error:
            nothing_sent = isinstance(error, NOTHING_SENT)
            text = safe_text(self.redact(str(error)))
            return Silence(fault=TransportFault(type(error).__name__, text, nothing_sent=nothing_sent))
        headers = {
            name: safe_text(self.redact(value))
            for name, value in ((key.lower(), value) for key, value in response.headers.items())
            if name in _HEADERS_READ
        }
        return Answer(status=response.status_code, headers=headers, body=body)

    def _request(self, endpoint: Endpoint, parameters: Sequence[Parameter]) -> httpx.Request:
        headers = {"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "identity"}
        if endpoint.security is not Security.NONE:
            headers["X-MBX-APIKEY"] = self._credentials.reveal_key()
        if endpoint.security is Security.SIGNED:
            text = signed(parameters, secret=self._credentials.reveal_secret())
        else:
            text = encode(parameters)
        url = self._base_url + endpoint.path
        # A body stays out of the access logs of everything on the way; GET and DELETE have none.
        if endpoint.method in ("POST", "PUT"):
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            return httpx.Request(endpoint.method, url, headers=headers, content=text.encode("ascii"))
        return httpx.Request(endpoint.method, f"{url}?{text}" if text else url, headers=headers)

    def _tell_budget(self, answer: Answer) -> None:
        if self._budget is None:
            return
        used_weight = _count(answer, USED_WEIGHT_HEADER)
        orders_10s = _count(answer, ORDERS_10S_HEADER)
        orders_1m = _count(answer, ORDERS_1M_HEADER)
        if (used_weight, orders_10s, orders_1m) != (None, None, None):
            self._budget.observe(used_weight=used_weight, orders_10s=orders_10s, orders_1m=orders_1m)
        pause = pause_in(answer, now_ms=self.wall_ms())
        if pause is not None:
            log.warning("exchange_limit_passed", seconds=pause.seconds, reason=pause.reason)
            self._budget.close(seconds=pause.seconds, reason=pause.reason, orders_only=pause.orders_only)


def _count(answer: Answer, header: str) -> int | None:
    """A counter from a header; None when it is absent, negative (sent on calls without weight) or no number."""
    text = answer.headers.get(header, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None
