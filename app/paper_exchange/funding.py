"""Funding: at each symbol's funding time longs pay shorts (or the other way round) by the rate on the mark price."""

from decimal import Decimal
from typing import Final

from app.paper_exchange.account import MarginType
from app.paper_exchange.decimals import money
from app.paper_exchange.moment import Moment
from app.paper_exchange.orders import IncomeType
from app.paper_exchange.state import ExchangeState, FundingPoint

# Kept per symbol for the fundingRate endpoint; its own maximum is 1000.
FUNDING_POINTS_MAX: Final = 1_000


def remember(state: ExchangeState) -> None:
    """Note every symbol's next funding time and the rate that will hold then."""
    for symbol in state.market.symbols:
        view = state.market.funding(symbol)
        state.next_funding_ms[symbol] = view.next_funding_ms
        state.funding_rates[symbol] = view.rate


def next_due(state: ExchangeState) -> int:
    """The earliest coming funding time, in market time."""
    return min(state.next_funding_ms.values())


def settle_due(state: ExchangeState, moment: Moment) -> None:
    """Settle every symbol whose funding time has come."""
    for symbol, due_ms in list(state.next_funding_ms.items()):
        if due_ms > moment.market_ms:
            continue
        rate = state.funding_rates[symbol]
        mark = state.market.mark_price(symbol)
        history = state.funding_history.setdefault(symbol, [])
        history.append(FundingPoint(symbol, due_ms, rate, mark))
        del history[:-FUNDING_POINTS_MAX]
        state.changed("funding", f"{symbol}-{due_ms}", history[-1])
        _settle(state, symbol, rate, mark, moment)


def _settle(state: ExchangeState, symbol: str, rate: Decimal, mark: Decimal, moment: Moment) -> None:
    position = state.account.position(symbol)
    amount = money(-position.quantity * mark * rate)
    if not amount:
        return
    state.book_income(IncomeType.FUNDING_FEE, amount, symbol=symbol, at_us=moment.now_us, info="FUNDING_FEE")
    # A crossed funding fee is told with the balance alone, an isolated one with its position.
    symbols: tuple[str, ...] = ()
    if position.margin_type is MarginType.ISOLATED:
        position.isolated_wallet += amount
        state.position_changed(symbol)
        symbols = (symbol,)
    state.tell_account("FUNDING_FEE", moment, symbols=symbols, change=amount)
