"""How far one price lies from another, compared without a division."""

from __future__ import annotations

from decimal import Decimal

from app.domain.market import Quote
from app.domain.money import ZERO, exactly
from app.domain.signals import Side


def is_within_share(price: Decimal, *, of: Decimal, share: Decimal) -> bool:
    """Whether `price` lies within `share` of `of`, above or below; exactly at the edge is within."""
    return exactly(price, "-", of).copy_abs() <= exactly(share, "*", of)


def is_beyond(price: Decimal, *, side: Side, of: Decimal, share: Decimal) -> bool:
    """Whether a trade at `price` would be worse than `of` by more than `share`: dearer to buy, cheaper to sell."""
    worse_by = exactly(exactly(price, "-", of), "*", Decimal(side.sign))
    return worse_by > exactly(share, "*", of)


def touch_price(quote: Quote, *, side: Side) -> Decimal:
    """The best price this side would trade at now: the ask to buy, the bid to sell."""
    return quote.ask_price if side is Side.BUY else quote.bid_price


def is_two_sided(quote: Quote) -> bool:
    """Whether the quote has a bid, an ask and a mark to compare with."""
    return min(quote.bid_price, quote.ask_price, quote.mark_price) > ZERO
