"""Margin arithmetic: what positions and open orders bind, what is left, and where a position is liquidated."""

from dataclasses import dataclass
from decimal import Decimal

from app.paper_exchange.account import MarginType, Position
from app.paper_exchange.decimals import ZERO, floor_to_step, money
from app.paper_exchange.errors import Refusal, refusal
from app.paper_exchange.orders import Order
from app.paper_exchange.state import ExchangeState
from app.paper_exchange.symbols import LeverageBracket, SymbolSpec


@dataclass(frozen=True, slots=True)
class SymbolMargin:
    """What one symbol binds, in the margin asset."""

    notional: Decimal
    unrealised_pnl: Decimal
    position_initial: Decimal
    open_order_initial: Decimal
    maintenance: Decimal
    bid_notional: Decimal
    ask_notional: Decimal

    @property
    def initial(self) -> Decimal:
        return self.position_initial + self.open_order_initial


@dataclass(frozen=True, slots=True)
class AccountMargin:
    """The account's totals, in the margin asset."""

    wallet: Decimal
    cross_wallet: Decimal
    unrealised_pnl: Decimal
    cross_unrealised_pnl: Decimal
    position_initial: Decimal
    open_order_initial: Decimal
    maintenance: Decimal
    cross_maintenance: Decimal
    available: Decimal
    by_symbol: dict[str, SymbolMargin]

    @property
    def margin_balance(self) -> Decimal:
        return self.wallet + self.unrealised_pnl

    @property
    def initial(self) -> Decimal:
        return self.position_initial + self.open_order_initial


def bracket_of(spec: SymbolSpec, notional: Decimal) -> LeverageBracket:
    """The bracket a notional falls into; beyond the last cap the last one holds."""
    for bracket in spec.leverage_brackets:
        if notional <= bracket.notional_cap:
            return bracket
    return spec.leverage_brackets[-1]


def notional_cap(spec: SymbolSpec, leverage: int) -> Decimal:
    """The largest position a leverage allows."""
    caps = [b.notional_cap for b in spec.leverage_brackets if b.initial_leverage >= leverage]
    return caps[-1] if caps else ZERO


def maintenance_margin(spec: SymbolSpec, notional: Decimal) -> Decimal:
    bracket = bracket_of(spec, notional)
    return notional * bracket.maintenance_margin_ratio - bracket.cumulative


def initial_margins(
    position: Position, *, mark_price: Decimal, bids: Decimal, asks: Decimal
) -> tuple[Decimal, Decimal]:
    """(position, open orders) initial margin: the dearer of all bids or all asks filling on top of the position."""
    notional = position.quantity * mark_price
    worst = max(abs(notional + bids), abs(notional - asks))
    of_position = money(abs(notional) / position.leverage)
    return of_position, max(ZERO, money(worst / position.leverage) - of_position)


def symbol_margin(state: ExchangeState, symbol: str) -> SymbolMargin:
    position = state.account.position(symbol)
    mark = state.market.mark_price(symbol)
    bids, asks = state.open_notional(symbol)
    of_position, of_orders = initial_margins(position, mark_price=mark, bids=bids, asks=asks)
    notional = position.quantity * mark
    maintenance = maintenance_margin(state.market.symbols[symbol], abs(notional)) if notional else ZERO
    return SymbolMargin(notional, position.unrealised_pnl(mark), of_position, of_orders, maintenance, bids, asks)


def account_margin(state: ExchangeState) -> AccountMargin:
    """Add every symbol up. Isolated positions stand on their own wallet; their open orders still bind cross money."""
    account = state.account
    by_symbol: dict[str, SymbolMargin] = {}
    unrealised = cross_unrealised = of_positions = cross_of_positions = ZERO
    of_orders = maintenance = cross_maintenance = isolated = ZERO
    symbols = {s for s, p in account.positions.items() if p.quantity} | {s for s, o in state.open_orders.items() if o}
    for symbol in symbols:
        margin = by_symbol[symbol] = symbol_margin(state, symbol)
        position = account.position(symbol)
        unrealised += margin.unrealised_pnl
        of_positions += margin.position_initial
        of_orders += margin.open_order_initial
        maintenance += margin.maintenance
        isolated += position.isolated_wallet
        if position.margin_type is MarginType.CROSSED:
            cross_unrealised += margin.unrealised_pnl
            cross_of_positions += margin.position_initial
            cross_maintenance += margin.maintenance
    cross_wallet = account.wallet - isolated
    available = max(ZERO, cross_wallet + cross_unrealised - cross_of_positions - of_orders)
    return AccountMargin(
        wallet=account.wallet,
        cross_wallet=cross_wallet,
        unrealised_pnl=unrealised,
        cross_unrealised_pnl=cross_unrealised,
        position_initial=of_positions,
        open_order_initial=of_orders,
        maintenance=maintenance,
        cross_maintenance=cross_maintenance,
        available=available,
        by_symbol=by_symbol,
    )


def check_margin(
    state: ExchangeState, *, symbol: str, side: str, quantity: Decimal, price: Decimal, replaces: Order | None = None
) -> Refusal | None:
    """Whether an order of this size and price may be added (-2019) and fits the leverage's position cap (-2027)."""
    position = state.account.position(symbol)
    mark = state.market.mark_price(symbol)
    bids, asks = state.open_notional(symbol)
    before = sum(initial_margins(position, mark_price=mark, bids=bids, asks=asks), ZERO)
    if replaces is not None and not replaces.reduce_only:
        freed = replaces.remaining * replaces.price
        bids, asks = (bids - freed, asks) if replaces.side == "BUY" else (bids, asks - freed)
    cost = quantity * price
    bids, asks = (bids + cost, asks) if side == "BUY" else (bids, asks + cost)
    after = sum(initial_margins(position, mark_price=mark, bids=bids, asks=asks), ZERO)
    notional = position.quantity * mark
    worst_before = abs(notional)
    worst = max(abs(notional + bids), abs(notional - asks))
    if worst > notional_cap(state.market.symbols[symbol], position.leverage) and worst > worst_before:
        return refusal(-2027)
    needed = after - before
    if needed <= 0:
        return None
    # A limit price beyond the mark is a loss the moment it fills; the exchange wants it covered.
    open_loss = max(ZERO, (price - mark) if side == "BUY" else (mark - price)) * quantity
    return refusal(-2019) if needed + open_loss > account_margin(state).available else None


def liquidation_price(state: ExchangeState, symbol: str, totals: AccountMargin) -> Decimal:
    """The mark price at which the margin no longer covers maintenance, other prices standing still; 0 when none."""
    position = state.account.position(symbol)
    if not position.quantity:
        return ZERO
    spec = state.market.symbols[symbol]
    margin = totals.by_symbol[symbol]
    if position.margin_type is MarginType.ISOLATED:
        backing = position.isolated_wallet
    else:
        others_unrealised = totals.cross_unrealised_pnl - margin.unrealised_pnl
        others_maintenance = totals.cross_maintenance - margin.maintenance
        backing = totals.cross_wallet + others_unrealised - others_maintenance
    bracket = bracket_of(spec, abs(margin.notional))
    # backing + q*p - cost = |q|*p*ratio - cumulative, solved for p.
    slope = position.quantity - abs(position.quantity) * bracket.maintenance_margin_ratio
    price = (position.cost - backing - bracket.cumulative) / slope
    return max(ZERO, money(floor_to_step(price, spec.price_tick))) if price > 0 else ZERO
