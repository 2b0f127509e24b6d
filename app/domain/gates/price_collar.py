"""Gate: are the market's price, the signal's price and our limit one and the same price?"""

from __future__ import annotations

from decimal import Decimal

from app.domain.gates.deviation import is_beyond, is_two_sided, is_within_share, touch_price
from app.domain.gates.policy_age import POLICY_UNKNOWN
from app.domain.gates.verdicts import Seen, Verdict, denied, passed
from app.domain.market import Quote
from app.domain.signals import Side

GATE = "price_collar"
QUOTE_UNKNOWN = "QUOTE_UNKNOWN"
QUOTE_ONE_SIDED = "QUOTE_ONE_SIDED"
BOOK_FAR_FROM_MARK = "BOOK_FAR_FROM_MARK"
REFERENCE_PRICE_OUTSIDE_COLLAR = "REFERENCE_PRICE_OUTSIDE_COLLAR"
LIMIT_PRICE_UNKNOWN = "LIMIT_PRICE_UNKNOWN"
LIMIT_PRICE_OUTSIDE_COLLAR = "LIMIT_PRICE_OUTSIDE_COLLAR"


def check_price_collar(
    *,
    side: Side,
    quote: Quote | None,
    signal_reference_price: Decimal | None,
    limit_price: Decimal | None,
    slippage_share_max: Decimal | None,
) -> Verdict:
    """Deny when prices that ought to agree differ by more than the policy's slippage; exactly that far passes.

    Compared are, in this order: the book's touch (ask to buy, bid to sell) with the mark price, in both directions; the
    touch with the signal's own reference price when it gave one, in both directions, because a signal computed at
    another price speaks of another market even when that price is worse; our limit with the touch, in the direction
    that costs us.
    """
    if quote is None:
        return denied(GATE, QUOTE_UNKNOWN, bid=None, ask=None, mark=None)
    if slippage_share_max is None:
        return denied(GATE, POLICY_UNKNOWN, maximum_share=None)
    touch = touch_price(quote, side=side)
    code = None
    if not is_two_sided(quote):
        code = QUOTE_ONE_SIDED
    elif not is_within_share(touch, of=quote.mark_price, share=slippage_share_max):
        code = BOOK_FAR_FROM_MARK
    elif signal_reference_price is not None and not is_within_share(
        touch, of=signal_reference_price, share=slippage_share_max
    ):
        code = REFERENCE_PRICE_OUTSIDE_COLLAR
    elif limit_price is None:
        code = LIMIT_PRICE_UNKNOWN
    elif is_beyond(limit_price, side=side, of=touch, share=slippage_share_max):
        code = LIMIT_PRICE_OUTSIDE_COLLAR
    numbers: dict[str, Seen] = {
        "touch": touch,
        "mark": quote.mark_price,
        "reference": "none" if signal_reference_price is None else signal_reference_price,
        "limit": limit_price,
        "maximum_share": slippage_share_max,
    }
    return passed(GATE, **numbers) if code is None else denied(GATE, code, **numbers)
