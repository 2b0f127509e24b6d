"""Carrying a request out: key, timestamp, signature, order count, handler, journal, answer."""

import re
from dataclasses import dataclass, field
from typing import Any, Final

from app.paper_exchange.codec import dumps
from app.paper_exchange.errors import Refusal, RefusedError
from app.paper_exchange.rate_limits import Limited
from app.paper_exchange.requests_log import RequestRecord
from app.paper_exchange.rest.params import Call, refuse
from app.paper_exchange.rest.records import fail_records
from app.paper_exchange.rest.routes import Creates, Endpoint, Security
from app.paper_exchange.signing import signature_is_valid
from app.paper_exchange.venue import Venue

RECV_WINDOW_DEFAULT_MS: Final = 5_000
RECV_WINDOW_MAX_MS: Final = 60_000
AHEAD_MAX_MS: Final = 1_000
KEY_FORM: Final = re.compile(r"^[A-Za-z0-9_-]{1,256}$")
JSON_TYPE: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back over HTTP."""

    status: int
    body: bytes
    content_type: str = JSON_TYPE
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request as it came off the wire, undecoded."""

    method: str
    path: str
    query: str
    body: str
    ip: str
    api_key: str | None


def execute(venue: Venue, arrival: Arrival, endpoint: Endpoint, call: Call) -> Answer:
    """Check who asks and run the handler."""
    limited = admit(venue, arrival, endpoint, call)
    if limited:
        return limited_answer(venue, call, endpoint, limited)
    return run(venue, endpoint, call)


def admit(venue: Venue, arrival: Arrival, endpoint: Endpoint, call: Call) -> Limited | None:
    """Key, timestamp, signature, then the account's order limits."""
    if endpoint.security is not Security.NONE:
        _check_key(venue, arrival.api_key)
    if endpoint.security is Security.SIGNED:
        _check_time(call)
        _check_signature(venue, arrival)
    if endpoint.orders == (0, 0):
        return None
    ten_seconds, minute = endpoint.orders
    if endpoint.creates is Creates.BATCH:
        ten_seconds = len(call.records)
    return venue.limits.charge_orders(arrival.ip, ten_seconds=ten_seconds, minute=minute, now_ms=call.moment.now_ms)


def _check_key(venue: Venue, key: str | None) -> None:
    if not key or not KEY_FORM.match(key):
        refuse(-2014)
    if key != venue.key:
        refuse(-2015)


def _check_time(call: Call) -> None:
    """The first of two looks at the timestamp; the second is right before matching (-5028)."""
    timestamp = call.required_integer("timestamp")
    window = call.integer("recvWindow")
    if window is None:
        window = RECV_WINDOW_DEFAULT_MS
    if not 0 < window <= RECV_WINDOW_MAX_MS:
        refuse(-1130, name="recvWindow")
    now = call.moment.now_ms
    if timestamp >= now + AHEAD_MAX_MS:
        raise RefusedError(Refusal(-1021, "Timestamp for this request was 1000ms ahead of the server's time."))
    if now - timestamp > window:
        refuse(-1021)
    call.valid_until_us = (timestamp + window) * 1000 + 999


def _check_signature(venue: Venue, arrival: Arrival) -> None:
    valid = signature_is_valid(venue.secret, arrival.query, arrival.body)
    if valid is None:
        refuse(-1102, name="signature")
    if not valid:
        refuse(-1022)


def run(venue: Venue, endpoint: Endpoint, call: Call) -> Answer:
    """Run the handler, make its effects durable, and only then have an answer."""
    status = 200
    try:
        result: Any = endpoint.handler(venue, call)
    except RefusedError as error:
        fail_records(venue, call.records, error.refusal)
        status, result = error.refusal.http_status, error.refusal.body()
    note_records(venue, call.records)
    venue.settle()
    return Answer(status, dumps(result), headers=_headers(venue, call, endpoint))


def note_records(venue: Venue, records: list[RequestRecord]) -> None:
    for record in records:
        venue.state.changed("request", record.number, record)


def _headers(venue: Venue, call: Call, endpoint: Endpoint) -> dict[str, str]:
    headers: dict[str, str] = {}
    if endpoint.orders == (0, 0):
        headers["X-MBX-USED-WEIGHT-1M"] = str(venue.limits.used_weight(call.ip, call.moment.now_ms))
    else:
        weighs = endpoint.weigh(call.params) > 0
        used = venue.limits.used_weight(call.ip, call.moment.now_ms) if weighs else -1
        ten_seconds, minute = venue.limits.order_counts(call.moment.now_ms)
        headers["X-MBX-USED-WEIGHT-1M"] = str(used)
        headers["X-MBX-ORDER-COUNT-10S"] = str(ten_seconds)
        headers["X-MBX-ORDER-COUNT-1M"] = str(minute)
    return headers


def refused_answer(venue: Venue, call: Call, endpoint: Endpoint, refused: Refusal) -> Answer:
    fail_records(venue, call.records, refused)
    venue.settle()
    return Answer(refused.http_status, dumps(refused.body()), headers=_headers(venue, call, endpoint))


def limited_answer(venue: Venue, call: Call, endpoint: Endpoint, limited: Limited) -> Answer:
    answer = refused_answer(venue, call, endpoint, limited.refusal)
    answer.headers["Retry-After"] = str(limited.retry_after_seconds)
    return answer
