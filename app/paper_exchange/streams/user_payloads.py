"""User data events on the wire, field by field as the exchange sends them (protocol sheet, section 7)."""

from decimal import Decimal
from typing import Any

from app.paper_exchange.account import ASSET, MarginType, Position
from app.paper_exchange.decimals import ZERO, money, padded, plain
from app.paper_exchange.events import AccountEvent, AlgoEvent, Event, LeverageEvent, MarginCallEvent, OrderEvent
from app.paper_exchange.market import Market

Payload = dict[str, Any]


def _margin_text(position: Position) -> str:
    return "isolated" if position.margin_type is MarginType.ISOLATED else "cross"


def payloads_of(event: Event, market: Market) -> list[Payload]:
    """The messages one event becomes; a trade is told twice, briefly and in full."""
    if isinstance(event, OrderEvent):
        full = order_trade_update(event, market)
        return [trade_lite(event, market), full] if event.execution_type == "TRADE" else [full]
    if isinstance(event, AccountEvent):
        return [account_update(event, market)]
    if isinstance(event, AlgoEvent):
        return [algo_update(event, market)]
    if isinstance(event, LeverageEvent):
        return [account_config_update(event)]
    return [margin_call(event)]


def _times(kind: str, at_us: int) -> Payload:
    return {"e": kind, "T": at_us // 1000, "E": at_us // 1000}


def order_trade_update(event: OrderEvent, market: Market) -> Payload:
    order, fill = event.order, event.fill
    spec = market.symbols[order.symbol]
    digits, price_digits = spec.quantity_precision, spec.price_precision
    body: Payload = {
        "s": order.symbol,
        "c": order.client_order_id,
        "S": order.side,
        "o": order.type,
        "f": order.time_in_force,
        "q": padded(order.quantity, digits),
        "p": padded(order.price, price_digits),
        "ap": padded(money(order.average_price), price_digits),
        "sp": padded(order.stop_price, price_digits),
        "x": event.execution_type,
        "X": order.status,
        "i": order.order_id,
        "l": padded(fill.quantity if fill else ZERO, digits),
        "z": padded(order.executed_quantity, digits),
        "L": padded(fill.price if fill else ZERO, price_digits),
        "T": event.at_us // 1000,
        "t": fill.trade_id if fill else 0,
        "b": plain(event.bid_notional),
        "a": plain(event.ask_notional),
        "m": fill.maker if fill else False,
        "R": order.reduce_only,
        "wt": order.working_type,
        "ot": order.origin_type,
        "ps": "BOTH",
        "cp": order.close_position,
        "rp": plain(fill.realised_pnl) if fill else "0",
        "pP": False,
        "si": order.algo_id,
        "ss": 0,
        "V": order.self_trade_prevention,
        "pm": "NONE",
        "gtd": order.good_till_ms,
        "er": order.expiry_reason,
    }
    if fill is not None:
        body |= {"N": fill.fee_asset, "n": padded(fill.fee, 8)}
    return _times("ORDER_TRADE_UPDATE", event.at_us) | {"o": body}


def trade_lite(event: OrderEvent, market: Market) -> Payload:
    order, fill = event.order, event.fill
    assert fill is not None
    spec = market.symbols[order.symbol]
    return _times("TRADE_LITE", event.at_us) | {
        "s": order.symbol,
        "q": padded(order.quantity, spec.quantity_precision),
        "p": padded(order.price, spec.price_precision),
        "m": fill.maker,
        "c": order.client_order_id,
        "S": order.side,
        "L": padded(fill.price, spec.price_precision),
        "l": padded(fill.quantity, spec.quantity_precision),
        "t": fill.trade_id,
        "i": order.order_id,
    }


def account_update(event: AccountEvent, market: Market) -> Payload:
    balances = []
    if event.wallet is not None:
        balances.append(
            {
                "a": ASSET,
                "wb": padded(event.wallet, 8),
                "cw": padded(event.cross_wallet, 8),
                "bc": plain(event.balance_change),
            }
        )
    positions = [_position(position, unrealised, market) for position, unrealised in event.positions]
    body = {"B": balances, "P": positions, "m": event.reason}
    return _times("ACCOUNT_UPDATE", event.at_us) | {"a": body}


def _position(position: Position, unrealised: Decimal, market: Market) -> Payload:
    return {
        "s": position.symbol,
        "pa": padded(position.quantity, market.symbols[position.symbol].quantity_precision),
        "ep": plain(position.entry_price),
        "bep": plain(position.break_even_price),
        "cr": plain(position.accumulated_realised),
        "up": padded(unrealised, 8),
        "mt": _margin_text(position),
        "iw": plain(position.isolated_wallet),
        "ps": "BOTH",
    }


def algo_update(event: AlgoEvent, market: Market) -> Payload:
    algo, request = event.algo, event.algo.request
    spec = market.symbols[request.symbol]
    digits, price_digits = spec.quantity_precision, spec.price_precision
    actual = algo.actual_order_id
    body = {
        "caid": algo.client_algo_id,
        "aid": algo.algo_id,
        "at": "CONDITIONAL",
        "o": request.type,
        "s": request.symbol,
        "S": request.side,
        "ps": "BOTH",
        "f": request.shown_time_in_force,
        "q": padded(request.quantity, digits),
        "X": algo.status,
        "ai": str(actual) if actual else "",
        "ap": padded(money(event.average_price), price_digits),
        "aq": padded(event.executed_quantity, digits),
        "act": ("MARKET" if request.type.is_market else "LIMIT") if actual else "0",
        "tp": padded(request.trigger_price, price_digits),
        "p": padded(request.price, price_digits),
        "V": request.self_trade_prevention,
        "wt": request.working_type,
        "pm": "NONE",
        "cp": request.close_position,
        "pP": request.price_protect,
        "R": request.reduce_only,
        "tt": algo.triggered_us // 1000,
        "gtd": request.good_till_ms,
        "rm": algo.failure,
    }
    return _times("ALGO_UPDATE", event.at_us) | {"o": body}


def account_config_update(event: LeverageEvent) -> Payload:
    body = {"s": event.symbol, "l": event.leverage}
    return _times("ACCOUNT_CONFIG_UPDATE", event.at_us) | {"ac": body}


def margin_call(event: MarginCallEvent) -> Payload:
    rows = [
        {
            "s": position.symbol,
            "ps": "BOTH",
            "pa": plain(position.quantity),
            "mt": _margin_text(position).upper().replace("CROSS", "CROSSED"),
            "iw": plain(position.isolated_wallet),
            "mp": padded(mark, 8),
            "up": padded(unrealised, 8),
            "mm": padded(maintenance, 8),
        }
        for position, mark, unrealised, maintenance in event.positions
    ]
    return {"e": "MARGIN_CALL", "E": event.at_us // 1000, "cw": padded(event.cross_wallet, 8), "p": rows}


def listen_key_expired(key: str, now_ms: int) -> Payload:
    return {"e": "listenKeyExpired", "E": now_ms, "listenKey": key}
