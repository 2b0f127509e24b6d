"""Order entry: from a request to an order or a refusal, in the exchange's order of checks; amending and cancelling."""

from dataclasses import replace
from decimal import Decimal

from app.paper_exchange import filters
from app.paper_exchange.booking import close_order
from app.paper_exchange.decimals import ZERO
from app.paper_exchange.errors import Refusal, refusal
from app.paper_exchange.margin import check_margin
from app.paper_exchange.matching import (
    UNDISTURBED,
    Conditions,
    best_price,
    can_fill_whole,
    match_taker,
    would_take,
)
from app.paper_exchange.moment import Moment
from app.paper_exchange.orders import Order, OrderRequest, OrderStatus, OrderType, TimeInForce
from app.paper_exchange.state import ExchangeState, make_client_order_id

AMENDMENTS_MAX = 10_000
GOOD_TILL_AHEAD_MIN_MS = 600_000
GOOD_TILL_MAX_MS = 253_402_300_799_000


def reduce_only_room(state: ExchangeState, symbol: str, side: str, *, beside: Order | None = None) -> Decimal:
    """How much a reduce-only order of `side` could still close, open reduce-only orders having taken theirs."""
    position = state.account.position(symbol).quantity
    if not position or (position > 0) == (side == "BUY"):
        return ZERO
    resting = (o for o in state.open_of(symbol) if o.reduce_only and o.side == side and o is not beside)
    taken = sum((o.remaining for o in resting), ZERO)
    return max(ZERO, abs(position) - taken)


def place_order(
    state: ExchangeState, request: OrderRequest, moment: Moment, conditions: Conditions = UNDISTURBED
) -> Order | Refusal:
    """Judge a new order, and if it stands, match it. A refused FOK or GTX leaves no order behind."""
    checked = _check_entry(state, request, moment, conditions)
    if isinstance(checked, Refusal):
        return checked
    request = checked
    refused = _check_immediacy(state, request, conditions)
    if refused:
        return refused
    order = create_order(state, request, moment)
    if order.type is not OrderType.LIMIT or order.time_in_force is not TimeInForce.GTX:
        match_taker(state, order, moment, conditions)
    return order


def create_order(state: ExchangeState, request: OrderRequest, moment: Moment) -> Order:
    """Register an order that passed every check, and tell the streams that it is new."""
    order_id = state.counters.take("order_id")
    order = Order(
        order_id=order_id,
        client_order_id=request.client_order_id or make_client_order_id(order_id),
        symbol=request.symbol,
        side=request.side,
        type=request.type,
        time_in_force=request.time_in_force,
        quantity=request.quantity,
        price=request.price,
        reduce_only=request.reduce_only,
        self_trade_prevention=request.self_trade_prevention,
        created_us=moment.now_us,
        updated_us=moment.now_us,
        good_till_ms=request.good_till_ms,
        close_position=request.close_position,
        origin_type=request.origin_type or str(request.type),
        stop_price=request.stop_price,
        working_type=request.working_type,
        algo_id=request.algo_id,
        queue_place=state.counters.take("queue_place"),
    )
    state.add_order(order)
    state.tell_order(order, "NEW", moment)
    return order


def _check_entry(
    state: ExchangeState, request: OrderRequest, moment: Moment, conditions: Conditions
) -> OrderRequest | Refusal:
    """Everything but the book: time, filters, ids, reduce-only, margin. May shrink a reduce-only order."""
    spec = state.market.symbols[request.symbol]
    if request.valid_until_us is not None and moment.now_us > request.valid_until_us:
        return refusal(-5028)
    mark = state.market.mark_price(request.symbol)
    refused = filters.check_order(
        spec,
        request,
        mark_price=mark,
        best_counter_price=best_price(state, request.symbol, request.side, conditions),
    )
    if refused:
        return refused
    if request.time_in_force is TimeInForce.GTD and not (
        moment.now_ms + GOOD_TILL_AHEAD_MIN_MS <= request.good_till_ms < GOOD_TILL_MAX_MS
    ):
        return refusal(-5040)
    if request.client_order_id and (request.symbol, request.client_order_id) in state.open_client_ids:
        return refusal(-4116)
    if len(state.open_orders.get(request.symbol, ())) >= spec.orders_max:
        return refusal(-2025)
    if request.reduce_only or request.close_position:
        room = reduce_only_room(state, request.symbol, request.side)
        if room <= 0:
            return refusal(-2022)
        return replace(request, quantity=min(request.quantity, room))
    price = request.price
    if request.type is OrderType.MARKET:
        price = best_price(state, request.symbol, request.side, conditions) or mark
    return (
        check_margin(state, symbol=request.symbol, side=request.side, quantity=request.quantity, price=price) or request
    )


def _check_immediacy(state: ExchangeState, request: OrderRequest, conditions: Conditions) -> Refusal | None:
    """FOK must fill now (-5021), GTX must not (-5022)."""
    if request.type is not OrderType.LIMIT:
        return None
    if request.time_in_force is TimeInForce.FOK and not can_fill_whole(
        state, request.symbol, request.side, request.quantity, request.price, conditions
    ):
        return refusal(-5021)
    if request.time_in_force is TimeInForce.GTX and would_take(state, request.symbol, request.side, request.price):
        return refusal(-5022)
    return None


def cancel_order(state: ExchangeState, order: Order | None, moment: Moment) -> Order | Refusal:
    """Cancel an open order; an unknown or finished one is -2011."""
    if order is None or not order.is_open:
        return refusal(-2011)
    close_order(state, order, OrderStatus.CANCELED, moment)
    return order


def amend_order(
    state: ExchangeState, order: Order | None, *, quantity: Decimal, price: Decimal, moment: Moment
) -> Order | Refusal:
    """Change quantity and price of a resting LIMIT order. It goes to the back of the queue and may trade at once."""
    if order is None or not order.is_open:
        return refusal(-2013)
    if order.type is not OrderType.LIMIT:
        return refusal(-5025)
    if order.amendments >= AMENDMENTS_MAX:
        return refusal(-5026)
    if quantity == order.quantity and price == order.price:
        return refusal(-5027)
    spec = state.market.symbols[order.symbol]
    refused = (
        filters.check_precision(spec, quantity=quantity, price=price)
        or filters.check_quantity(spec, quantity, market=False)
        or filters.check_price(spec, price)
        or filters.check_percent_price(
            spec, side=order.side, price=price, mark_price=state.market.mark_price(order.symbol)
        )
        or (None if order.reduce_only else filters.check_notional(spec, quantity=quantity, price=price, amend=True))
    )
    if refused:
        return refused
    if quantity <= order.executed_quantity:
        # The exchange's rule: an amendment to what is already filled cancels the order.
        return cancel_order(state, order, moment)
    if order.reduce_only:
        room = reduce_only_room(state, order.symbol, order.side, beside=order)
        if room <= 0:
            return refusal(-2022)
        quantity = min(quantity, order.executed_quantity + room)
    else:
        refused = check_margin(
            state,
            symbol=order.symbol,
            side=order.side,
            quantity=quantity - order.executed_quantity,
            price=price,
            replaces=order,
        )
        if refused:
            return refused
    if order.time_in_force is TimeInForce.GTX and would_take(state, order.symbol, order.side, price):
        return refusal(-5022)
    order.quantity, order.price = quantity, price
    order.amendments += 1
    order.queue_place = state.counters.take("queue_place")
    order.updated_us = moment.now_us
    state.order_changed(order)
    state.tell_order(order, "AMENDMENT", moment)
    match_taker(state, order, moment)
    return order
