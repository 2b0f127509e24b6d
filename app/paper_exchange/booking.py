"""What a trade does to the account: position, realised profit, fee, wallet, and the news about it."""

from decimal import Decimal

from app.paper_exchange.account import ASSET
from app.paper_exchange.decimals import money
from app.paper_exchange.moment import Moment
from app.paper_exchange.orders import ExpiryReason, Fill, IncomeType, Order, OrderStatus
from app.paper_exchange.state import ExchangeState


def book_trade(
    state: ExchangeState, order: Order, *, price: Decimal, quantity: Decimal, maker: bool, moment: Moment
) -> Fill:
    """Book one trade of an order: wallet += realised PnL - fee, exactly; then tell the streams."""
    account = state.account
    fee = money(price * quantity * (account.maker_rate if maker else account.taker_rate))
    position = account.position(order.symbol)
    realised = position.apply_fill(order.side, quantity, price, fee)
    position.updated_us = moment.now_us
    fill = Fill(
        trade_id=state.counters.take("trade_id"),
        order_id=order.order_id,
        symbol=order.symbol,
        side=order.side,
        price=price,
        quantity=quantity,
        fee=fee,
        fee_asset=ASSET,
        realised_pnl=realised,
        maker=maker,
        at_us=moment.now_us,
    )
    trade_id = str(fill.trade_id)
    for kind, amount in ((IncomeType.REALIZED_PNL, realised), (IncomeType.COMMISSION, -fee)):
        if amount:
            state.book_income(kind, amount, symbol=order.symbol, at_us=moment.now_us, trade_id=trade_id, info=trade_id)
    order.executed_quantity += quantity
    order.cumulative_quote += price * quantity
    order.realised_pnl += realised
    full = order.executed_quantity == order.quantity
    order.become(OrderStatus.FILLED if full else OrderStatus.PARTIALLY_FILLED, now_us=moment.now_us)
    state.add_fill(fill)
    state.order_changed(order)
    state.position_changed(order.symbol)
    state.market.record_trade(order.symbol, price, quantity, moment.market_ms)
    state.tell_account("ORDER", moment, symbols=(order.symbol,))
    state.tell_order(order, "CALCULATED" if order.type == "LIQUIDATION" else "TRADE", moment, fill)
    return fill


def close_order(
    state: ExchangeState,
    order: Order,
    status: OrderStatus,
    moment: Moment,
    *,
    reason: ExpiryReason = ExpiryReason.NONE,
) -> None:
    """End an open order without a fill."""
    order.become(status, now_us=moment.now_us)
    order.expiry_reason = reason
    state.order_changed(order)
    state.tell_order(order, "CANCELED" if status is OrderStatus.CANCELED else "EXPIRED", moment)


def knock_out_reduce_only(state: ExchangeState, symbol: str, moment: Moment) -> None:
    """Expire resting reduce-only orders the position no longer has room for, newest first."""
    room = abs(state.account.position(symbol).quantity)
    closing_side = "SELL" if state.account.position(symbol).quantity > 0 else "BUY"
    for order in list(state.open_of(symbol)):
        if not order.reduce_only:
            continue
        if order.side == closing_side and order.remaining <= room:
            room -= order.remaining
            continue
        close_order(state, order, OrderStatus.EXPIRED, moment, reason=ExpiryReason.REDUCE_ONLY_KNOCKED_OUT)
