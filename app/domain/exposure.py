"""What is held and what is reserved: the sums that the exposure limits are compared with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from app.domain.money import ZERO, exactly
from app.domain.signals import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What is held and what is reserved, in USDT notional at mark or, without one, at entry/limit price.

    A reservation is what a live entry order may still add to the position. `gross_notional` adds the absolute values
    of positions and reservations one by one, so that opposite ones never hide each other. `pending` is the part of a
    signed sum that orders under way would add on that side, if they fill: an entry may not count on what goes against
    it (`symbol_against`, `net_against`), for it may fill when they do not.
    """

    open_symbols: frozenset[str]  # symbols with a position or a live entry order
    symbol_notional: Decimal  # signed, of the symbol asked about
    net_notional: Decimal  # signed, over all symbols
    gross_notional: Decimal
    symbol_pending_buys: Decimal = ZERO  # not negative
    symbol_pending_sells: Decimal = ZERO  # not positive
    net_pending_buys: Decimal = ZERO
    net_pending_sells: Decimal = ZERO

    def symbol_against(self, side: Side) -> Decimal:
        """The symbol's signed notional that an entry of `side` reckons with: as if nothing opposite ever filled."""
        pending = self.symbol_pending_sells if side is Side.BUY else self.symbol_pending_buys
        return exactly(self.symbol_notional, "-", pending)

    def net_against(self, side: Side) -> Decimal:
        """The same over all symbols."""
        pending = self.net_pending_sells if side is Side.BUY else self.net_pending_buys
        return exactly(self.net_notional, "-", pending)

    def without_reservation(self, notional: Decimal) -> Exposure:
        """The same without one reservation of the symbol asked about (signed, valued as it was counted).

        A chase is judged by what exists beside its own order: its reservation must not deny itself. What is pending on
        its own side stays as it is: its gates never look at that.
        """
        return replace(
            self,
            symbol_notional=exactly(self.symbol_notional, "-", notional),
            net_notional=exactly(self.net_notional, "-", notional),
            gross_notional=exactly(self.gross_notional, "-", notional.copy_abs()),
        )


def entry_notional(*, quantity: Decimal, limit_price: Decimal, mark_price: Decimal) -> Decimal:
    """What an entry adds to exposure, in USDT: at its limit or at the mark, whichever is dearer."""
    return exactly(quantity, "*", max(limit_price, mark_price))
