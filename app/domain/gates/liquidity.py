"""Gate: is the book tight enough to trade against?"""

from __future__ import annotations

from decimal import Decimal

from app.domain.gates.deviation import is_two_sided
from app.domain.gates.policy_age import POLICY_UNKNOWN
from app.domain.gates.verdicts import Verdict, denied, passed
from app.domain.market import Quote
from app.domain.money import exactly
from app.domain.signals import Side

GATE = "liquidity"
LIQUIDITY_UNKNOWN = "LIQUIDITY_UNKNOWN"
BOOK_ONE_SIDED = "BOOK_ONE_SIDED"
BOOK_CROSSED = "BOOK_CROSSED"
SPREAD_TOO_WIDE = "SPREAD_TOO_WIDE"


def check_liquidity(*, side: Side, quote: Quote | None, spread_share_max: Decimal | None) -> Verdict:
    """Deny when the spread is a larger share of the mid price than the policy allows; exactly that share passes.

    A book whose bid is above its ask is no book. The quantity at the touch is recorded, not judged: the order never
    rests, so what the touch cannot fill is simply not filled.
    """
    if quote is None:
        return denied(GATE, LIQUIDITY_UNKNOWN, bid=None, ask=None)
    if spread_share_max is None:
        return denied(GATE, POLICY_UNKNOWN, maximum_share=None)
    spread = exactly(quote.ask_price, "-", quote.bid_price)
    mid = exactly(exactly(quote.ask_price, "+", quote.bid_price), "*", Decimal("0.5"))
    code = None
    if not is_two_sided(quote):
        code = BOOK_ONE_SIDED
    elif spread < 0:
        code = BOOK_CROSSED
    elif spread > exactly(spread_share_max, "*", mid):
        code = SPREAD_TOO_WIDE
    if code is not None:
        return denied(
            GATE,
            code,
            bid=quote.bid_price,
            ask=quote.ask_price,
            spread=spread,
            mid=mid,
            maximum_share=spread_share_max,
        )
    return passed(
        GATE,
        bid=quote.bid_price,
        ask=quote.ask_price,
        spread=spread,
        mid=mid,
        maximum_share=spread_share_max,
        touch_quantity=quote.ask_quantity if side is Side.BUY else quote.bid_quantity,
    )
