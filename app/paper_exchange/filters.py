"""The symbol filters: each rule answers the refusal the exchange answers, or None."""

from decimal import Decimal

from app.paper_exchange.decimals import ZERO, is_multiple, plain
from app.paper_exchange.errors import Refusal, refusal
from app.paper_exchange.orders import OrderRequest, OrderType
from app.paper_exchange.symbols import SymbolSpec


def decimal_places(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def check_precision(spec: SymbolSpec, *, quantity: Decimal, price: Decimal) -> Refusal | None:
    """More decimals than the symbol knows are -1111, before any filter looks."""
    too_fine = decimal_places(quantity) > spec.quantity_precision or decimal_places(price) > spec.price_precision
    return refusal(-1111) if too_fine else None


def check_price(spec: SymbolSpec, price: Decimal) -> Refusal | None:
    """PRICE_FILTER."""
    if price <= 0:
        return refusal(-4001)
    if spec.price_max and price > spec.price_max:
        return refusal(-4002)
    if spec.price_min and price < spec.price_min:
        return refusal(-4013)
    if not is_multiple(price - spec.price_min, spec.price_tick):
        return refusal(-4014)
    return None


def check_percent_price(spec: SymbolSpec, *, side: str, price: Decimal, mark_price: Decimal) -> Refusal | None:
    """PERCENT_PRICE, one-sided: a BUY may not be too high, a SELL not too low."""
    if side == "BUY":
        highest = mark_price * spec.multiplier_up
        if price > highest:
            return refusal(-4016, limit=plain(highest.quantize(spec.price_tick)))
    else:
        lowest = mark_price * spec.multiplier_down
        if price < lowest:
            return refusal(-4024, limit=plain(lowest.quantize(spec.price_tick)))
    return None


def check_quantity(spec: SymbolSpec, quantity: Decimal, *, market: bool) -> Refusal | None:
    """LOT_SIZE for every order, MARKET_LOT_SIZE besides for a MARKET one."""
    if quantity <= 0:
        return refusal(-4003)
    rules = [(spec.quantity_min, spec.quantity_max, spec.quantity_step)]
    if market:
        rules.append((spec.market_quantity_min, spec.market_quantity_max, spec.market_quantity_step))
    for minimum, maximum, step in rules:
        if minimum and quantity < minimum:
            return refusal(-4004)
        if maximum and quantity > maximum:
            return refusal(-4005)
        if not is_multiple(quantity - minimum, step):
            return refusal(-4023)
    return None


def check_notional(spec: SymbolSpec, *, quantity: Decimal, price: Decimal, amend: bool = False) -> Refusal | None:
    """MIN_NOTIONAL; reduce-only orders are exempt, which the caller decides."""
    if quantity * price < spec.notional_min:
        return refusal(-5029 if amend else -4164, minimum=plain(spec.notional_min))
    return None


def check_order(
    spec: SymbolSpec, request: OrderRequest, *, mark_price: Decimal, best_counter_price: Decimal | None
) -> Refusal | None:
    """Every filter a new order has to pass, in the exchange's order."""
    if spec.status != "TRADING":
        return refusal(-4140)
    is_market = request.type is OrderType.MARKET
    refused = check_precision(spec, quantity=request.quantity, price=ZERO if is_market else request.price)
    refused = refused or check_quantity(spec, request.quantity, market=is_market)
    if refused:
        return refused
    if is_market:
        refused = _check_market_counter_price(spec, request.side, mark_price, best_counter_price)
    else:
        refused = check_price(spec, request.price) or check_percent_price(
            spec, side=request.side, price=request.price, mark_price=mark_price
        )
    if refused or request.reduce_only or request.close_position:
        return refused
    return check_notional(spec, quantity=request.quantity, price=mark_price if is_market else request.price)


def _check_market_counter_price(
    spec: SymbolSpec, side: str, mark_price: Decimal, best_counter_price: Decimal | None
) -> Refusal | None:
    if best_counter_price is None:
        return refusal(-2020)
    return (
        refusal(-4131)
        if check_percent_price(spec, side=side, price=best_counter_price, mark_price=mark_price)
        else None
    )
