"""Matching: takers walk the book and meet own resting orders, resting orders fill as the book comes to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.paper_exchange.booking import book_trade, close_order, knock_out_reduce_only
from app.paper_exchange.decimals import ZERO, floor_to_step
from app.paper_exchange.market import BOOK_LEVELS_MAX, Side
from app.paper_exchange.moment import Moment
from app.paper_exchange.orders import (
    OPPOSITE,
    ExpiryReason,
    Order,
    OrderStatus,
    OrderType,
    SelfTradePrevention,
)
from app.paper_exchange.state import ExchangeState


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a fault does to matching: an order gets at most a share of its quantity, the book a share of its depth."""

    share: Decimal | None = None
    depth: Decimal | None = None


UNDISTURBED = Conditions()


def best_price(state: ExchangeState, symbol: str, side: Side, conditions: Conditions = UNDISTURBED) -> Decimal | None:
    """The best price a taker of `side` would meet in the outside book; None when it offers nothing.

    A thinned book has no level left where the thinned quantity is below the symbol's step.
    """
    if conditions.depth is None:
        levels = _counter_levels(state, symbol, side, 1)
        return levels[0][0] if levels else None
    step = state.market.symbols[symbol].quantity_step
    levels = _counter_levels(state, symbol, side, BOOK_LEVELS_MAX)
    return next((price for price, quantity in levels if quantity * conditions.depth >= step), None)


def _counter_levels(state: ExchangeState, symbol: str, side: Side, count: int) -> Sequence[tuple[Decimal, Decimal]]:
    book = state.market.book(symbol, count)
    return book.asks if side == "BUY" else book.bids


def crosses(side: Side, limit: Decimal | None, price: Decimal) -> bool:
    """Whether a taker of `side` with this limit (None: any) trades at `price`."""
    if limit is None:
        return True
    return price <= limit if side == "BUY" else price >= limit


def own_counter_orders(state: ExchangeState, symbol: str, side: Side, limit: Decimal | None) -> list[Order]:
    """The account's own resting orders a taker would meet, best first, then oldest."""
    found = [o for o in state.open_of(symbol) if o.side == OPPOSITE[side] and crosses(side, limit, o.price)]
    return sorted(found, key=lambda o: (o.price if side == "BUY" else -o.price, o.queue_place))


def would_take(state: ExchangeState, symbol: str, side: Side, limit: Decimal) -> bool:
    """Whether a post-only order at this price would trade at once."""
    best = best_price(state, symbol, side)
    return (best is not None and crosses(side, limit, best)) or bool(own_counter_orders(state, symbol, side, limit))


def available_quantity(
    state: ExchangeState, symbol: str, side: Side, limit: Decimal | None, conditions: Conditions
) -> Decimal:
    """How much the outside book offers a taker within its limit."""
    levels = _counter_levels(state, symbol, side, BOOK_LEVELS_MAX)
    total = sum((quantity for price, quantity in levels if crosses(side, limit, price)), ZERO)
    if conditions.depth is not None:
        total = floor_to_step(total * conditions.depth, state.market.symbols[symbol].quantity_step)
    return total


def take_limit(state: ExchangeState, order: Order) -> Decimal | None:
    """The worst price an order may trade at: its own, or for MARKET the mark price +- marketTakeBound."""
    if order.type is OrderType.LIMIT:
        return order.price
    if order.type is OrderType.LIQUIDATION:
        return None
    spec = state.market.symbols[order.symbol]
    bound = spec.market_take_bound if order.side == "BUY" else -spec.market_take_bound
    return state.market.mark_price(order.symbol) * (1 + bound)


def can_fill_whole(
    state: ExchangeState, symbol: str, side: Side, quantity: Decimal, limit: Decimal, conditions: Conditions
) -> bool:
    """Whether a fill-or-kill order would fill. Own resting orders never count: self-trades are prevented."""
    if conditions.share is not None and conditions.share < 1:
        return False
    return available_quantity(state, symbol, side, limit, conditions) >= quantity


def match_taker(state: ExchangeState, order: Order, moment: Moment, conditions: Conditions = UNDISTURBED) -> None:
    """Let a new order trade against the book; what is left rests or expires by its time in force."""
    spec = state.market.symbols[order.symbol]
    limit = take_limit(state, order)
    wanted = order.remaining
    if conditions.share is not None and order.is_immediate:
        wanted = floor_to_step(wanted * conditions.share, spec.quantity_step)
    if conditions.depth is not None:
        wanted = min(wanted, available_quantity(state, order.symbol, order.side, limit, conditions))
    wanted = _meet_own_orders(state, order, wanted, limit, moment)
    if order.is_open:
        _take(state, order, wanted, limit, moment)
    if order.is_open and order.is_immediate:
        market = order.type is OrderType.MARKET
        reason = ExpiryReason.MARKET_REMAINDER if market else ExpiryReason.IOC_REMAINDER
        close_order(state, order, OrderStatus.EXPIRED, moment, reason=reason)
    if order.executed_quantity:
        knock_out_reduce_only(state, order.symbol, moment)


def _take(state: ExchangeState, order: Order, wanted: Decimal, limit: Decimal | None, moment: Moment) -> Decimal:
    """Trade up to `wanted` with the outside book; returns what is still wanted."""
    if wanted <= 0:
        return ZERO
    for price, quantity in state.market.take(order.symbol, order.side, wanted, limit):
        book_trade(state, order, price=price, quantity=quantity, maker=False, moment=moment)
        wanted -= quantity
    return wanted


def _meet_own_orders(
    state: ExchangeState, order: Order, wanted: Decimal, limit: Decimal | None, moment: Moment
) -> Decimal:
    """Walk up to each own resting order in the way and apply self-trade prevention; returns what is still wanted."""
    for resting in own_counter_orders(state, order.symbol, order.side, limit):
        tick = state.market.symbols[order.symbol].price_tick
        better_than_own = resting.price - tick if order.side == "BUY" else resting.price + tick
        wanted = _take(state, order, wanted, better_than_own, moment)
        if wanted <= 0 or not order.is_open:
            return wanted
        if not resting.is_open:
            continue
        mode = order.self_trade_prevention
        if mode is SelfTradePrevention.NONE:
            quantity = min(wanted, resting.remaining)
            book_trade(state, resting, price=resting.price, quantity=quantity, maker=True, moment=moment)
            book_trade(state, order, price=resting.price, quantity=quantity, maker=False, moment=moment)
            wanted -= quantity
            continue
        if mode in (SelfTradePrevention.EXPIRE_MAKER, SelfTradePrevention.EXPIRE_BOTH):
            close_order(state, resting, OrderStatus.EXPIRED_IN_MATCH, moment, reason=ExpiryReason.SELF_TRADE)
        if mode in (SelfTradePrevention.EXPIRE_TAKER, SelfTradePrevention.EXPIRE_BOTH):
            close_order(state, order, OrderStatus.EXPIRED_IN_MATCH, moment, reason=ExpiryReason.SELF_TRADE)
            return ZERO
    return wanted


def match_resting(state: ExchangeState, symbol: str, moment: Moment, conditions: Conditions = UNDISTURBED) -> None:
    """Fill the resting orders of a symbol that the moving book has reached, at their own price, as maker."""
    orders = list(state.open_of(symbol))
    sides: tuple[Side, Side] = ("BUY", "SELL")
    for side in sides:
        queue = sorted(
            (o for o in orders if o.side == side), key=lambda o: (-o.price if side == "BUY" else o.price, o.queue_place)
        )
        for order in queue:
            best = best_price(state, symbol, order.side)
            if best is None or not crosses(order.side, order.price, best):
                break
            # A fill just before may have knocked this one out.
            if not order.is_open:
                continue
            wanted = order.remaining
            if conditions.depth is not None:
                wanted = min(wanted, available_quantity(state, symbol, order.side, order.price, conditions))
            taken = sum((q for _, q in state.market.take(symbol, order.side, wanted, order.price)), ZERO)
            if taken > 0:
                book_trade(state, order, price=order.price, quantity=taken, maker=True, moment=moment)
                knock_out_reduce_only(state, symbol, moment)
