"""Requests that a fault happens to: whether they still take effect, and what their sender sees of it."""

import asyncio
from typing import Any, Final

from app.paper_exchange.codec import dumps
from app.paper_exchange.errors import (
    SERVICE_UNAVAILABLE_TEXT,
    TEXTS,
    UNKNOWN_ERROR_TEXT,
    Refusal,
    RefusedError,
    refusal,
)
from app.paper_exchange.faults import REQUEST_KINDS, Fault
from app.paper_exchange.rate_limits import Limited
from app.paper_exchange.rest.execution import (
    Answer,
    Arrival,
    admit,
    execute,
    limited_answer,
    note_records,
    refused_answer,
    run,
)
from app.paper_exchange.rest.params import Call
from app.paper_exchange.rest.records import fail_records
from app.paper_exchange.rest.routes import Endpoint
from app.paper_exchange.venue import Venue

HTML_TYPE: Final = "text/html"
HTML_BODY: Final = b"<html><head><title>%d</title></head><body><center><h1>%d</h1></center></body></html>"


def request_fault(venue: Venue, arrival: Arrival, call: Call) -> Fault | None:
    kinds = REQUEST_KINDS
    # Reduce-only and closing orders are exempt from system-level throttling.
    if call.params.get("reduceOnly", "").lower() == "true" or call.params.get("closePosition", "").lower() == "true":
        kinds = kinds - {"throttled"}
    return venue.faults.decide(
        *kinds,
        endpoint=f"{arrival.method} {arrival.path}",
        symbol=call.params.get("symbol"),
        side=call.params.get("side"),
    )


async def handle_faulty(venue: Venue, arrival: Arrival, endpoint: Endpoint, call: Call, fault: Fault) -> Answer | None:
    """Let a fault happen to this request. Whether it still takes effect is what the fault says."""
    kind, params = fault.kind, fault.params
    if kind == "drop_request":
        fail_records(venue, call.records, Refusal(-1000, "dropped before acceptance by a fault"))
        venue.settle()
        return None
    if kind == "throttled":
        return refused_answer(venue, call, endpoint, refusal(-1008))
    if kind == "rate_limited":
        refused = (
            refusal(-1015, limit=venue.limits.limits.orders_per_minute, interval="1 MINUTE")
            if params["code"] == -1015
            else refusal(-1003, ip=arrival.ip, limit=venue.limits.limits.weight_per_minute)
        )
        return limited_answer(venue, call, endpoint, Limited(refused, params["retry_after_seconds"]))
    if kind == "banned":
        return limited_answer(
            venue, call, endpoint, venue.limits.ban(arrival.ip, params["seconds"], call.moment.now_ms)
        )
    if kind in ("http_error", "timeout"):
        broken = _broken_answer(kind, params)
        if params["accepted"]:
            _swallow(venue, arrival, endpoint, call)
        else:
            fail_records(venue, call.records, Refusal(-1000, f"{kind} before acceptance by a fault"))
            venue.settle()
        return broken
    if kind == "drop_reply":
        _swallow(venue, arrival, endpoint, call)
        return None
    if kind == "delay_reply":
        answer = execute(venue, arrival, endpoint, call)
        await asyncio.sleep(params["delay_ms"] / 1000)
        return answer
    return await _delay_acceptance(venue, arrival, endpoint, call, params)


def _swallow(venue: Venue, arrival: Arrival, endpoint: Endpoint, call: Call) -> None:
    """Carry the request out although its answer will not be seen."""
    try:
        execute(venue, arrival, endpoint, call)
    except RefusedError as error:
        refused_answer(venue, call, endpoint, error.refusal)


def _broken_answer(kind: str, params: dict[str, Any]) -> Answer:
    if kind == "timeout":
        refused = refusal(-1007)
        return Answer(refused.http_status, dumps(refused.body()))
    status, text = params["status"], params["text"]
    if text is None:
        text = "unknown" if status == 503 else "html"
    if text == "html":
        return Answer(status, HTML_BODY % (status, status), HTML_TYPE)
    bodies = {
        "unknown": {"code": -1000, "msg": UNKNOWN_ERROR_TEXT},
        "internal": {"code": -1001, "msg": TEXTS[-1001]},
        "unavailable": {"code": -1000, "msg": SERVICE_UNAVAILABLE_TEXT},
    }
    return Answer(status, dumps(bodies[text]))


async def _delay_acceptance(
    venue: Venue, arrival: Arrival, endpoint: Endpoint, call: Call, params: dict[str, Any]
) -> Answer | None:
    """Admit the request now, but let it reach matching only later; queries meanwhile do not find it."""
    limited = admit(venue, arrival, endpoint, call)
    if limited:
        return limited_answer(venue, call, endpoint, limited)
    note_records(venue, call.records)
    venue.settle()

    async def later() -> Answer:
        await asyncio.sleep(params["delay_ms"] / 1000)
        call.moment = venue.moment()
        return run(venue, endpoint, call)

    task = asyncio.ensure_future(later())
    venue.background.add(task)
    task.add_done_callback(venue.background.discard)
    reply = params["reply"]
    if reply == "wait":
        # The order comes true even if its sender hangs up meanwhile.
        return await asyncio.shield(task)
    if reply == "drop":
        return None
    return (
        _broken_answer("timeout", {})
        if reply == "timeout"
        else _broken_answer("http_error", {"status": 503, "text": "unknown"})
    )
