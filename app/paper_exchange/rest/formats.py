"""How orders and their kin are written on the wire."""

from typing import Any

from app.paper_exchange.conditional import AlgoOrder, AlgoType
from app.paper_exchange.decimals import ZERO, money, padded, plain
from app.paper_exchange.orders import Fill, Income, Order
from app.paper_exchange.state import ExchangeState
from app.paper_exchange.symbols import SymbolSpec


def order_json(order: Order, spec: SymbolSpec) -> dict[str, Any]:
    """The order as new-order (RESULT), cancel and amend answer it."""
    digits, price_digits = spec.quantity_precision, spec.price_precision
    return {
        "orderId": order.order_id,
        "symbol": order.symbol,
        "status": order.status,
        "clientOrderId": order.client_order_id,
        "price": padded(order.price, price_digits),
        "avgPrice": padded(money(order.average_price), price_digits),
        "origQty": padded(order.quantity, digits),
        "executedQty": padded(order.executed_quantity, digits),
        "cumQty": padded(order.executed_quantity, digits),
        "cumQuote": padded(order.cumulative_quote, 5),
        "timeInForce": order.time_in_force,
        "type": order.type,
        "reduceOnly": order.reduce_only,
        "closePosition": order.close_position,
        "side": order.side,
        "positionSide": "BOTH",
        "stopPrice": padded(order.stop_price, price_digits),
        "workingType": order.working_type,
        "priceProtect": False,
        "origType": order.origin_type,
        "priceMatch": "NONE",
        "selfTradePreventionMode": order.self_trade_prevention,
        "goodTillDate": order.good_till_ms,
        "updateTime": order.updated_us // 1000,
    }


def order_ack_json(order: Order, spec: SymbolSpec) -> dict[str, Any]:
    """The order as the default response type ACK answers it: as if nothing had happened yet."""
    nothing = padded(ZERO, spec.quantity_precision)
    return order_json(order, spec) | {
        "status": "NEW",
        "avgPrice": padded(ZERO, spec.price_precision),
        "executedQty": nothing,
        "cumQty": nothing,
        "cumQuote": padded(ZERO, 5),
        "updateTime": order.created_us // 1000,
    }


def order_query_json(order: Order, spec: SymbolSpec) -> dict[str, Any]:
    """The order as queries answer it."""
    row = order_json(order, spec) | {"time": order.created_us // 1000}
    del row["cumQty"]
    return row


def trade_json(fill: Fill, spec: SymbolSpec) -> dict[str, Any]:
    return {
        "buyer": fill.side == "BUY",
        "commission": padded(fill.fee, 8),
        "commissionAsset": fill.fee_asset,
        "id": fill.trade_id,
        "marginAsset": fill.fee_asset,
        "maker": fill.maker,
        "orderId": fill.order_id,
        "price": padded(fill.price, spec.price_precision),
        "qty": padded(fill.quantity, spec.quantity_precision),
        "quoteQty": plain(fill.quote_quantity),
        "realizedPnl": padded(fill.realised_pnl, 8),
        "side": fill.side,
        "positionSide": "BOTH",
        "symbol": fill.symbol,
        "time": fill.at_us // 1000,
    }


def income_json(income: Income) -> dict[str, Any]:
    return {
        "symbol": income.symbol,
        "incomeType": income.income_type,
        "income": padded(income.income, 8),
        "asset": income.asset,
        "info": income.info,
        "time": income.at_us // 1000,
        "tranId": income.tran_id,
        "tradeId": income.trade_id,
    }


def algo_json(algo: AlgoOrder, spec: SymbolSpec) -> dict[str, Any]:
    """A conditional order as its creation answers it."""
    request = algo.request
    digits, price_digits = spec.quantity_precision, spec.price_precision
    trailing = request.type is AlgoType.TRAILING_STOP_MARKET
    return {
        "algoId": algo.algo_id,
        "clientAlgoId": algo.client_algo_id,
        "algoType": "CONDITIONAL",
        "orderType": request.type,
        "symbol": request.symbol,
        "side": request.side,
        "positionSide": "BOTH",
        "timeInForce": request.shown_time_in_force,
        "quantity": padded(request.quantity, digits),
        "algoStatus": algo.status,
        "triggerPrice": padded(request.trigger_price, price_digits),
        "price": padded(request.price, price_digits),
        "icebergQuantity": None,
        "selfTradePreventionMode": request.self_trade_prevention,
        "workingType": request.working_type,
        "priceMatch": "NONE",
        "closePosition": request.close_position,
        "priceProtect": request.price_protect,
        "reduceOnly": request.reduce_only,
        "activatePrice": padded(request.activate_price, price_digits) if trailing else "",
        "callbackRate": plain(request.callback_rate) if trailing else "",
        "createTime": algo.created_us // 1000,
        "updateTime": algo.updated_us // 1000,
        "triggerTime": algo.triggered_us // 1000,
        "goodTillDate": request.good_till_ms,
    }


def algo_query_json(state: ExchangeState, algo: AlgoOrder) -> dict[str, Any]:
    """A conditional order as queries answer it: with the order it made."""
    spec = state.market.symbols[algo.request.symbol]
    actual = state.orders.get(algo.actual_order_id)
    executed = actual.executed_quantity if actual else ZERO
    average = money(actual.average_price) if actual else ZERO
    return algo_json(algo, spec) | {
        "actualOrderId": str(actual.order_id) if actual else "",
        "actualPrice": padded(average, spec.price_precision),
        "actualQty": padded(executed, spec.quantity_precision),
        "actualType": str(actual.type) if actual else "",
        "tpTriggerPrice": padded(ZERO, spec.price_precision),
        "tpPrice": padded(ZERO, spec.price_precision),
        "slTriggerPrice": padded(ZERO, spec.price_precision),
        "slPrice": padded(ZERO, spec.price_precision),
        "tpOrderType": "",
    }
