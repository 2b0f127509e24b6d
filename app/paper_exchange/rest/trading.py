"""Order endpoints: new, query, cancel, amend, batches, lists, trades and the dead man's switch."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import orjson

from app.paper_exchange.errors import Refusal, RefusedError, refusal
from app.paper_exchange.orders import Order, OrderRequest, OrderType, SelfTradePrevention, TimeInForce
from app.paper_exchange.rest.asked import symbol_of
from app.paper_exchange.rest.formats import order_ack_json, order_json, order_query_json, trade_json
from app.paper_exchange.rest.params import Call, refuse
from app.paper_exchange.venue import Venue

CONDITIONAL_TYPES: Final = frozenset(
    {"STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"}
)
BATCH_PLACE_MAX: Final = 5
BATCH_CANCEL_MAX: Final = 10
WEEK_MS: Final = 7 * 86_400_000
UNFILLED_FORGOTTEN_AFTER_MS: Final = 3 * 86_400_000
FILLED_FORGOTTEN_AFTER_MS: Final = 90 * 86_400_000


def check_position_side(call: Call) -> None:
    """One-way mode: only BOTH fits (-4061)."""
    side = call.text("positionSide")
    if side is None or side == "BOTH":
        return
    refuse(-4061 if side in ("LONG", "SHORT") else -4060)


def self_trade_prevention(call: Call) -> SelfTradePrevention:
    text = call.text("selfTradePreventionMode") or "EXPIRE_MAKER"
    if text not in SelfTradePrevention.__members__:
        refuse(-5039)
    return SelfTradePrevention(text)


def check_price_match(call: Call) -> None:
    """priceMatch is not modelled, and says so instead of guessing a price."""
    mode = call.text("priceMatch")
    if mode is not None and mode != "NONE":
        refuse(-5037)


def parse_order(venue: Venue, call: Call) -> OrderRequest:
    """Read and check the parameters of a new order."""
    symbol = symbol_of(venue, call)
    side = call.side()
    kind = call.required("type")
    if kind in CONDITIONAL_TYPES:
        refuse(-4120)
    if kind not in ("LIMIT", "MARKET"):
        refuse(-1116)
    check_position_side(call)
    check_price_match(call)
    limit = kind == "LIMIT"
    force = call.text("timeInForce")
    if force is not None and force not in TimeInForce.__members__:
        refuse(-1115)
    if limit:
        for name in ("timeInForce", "quantity", "price"):
            call.required(name)
    else:
        call.required("quantity")
        if force is not None:
            refuse(-1106, name="timeInForce")
        if "price" in call.params:
            refuse(-1106, name="price")
    if call.flag("closePosition"):
        refuse(-4136, type=kind, close="true")
    good_till = call.integer("goodTillDate") or 0
    if force == "GTD":
        call.required("goodTillDate")
    return OrderRequest(
        symbol=symbol,
        side=side,
        type=OrderType(kind),
        quantity=call.required_decimal("quantity"),
        price=call.decimal_or_zero("price"),
        time_in_force=TimeInForce(force) if force else TimeInForce.GTC,
        reduce_only=call.flag("reduceOnly"),
        client_order_id=call.client_id("newClientOrderId"),
        self_trade_prevention=self_trade_prevention(call),
        # The exchange keeps whole seconds.
        good_till_ms=good_till // 1000 * 1000 if force == "GTD" else 0,
        valid_until_us=call.valid_until_us,
    )


def _place(venue: Venue, call: Call, record_index: int = 0) -> dict[str, Any]:
    response_type = call.text("newOrderRespType") or "ACK"
    if response_type not in ("ACK", "RESULT"):
        refuse(-1136)
    request = parse_order(venue, call)
    placed = venue.engine.place(request, call.moment, venue.conditions_for(request))
    if isinstance(placed, Refusal):
        raise RefusedError(placed)
    call.records[record_index].order_id = placed.order_id
    spec = venue.market.symbols[placed.symbol]
    return order_json(placed, spec) if response_type == "RESULT" else order_ack_json(placed, spec)


def place_order(venue: Venue, call: Call) -> Any:
    return _place(venue, call)


def test_order(venue: Venue, call: Call) -> Any:
    """Check the parameters alone; nothing is created."""
    parse_order(venue, call)
    return {}


def batch_items(call: Call) -> list[Mapping[str, str]]:
    """The orders of a batch as flat text parameters, values as a client may have typed them."""
    try:
        items = orjson.loads(call.required("batchOrders"))
    except orjson.JSONDecodeError as error:
        raise RefusedError(refusal(-1130, name="batchOrders")) from error
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        refuse(-1130, name="batchOrders")
    if len(items) > BATCH_PLACE_MAX:
        refuse(-4082, limit=BATCH_PLACE_MAX)
    return [{str(name): _as_text(value) for name, value in item.items()} for item in items]


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def place_batch(venue: Venue, call: Call) -> Any:
    """Each order stands for itself; refusals come inline (HTTP 200)."""
    answers: list[dict[str, Any]] = []
    for index, item in enumerate(batch_items(call)):
        single = replace(call, params=item)
        try:
            answers.append(_place(venue, single, index))
        except RefusedError as error:
            call.records[index].error_code = error.refusal.code
            call.records[index].error_message = error.refusal.message
            answers.append(error.refusal.body())
    return answers


def find_order(venue: Venue, call: Call) -> Order | None:
    """By orderId or, without one, by origClientOrderId."""
    symbol = symbol_of(venue, call)
    order_id = call.integer("orderId")
    client_id = call.text("origClientOrderId")
    if order_id is None and client_id is None:
        refuse(-1102, name="orderId")
    return venue.find_order(symbol, order_id=order_id, client_order_id=client_id)


def find_visible_order(venue: Venue, call: Call) -> Order | None:
    """As find_order, but through a query that may lag."""
    order = find_order(venue, call)
    if order is not None and venue.is_hidden(order, f"{call.method} {call.path}", call.moment.now_ms):
        return None
    return order


def query_order(venue: Venue, call: Call) -> Any:
    order = find_visible_order(venue, call)
    if order is None or _is_forgotten(order, call.moment.now_ms):
        refuse(-2013)
    return order_query_json(order, venue.market.symbols[order.symbol])


def _is_forgotten(order: Order, now_ms: int) -> bool:
    """Ended without a fill and older than three days, or ended and older than ninety: not found any more."""
    if order.is_open:
        return False
    age_ms = now_ms - order.created_us // 1000
    return age_ms > (FILLED_FORGOTTEN_AFTER_MS if order.executed_quantity else UNFILLED_FORGOTTEN_AFTER_MS)


def query_open_order(venue: Venue, call: Call) -> Any:
    order = find_visible_order(venue, call)
    if order is None or not order.is_open:
        refuse(-2013)
    return order_query_json(order, venue.market.symbols[order.symbol])


def cancel_order(venue: Venue, call: Call) -> Any:
    canceled = venue.engine.cancel(find_order(venue, call), call.moment)
    if isinstance(canceled, Refusal):
        raise RefusedError(canceled)
    return order_json(canceled, venue.market.symbols[canceled.symbol])


def amend_order(venue: Venue, call: Call) -> Any:
    order = find_order(venue, call)
    call.side()
    check_price_match(call)
    amended = venue.engine.amend(
        order, quantity=call.required_decimal("quantity"), price=call.required_decimal("price"), moment=call.moment
    )
    if isinstance(amended, Refusal):
        raise RefusedError(amended)
    return order_json(amended, venue.market.symbols[amended.symbol])


def amend_batch(venue: Venue, call: Call) -> Any:
    answers: list[dict[str, Any]] = []
    for item in batch_items(call):
        try:
            answers.append(amend_order(venue, replace(call, params=item)))
        except RefusedError as error:
            answers.append(error.refusal.body())
    return answers


def _id_list(call: Call, name: str) -> list[Any]:
    # ccxt spells these names in lower case, and the exchange takes it.
    text = call.text(name) or call.text(name.lower())
    if text is None:
        return []
    try:
        values = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RefusedError(refusal(-1130, name=name)) from error
    if not isinstance(values, list) or len(values) > BATCH_CANCEL_MAX:
        refuse(-1130, name=name)
    return values


def cancel_batch(venue: Venue, call: Call) -> Any:
    symbol_of(venue, call)
    wanted = [{"orderId": str(value)} for value in _id_list(call, "orderIdList")]
    wanted += [{"origClientOrderId": str(value)} for value in _id_list(call, "origClientOrderIdList")]
    if not wanted:
        refuse(-1102, name="orderIdList")
    answers: list[dict[str, Any]] = []
    for item in wanted:
        try:
            answers.append(cancel_order(venue, replace(call, params={"symbol": call.params["symbol"], **item})))
        except RefusedError as error:
            answers.append(error.refusal.body())
    return answers


def cancel_all(venue: Venue, call: Call) -> Any:
    venue.engine.advance(call.moment)
    venue.engine.cancel_all(symbol_of(venue, call), call.moment)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def open_orders(venue: Venue, call: Call) -> Any:
    symbol = symbol_of(venue, call) if call.params.get("symbol") else None
    orders: Iterable[Order] = venue.state.all_open() if symbol is None else venue.state.open_of(symbol)
    endpoint = f"{call.method} {call.path}"
    seen = [order for order in orders if not venue.is_hidden(order, endpoint, call.moment.now_ms)]
    return [order_query_json(order, venue.market.symbols[order.symbol]) for order in seen]


def time_window(call: Call) -> tuple[int, int]:
    """startTime and endTime, at most seven days apart (-4166 beyond)."""
    start, end = call.integer("startTime"), call.integer("endTime")
    now = call.moment.now_ms
    if start is None:
        start = (end if end is not None else now) - WEEK_MS
    if end is None:
        end = start + WEEK_MS
    if end - start > WEEK_MS:
        refuse(-4166)
    return start, end


def all_orders(venue: Venue, call: Call) -> Any:
    symbol = symbol_of(venue, call) if call.params.get("symbol") else None
    limit = call.limit(default=500, maximum=1000)
    start, end = time_window(call)
    from_id = call.integer("orderId")
    orders = [
        order
        for order in venue.state.orders.values()
        if (symbol is None or order.symbol == symbol)
        and (order.order_id >= from_id if from_id is not None else start <= order.created_us // 1000 <= end)
        and not _is_forgotten(order, call.moment.now_ms)
    ]
    chosen = orders[:limit] if from_id is not None or "startTime" in call.params else orders[-limit:]
    return [order_query_json(order, venue.market.symbols[order.symbol]) for order in chosen]


def user_trades(venue: Venue, call: Call) -> Any:
    symbol = symbol_of(venue, call)
    limit = call.limit(default=500, maximum=1000)
    order_id, from_id = call.integer("orderId"), call.integer("fromId")
    spec = venue.market.symbols[symbol]
    if order_id is not None:
        fills = [f for f in venue.state.fills_of_order.get(order_id, ()) if f.symbol == symbol]
    elif from_id is not None:
        fills = [f for f in venue.state.fills_of_symbol.get(symbol, ()) if f.trade_id >= from_id]
    else:
        start, end = time_window(call)
        fills = [f for f in venue.state.fills_of_symbol.get(symbol, ()) if start <= f.at_us // 1000 <= end]
    chosen = fills[:limit] if from_id is not None or "startTime" in call.params else fills[-limit:]
    return [trade_json(fill, spec) for fill in chosen]


def countdown_cancel_all(venue: Venue, call: Call) -> Any:
    symbol = symbol_of(venue, call)
    milliseconds = call.required_integer("countdownTime")
    venue.engine.count_down(symbol, milliseconds, call.moment)
    return {"symbol": symbol, "countdownTime": str(milliseconds)}
