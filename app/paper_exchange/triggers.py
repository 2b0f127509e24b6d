"""The life of conditional orders: taken in, watched, fired into normal orders, cancelled, finished."""

from decimal import Decimal

from app.paper_exchange import filters
from app.paper_exchange.conditional import (
    AlgoOrder,
    AlgoRequest,
    AlgoStatus,
    AlgoType,
    follow_price,
    is_triggered,
    reaches,
)
from app.paper_exchange.decimals import ZERO
from app.paper_exchange.errors import Refusal, refusal
from app.paper_exchange.moment import Moment
from app.paper_exchange.orders import OrderRequest, OrderType, TimeInForce
from app.paper_exchange.placing import place_order, reduce_only_room
from app.paper_exchange.recording import record_internal
from app.paper_exchange.state import ExchangeState, make_client_order_id

OPEN_ALGOS_MAX = 200


def working_price(state: ExchangeState, symbol: str, working_type: str) -> Decimal:
    market = state.market
    return market.mark_price(symbol) if working_type == "MARK_PRICE" else market.last_price(symbol)


def place_algo(state: ExchangeState, request: AlgoRequest, moment: Moment) -> AlgoOrder | Refusal:
    """Take a conditional order in. Margin is not looked at before it triggers (protocol sheet, section 5)."""
    refused = _check_algo(state, request, moment)
    if refused:
        return refused
    algo_id = state.counters.take("algo_id")
    algo = AlgoOrder(
        algo_id=algo_id,
        client_algo_id=request.client_algo_id or make_client_order_id(algo_id),
        request=request,
        created_us=moment.now_us,
        updated_us=moment.now_us,
    )
    follow_price(algo, working_price(state, request.symbol, request.working_type))
    state.algo_changed(algo)
    state.tell_algo(algo, moment)
    return algo


def _check_algo(state: ExchangeState, request: AlgoRequest, moment: Moment) -> Refusal | None:
    spec = state.market.symbols[request.symbol]
    if request.valid_until_us is not None and moment.now_us > request.valid_until_us:
        return refusal(-5028)
    if len(state.open_algos) >= OPEN_ALGOS_MAX:
        return refusal(-4045)
    if request.client_algo_id and any(a.client_algo_id == request.client_algo_id for a in state.open_algos.values()):
        return refusal(-4116)
    trailing = request.type is AlgoType.TRAILING_STOP_MARKET
    price = working_price(state, request.symbol, request.working_type)
    if not trailing:
        refused = filters.check_precision(spec, quantity=request.quantity, price=request.trigger_price)
        refused = refused or filters.check_price(spec, request.trigger_price)
        if refused:
            return refused
    if not request.close_position:
        refused = filters.check_precision(spec, quantity=request.quantity, price=request.price)
        refused = refused or filters.check_quantity(spec, request.quantity, market=request.type.is_market)
        if not refused and not request.type.is_market:
            refused = filters.check_price(spec, request.price)
        if not refused and not request.reduce_only:
            basis = request.price or request.trigger_price or price
            refused = filters.check_notional(spec, quantity=request.quantity, price=basis)
        if refused:
            return refused
    if request.close_position and any(
        a.request.close_position
        and a.request.symbol == request.symbol
        and a.request.side == request.side
        and a.request.type.is_take_profit == request.type.is_take_profit
        for a in state.open_algos.values()
    ):
        return refusal(-4130)
    if request.shown_time_in_force == "GTE_GTC" and not state.account.position(request.symbol).quantity:
        return refusal(-4509)
    if request.reduce_only and reduce_only_room(state, request.symbol, request.side) <= 0:
        return refusal(-2022)
    if not trailing and reaches(request.side, request.type, request.trigger_price, price):
        return refusal(-2021)
    return None


def cancel_algo(state: ExchangeState, algo: AlgoOrder | None, moment: Moment) -> AlgoOrder | Refusal:
    if algo is None or not algo.is_open:
        return refusal(-2011)
    algo.become(AlgoStatus.CANCELED, now_us=moment.now_us)
    state.algo_changed(algo)
    state.tell_algo(algo, moment)
    return algo


def watch_triggers(state: ExchangeState, moment: Moment) -> None:
    """Fire what the present prices reach; drop closing orders whose position is gone."""
    for algo in list(state.open_algos.values()):
        if not algo.is_open:
            continue
        request = algo.request
        position = state.account.position(request.symbol).quantity
        depends_on_position = request.close_position or request.shown_time_in_force == "GTE_GTC"
        gone = not position or (position > 0) == (request.side == "BUY")
        overdue = 0 < request.good_till_ms <= moment.now_ms
        if overdue or (depends_on_position and gone and _traded_since(state, algo)):
            expire_algo(state, algo, moment)
            continue
        price = working_price(state, request.symbol, request.working_type)
        if follow_price(algo, price):
            state.algo_changed(algo)
        if is_triggered(algo, price) and not _is_protected(state, algo):
            fire(state, algo, moment)


def _traded_since(state: ExchangeState, algo: AlgoOrder) -> bool:
    """Whether the symbol traded since the order came in, so that a missing position means it was closed."""
    fills = state.fills_of_symbol.get(algo.request.symbol)
    return fills is not None and fills[-1].at_us >= algo.created_us


def expire_algo(state: ExchangeState, algo: AlgoOrder, moment: Moment) -> None:
    algo.become(AlgoStatus.EXPIRED, now_us=moment.now_us)
    state.algo_changed(algo)
    state.tell_algo(algo, moment)


def _is_protected(state: ExchangeState, algo: AlgoOrder) -> bool:
    """priceProtect: do not fire while last and mark price are further apart than triggerProtect."""
    if not algo.request.price_protect:
        return False
    symbol = algo.request.symbol
    mark = state.market.mark_price(symbol)
    return abs(state.market.last_price(symbol) - mark) > mark * state.market.symbols[symbol].trigger_protect


def fire(state: ExchangeState, algo: AlgoOrder, moment: Moment) -> None:
    """Turn a conditional order into a normal one; if the exchange refuses that one, the conditional is REJECTED."""
    request = algo.request
    if request.close_position and not state.account.position(request.symbol).quantity:
        expire_algo(state, algo, moment)
        return
    algo.triggered_us = moment.now_us
    algo.become(AlgoStatus.TRIGGERING, now_us=moment.now_us)
    state.tell_algo(algo, moment)
    placed = place_order(state, _order_of(state, algo), moment)
    if isinstance(placed, Refusal):
        algo.failure = "Reduce Only reject" if placed.code == -2022 else placed.message
        algo.become(AlgoStatus.REJECTED, now_us=moment.now_us)
    else:
        algo.actual_order_id = placed.order_id
        record_internal(state, order_id=placed.order_id, origin="algo", algo_id=algo.algo_id)
        algo.become(AlgoStatus.TRIGGERED, now_us=moment.now_us)
    state.algo_changed(algo)
    state.tell_algo(algo, moment)
    finish_algos(state, request.symbol, moment)


def _order_of(state: ExchangeState, algo: AlgoOrder) -> OrderRequest:
    request = algo.request
    quantity = request.quantity
    if request.close_position:
        largest = state.market.symbols[request.symbol].market_quantity_max
        quantity = min(abs(state.account.position(request.symbol).quantity), largest)
    return OrderRequest(
        symbol=request.symbol,
        side=request.side,
        type=OrderType.MARKET if request.type.is_market else OrderType.LIMIT,
        quantity=quantity,
        price=ZERO if request.type.is_market else request.price,
        time_in_force=TimeInForce.GTC if request.type.is_market else request.time_in_force,
        reduce_only=request.reduce_only or request.close_position,
        close_position=request.close_position,
        client_order_id=algo.client_algo_id,
        self_trade_prevention=request.self_trade_prevention,
        good_till_ms=request.good_till_ms,
        origin_type=str(request.type),
        stop_price=request.trigger_price,
        working_type=request.working_type,
        algo_id=algo.algo_id,
    )


def finish_algos(state: ExchangeState, symbol: str, moment: Moment) -> None:
    """A fired conditional order whose order has ended is FINISHED."""
    for order_id, algo_id in list(state.algo_of_order.items()):
        order = state.orders[order_id]
        if order.symbol != symbol or order.is_open:
            continue
        del state.algo_of_order[order_id]
        algo = state.algos[algo_id]
        if algo.status is AlgoStatus.TRIGGERED:
            algo.become(AlgoStatus.FINISHED, now_us=moment.now_us)
            state.changed("algo", algo.algo_id, algo)
            state.tell_algo(algo, moment)
