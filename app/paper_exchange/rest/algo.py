"""Conditional order endpoints: algoOrder and its lists."""

from decimal import Decimal
from typing import Any, Final

from app.paper_exchange.conditional import AlgoOrder, AlgoRequest, AlgoType
from app.paper_exchange.decimals import ZERO
from app.paper_exchange.errors import Refusal, RefusedError
from app.paper_exchange.orders import TimeInForce
from app.paper_exchange.rest.asked import symbol_of
from app.paper_exchange.rest.formats import algo_json, algo_query_json
from app.paper_exchange.rest.params import Call, refuse
from app.paper_exchange.rest.trading import check_position_side, check_price_match, self_trade_prevention, time_window
from app.paper_exchange.venue import Venue

CALLBACK_RATE_MIN: Final = Decimal("0.1")
CALLBACK_RATE_MAX: Final = Decimal(20)
WORKING_TYPES: Final = ("CONTRACT_PRICE", "MARK_PRICE")
GTE_GTC: Final = "GTE_GTC"


def _parse_force(call: Call, kind: AlgoType) -> tuple[TimeInForce, str]:
    text = call.text("timeInForce")
    if text is None or text == GTE_GTC:
        return TimeInForce.GTC, text or "GTC"
    if text not in TimeInForce.__members__:
        refuse(-1115)
    return (TimeInForce.GTC if kind.is_market else TimeInForce(text)), text


def parse_algo(venue: Venue, call: Call) -> AlgoRequest:
    """Read and check the parameters of a new conditional order."""
    if call.required("algoType") != "CONDITIONAL":
        refuse(-1130, name="algoType")
    symbol = symbol_of(venue, call)
    side = call.side()
    kind_text = call.required("type")
    if kind_text not in AlgoType.__members__:
        refuse(-1116)
    kind = AlgoType(kind_text)
    check_position_side(call)
    check_price_match(call)
    force, shown = _parse_force(call, kind)
    working_type = call.text("workingType") or "CONTRACT_PRICE"
    if working_type not in WORKING_TYPES:
        refuse(-1130, name="workingType")
    close = call.flag("closePosition")
    if close:
        if not kind.is_market or kind is AlgoType.TRAILING_STOP_MARKET:
            refuse(-4136, type=kind, close="true")
        if call.decimal_or_zero("quantity"):
            refuse(-4137)
        if "reduceOnly" in call.params and call.flag("reduceOnly"):
            refuse(-1106, name="reduceonly")
    else:
        call.required("quantity")
    trigger = ZERO
    callback_rate = ZERO
    if kind is AlgoType.TRAILING_STOP_MARKET:
        callback_rate = call.required_decimal("callbackRate")
        if not CALLBACK_RATE_MIN <= callback_rate <= CALLBACK_RATE_MAX:
            refuse(-2007)
    else:
        trigger = call.required_decimal("triggerPrice")
    if not kind.is_market:
        call.required("price")
    return AlgoRequest(
        symbol=symbol,
        side=side,
        type=kind,
        quantity=ZERO if close else call.required_decimal("quantity"),
        trigger_price=trigger,
        price=ZERO if kind.is_market else call.required_decimal("price"),
        time_in_force=force,
        shown_time_in_force=shown,
        working_type=working_type,
        reduce_only=call.flag("reduceOnly"),
        close_position=close,
        price_protect=call.flag("priceProtect"),
        activate_price=call.decimal_or_zero("activatePrice") or call.decimal_or_zero("activationPrice"),
        callback_rate=callback_rate,
        client_algo_id=call.client_id("clientAlgoId"),
        self_trade_prevention=self_trade_prevention(call),
        good_till_ms=(call.integer("goodTillDate") or 0) // 1000 * 1000,
        valid_until_us=call.valid_until_us,
    )


def place_algo(venue: Venue, call: Call) -> Any:
    placed = venue.engine.place_algo(parse_algo(venue, call), call.moment)
    if isinstance(placed, Refusal):
        raise RefusedError(placed)
    call.records[0].algo_id = placed.algo_id
    return algo_json(placed, venue.market.symbols[placed.request.symbol])


def find_algo(venue: Venue, call: Call) -> AlgoOrder | None:
    """By algoId or, without one, the newest by clientAlgoId."""
    algo_id = call.integer("algoId")
    client_id = call.text("clientAlgoId")
    if algo_id is not None:
        return venue.state.algos.get(algo_id)
    if client_id is None:
        refuse(-1102, name="algoId")
    return next((a for a in reversed(venue.state.algos.values()) if a.client_algo_id == client_id), None)


def query_algo(venue: Venue, call: Call) -> Any:
    algo = find_algo(venue, call)
    if algo is None:
        refuse(-2013)
    return algo_query_json(venue.state, algo)


def cancel_algo(venue: Venue, call: Call) -> Any:
    canceled = venue.engine.cancel_algo(find_algo(venue, call), call.moment)
    if isinstance(canceled, Refusal):
        raise RefusedError(canceled)
    return {"algoId": canceled.algo_id, "clientAlgoId": canceled.client_algo_id, "code": "200", "msg": "success"}


def open_algos(venue: Venue, call: Call) -> Any:
    symbol = symbol_of(venue, call) if call.params.get("symbol") else None
    return [
        algo_query_json(venue.state, algo)
        for algo in venue.state.open_algos.values()
        if symbol is None or algo.request.symbol == symbol
    ]


def all_algos(venue: Venue, call: Call) -> Any:
    symbol = symbol_of(venue, call) if call.params.get("symbol") else None
    limit = call.limit(default=500, maximum=1000)
    start, end = time_window(call)
    from_id = call.integer("algoId")
    found = [
        algo
        for algo in venue.state.algos.values()
        if (symbol is None or algo.request.symbol == symbol)
        and (algo.algo_id >= from_id if from_id is not None else start <= algo.created_us // 1000 <= end)
    ]
    return [algo_query_json(venue.state, algo) for algo in found[-limit:]]


def cancel_all_algos(venue: Venue, call: Call) -> Any:
    symbol = symbol_of(venue, call)
    for algo in [a for a in venue.state.open_algos.values() if a.request.symbol == symbol]:
        venue.engine.cancel_algo(algo, call.moment)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}
