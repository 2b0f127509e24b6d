"""Gate: has a chase followed the price too far?"""

from __future__ import annotations

from decimal import Decimal

from app.domain.gates.deviation import is_beyond, is_within_share, touch_price
from app.domain.gates.policy_age import POLICY_UNKNOWN
from app.domain.gates.verdicts import Verdict, denied, passed
from app.domain.market import Quote
from app.domain.signals import Side

GATE = "price_drift"
FIRST_REFERENCE_PRICE_UNKNOWN = "FIRST_REFERENCE_PRICE_UNKNOWN"
DRIFT_QUOTE_UNKNOWN = "DRIFT_QUOTE_UNKNOWN"
DRIFT_LIMIT_PRICE_UNKNOWN = "DRIFT_LIMIT_PRICE_UNKNOWN"
PRICE_DRIFTED = "PRICE_DRIFTED"
LIMIT_PRICE_BEYOND_DRIFT = "LIMIT_PRICE_BEYOND_DRIFT"


def check_price_drift(
    *,
    side: Side,
    quote: Quote | None,
    limit_price: Decimal | None,
    first_reference_price: Decimal | None,
    drift_share_max: Decimal | None,
    attempt_number: int,
) -> Verdict:
    """Deny a chase once the touch lies further from the first attempt's reference price than the policy allows.

    Both directions count: the decision was taken at one price and is not stretched to another. The limit is held to the
    same distance in the direction that costs us. Exactly the maximum passes. The first attempt always passes: its price
    is the collar's business.
    """
    if attempt_number <= 1:
        return passed(GATE, attempt_number=attempt_number)
    if drift_share_max is None:
        return denied(GATE, POLICY_UNKNOWN, maximum_share=None)
    if first_reference_price is None:
        return denied(GATE, FIRST_REFERENCE_PRICE_UNKNOWN, first_reference=None)
    if quote is None:
        return denied(GATE, DRIFT_QUOTE_UNKNOWN, first_reference=first_reference_price)
    if limit_price is None:
        return denied(GATE, DRIFT_LIMIT_PRICE_UNKNOWN, first_reference=first_reference_price)
    touch = touch_price(quote, side=side)
    code = None
    if not is_within_share(touch, of=first_reference_price, share=drift_share_max):
        code = PRICE_DRIFTED
    elif is_beyond(limit_price, side=side, of=first_reference_price, share=drift_share_max):
        code = LIMIT_PRICE_BEYOND_DRIFT
    if code is not None:
        return denied(
            GATE,
            code,
            attempt_number=attempt_number,
            touch=touch,
            limit=limit_price,
            first_reference=first_reference_price,
            maximum_share=drift_share_max,
        )
    return passed(
        GATE,
        attempt_number=attempt_number,
        touch=touch,
        limit=limit_price,
        first_reference=first_reference_price,
        maximum_share=drift_share_max,
    )
