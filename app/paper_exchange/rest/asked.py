"""What a request asks about: one listed symbol, or all of them."""

from app.paper_exchange.rest.params import Call, refuse
from app.paper_exchange.venue import Venue


def symbol_of(venue: Venue, call: Call) -> str:
    """The `symbol` parameter, which must be listed (-1121)."""
    symbol = call.required("symbol")
    if symbol not in venue.market.symbols:
        refuse(-1121)
    return symbol


def symbols_asked(venue: Venue, call: Call) -> tuple[list[str], bool]:
    """The symbols asked for and whether it was just one."""
    if call.params.get("symbol"):
        return [symbol_of(venue, call)], True
    return list(venue.market.symbols), False
