"""Liquidation: when margin no longer covers maintenance the exchange closes the positions by orders of its own."""

from copy import copy
from decimal import Decimal
from typing import Final

from app.paper_exchange.account import MarginType, Position
from app.paper_exchange.booking import close_order
from app.paper_exchange.decimals import ZERO, money
from app.paper_exchange.events import MarginCallEvent
from app.paper_exchange.margin import AccountMargin, account_margin
from app.paper_exchange.market import Side
from app.paper_exchange.matching import best_price, match_taker
from app.paper_exchange.moment import Moment
from app.paper_exchange.orders import ExpiryReason, IncomeType, OrderRequest, OrderStatus, OrderType, TimeInForce
from app.paper_exchange.placing import create_order
from app.paper_exchange.recording import record_internal
from app.paper_exchange.state import ExchangeState

# Share of the margin balance that maintenance must reach for a call, and fall back under before the next one.
MARGIN_CALL_RATIO: Final = Decimal("0.8")
MARGIN_CALL_RESET_RATIO: Final = Decimal("0.7")


def watch_margin(state: ExchangeState, moment: Moment) -> None:
    """Liquidate what is no longer covered; warn once when it gets close."""
    if not any(p.quantity for p in state.account.positions.values()):
        return
    totals = account_margin(state)
    for symbol, margin in totals.by_symbol.items():
        position = state.account.position(symbol)
        isolated = position.quantity and position.margin_type is MarginType.ISOLATED
        if isolated and position.isolated_wallet + margin.unrealised_pnl <= margin.maintenance:
            liquidate(state, symbol, moment)
    crossed = [s for s in totals.by_symbol if _is_crossed(state, s)]
    if crossed and totals.cross_maintenance > 0:
        totals = account_margin(state)
        balance = totals.cross_wallet + totals.cross_unrealised_pnl
        if balance <= totals.cross_maintenance:
            for symbol in crossed:
                liquidate(state, symbol, moment)
        else:
            _call_margin(state, totals, crossed, moment)


def _is_crossed(state: ExchangeState, symbol: str) -> bool:
    position = state.account.position(symbol)
    return bool(position.quantity) and position.margin_type is MarginType.CROSSED


def _call_margin(state: ExchangeState, totals: AccountMargin, symbols: list[str], moment: Moment) -> None:
    ratio = totals.cross_maintenance / (totals.cross_wallet + totals.cross_unrealised_pnl)
    if ratio < MARGIN_CALL_RESET_RATIO:
        state.margin_called = False
    if ratio < MARGIN_CALL_RATIO or state.margin_called:
        return
    state.margin_called = True
    rows = tuple(
        (
            copy(state.account.position(symbol)),
            state.market.mark_price(symbol),
            totals.by_symbol[symbol].unrealised_pnl,
            totals.by_symbol[symbol].maintenance,
        )
        for symbol in symbols
    )
    state.events.append(MarginCallEvent(moment.now_us, totals.cross_wallet, rows))


def liquidate(state: ExchangeState, symbol: str, moment: Moment) -> None:
    """Expire the symbol's orders, close its position at what the book gives, then settle fee and insurance.

    What the book cannot take stays and is tried again with the next step.
    """
    for order in list(state.open_of(symbol)):
        close_order(state, order, OrderStatus.EXPIRED, moment, reason=ExpiryReason.LIQUIDATION)
    account = state.account
    position = account.position(symbol)
    side: Side = "SELL" if position.quantity > 0 else "BUY"
    if best_price(state, symbol, side) is None:
        return
    isolated_before = position.isolated_wallet
    wallet_before = account.wallet
    mark = state.market.mark_price(symbol)
    request = OrderRequest(
        symbol=symbol,
        side=side,
        type=OrderType.LIQUIDATION,
        quantity=abs(position.quantity),
        price=mark.quantize(state.market.symbols[symbol].price_tick),
        time_in_force=TimeInForce.IOC,
        client_order_id=f"autoclose-{moment.now_ms}",
    )
    order = create_order(state, request, moment)
    record_internal(state, order_id=order.order_id, origin="liquidation")
    match_taker(state, order, moment)
    fee = money(order.cumulative_quote * state.market.symbols[symbol].liquidation_fee)
    if position.margin_type is MarginType.ISOLATED:
        left = isolated_before - position.isolated_wallet + account.wallet - wallet_before
    else:
        left = account.cross_wallet
    settlement = _settlement(state, position, fee=fee, left=left)
    if settlement:
        state.book_income(
            IncomeType.INSURANCE_CLEAR, settlement, symbol=symbol, at_us=moment.now_us, info=order.client_order_id
        )
        state.tell_account("INSURANCE_CLEAR", moment, symbols=(symbol,), change=settlement)


def _settlement(state: ExchangeState, position: Position, *, fee: Decimal, left: Decimal) -> Decimal:
    """What the insurance fund takes (negative) or pays, `left` being what remains of the margin that stood behind.

    It never takes more than was there, and pays a loss beyond the margin once nothing else can make up for it.
    """
    if left > 0:
        return -min(fee, left)
    if position.quantity or _any_crossed(state, position.margin_type):
        return ZERO
    return -left


def _any_crossed(state: ExchangeState, margin_type: MarginType) -> bool:
    """Whether other crossed positions may still make up for a negative cross wallet."""
    if margin_type is MarginType.ISOLATED:
        return False
    return any(p.quantity and p.margin_type is MarginType.CROSSED for p in state.account.positions.values())
