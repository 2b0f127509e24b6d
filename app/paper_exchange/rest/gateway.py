"""The way of a request: ban, weight, faults, and then its execution."""

import logging

from app.paper_exchange.codec import dumps
from app.paper_exchange.errors import TEXTS, Refusal, RefusedError
from app.paper_exchange.journal import JournalError
from app.paper_exchange.rest.execution import Answer, Arrival, execute, limited_answer, refused_answer
from app.paper_exchange.rest.misbehaving import handle_faulty, request_fault
from app.paper_exchange.rest.params import Call, parse_parameters
from app.paper_exchange.rest.records import open_records
from app.paper_exchange.rest.routes import ENDPOINTS
from app.paper_exchange.venue import Venue

log = logging.getLogger(__name__)


async def handle(venue: Venue, arrival: Arrival) -> Answer | None:
    """Answer a request; None closes the connection without an answer."""
    moment = venue.moment()
    endpoint = ENDPOINTS.get((arrival.method, arrival.path))
    if endpoint is None:
        text = f"Path {arrival.path}, Method {arrival.method} is invalid"
        return Answer(404, dumps({"code": -5000, "msg": text}))
    banned = venue.limits.check_ban(arrival.ip, moment.now_ms)
    call = Call(arrival.method, arrival.path, {}, moment, arrival.ip)
    try:
        call.params = parse_parameters(arrival.query, arrival.body)
        call.records = open_records(venue, endpoint, call)
        if banned:
            return limited_answer(venue, call, endpoint, banned)
        weight = endpoint.weigh(call.params)
        limited = venue.limits.charge_weight(arrival.ip, weight, moment.now_ms, funding=endpoint.funding_bucket)
        if limited:
            return limited_answer(venue, call, endpoint, limited)
        fault = request_fault(venue, arrival, call)
        if fault:
            return await handle_faulty(venue, arrival, endpoint, call, fault)
        return execute(venue, arrival, endpoint, call)
    except RefusedError as error:
        return refused_answer(venue, call, endpoint, error.refusal)
    except JournalError:
        raise
    except Exception:
        log.exception("request failed: %s %s", arrival.method, arrival.path)
        return refused_answer(venue, call, endpoint, Refusal(-1000, TEXTS[-1000], 500))
