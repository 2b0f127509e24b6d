"""Opens the ledger's record of a request before anything judges it, and closes it with the refusal if there is one."""

from collections.abc import Mapping

import orjson

from app.paper_exchange.errors import Refusal
from app.paper_exchange.ledger import ALGO_ORIGIN
from app.paper_exchange.requests_log import RequestRecord
from app.paper_exchange.rest.params import Call
from app.paper_exchange.rest.routes import Creates, Endpoint
from app.paper_exchange.venue import Venue

BATCH_RECORDS_MAX = 5


def _record(params: Mapping[str, object], received_us: int, origin: str) -> RequestRecord:
    def text(name: str) -> str | None:
        value = params.get(name)
        return None if value is None else str(value)

    return RequestRecord(
        number=0,
        received_us=received_us,
        client_order_id=text("clientAlgoId") if origin == ALGO_ORIGIN else text("newClientOrderId"),
        symbol=text("symbol"),
        side=text("side"),
        type=text("type"),
        time_in_force=text("timeInForce"),
        quantity=text("quantity"),
        price=text("price"),
        reduce_only=(text("reduceOnly") or "").lower() == "true",
        origin=origin,
    )


def open_records(venue: Venue, endpoint: Endpoint, call: Call) -> list[RequestRecord]:
    """One record per order the request tries to create."""
    if endpoint.creates is Creates.NOTHING:
        return []
    received = call.moment.now_us
    origin = ALGO_ORIGIN if endpoint.creates is Creates.ALGO else "request"
    items: list[Mapping[str, object]] = [call.params]
    if endpoint.creates is Creates.BATCH:
        items = _batch(call.params.get("batchOrders", ""))
    return [venue.state.requests.add(_record(item, received, origin)) for item in items]


def _batch(text: str) -> list[Mapping[str, object]]:
    """The items of a batch as far as they can be read; a malformed batch leaves one record."""
    try:
        items = orjson.loads(text)
    except orjson.JSONDecodeError:
        return [{}]
    if not isinstance(items, list):
        return [{}]
    readable: list[Mapping[str, object]] = [item for item in items if isinstance(item, dict)]
    return readable[:BATCH_RECORDS_MAX] or [{}]


def fail_records(venue: Venue, records: list[RequestRecord], refused: Refusal) -> None:
    """Write the refusal into every record that has not become an order."""
    for record in records:
        if record.order_id or record.algo_id or record.error_code is not None:
            continue
        record.error_code, record.error_message = refused.code, refused.message
        venue.state.changed("request", record.number, record)
