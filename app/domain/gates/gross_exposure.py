"""Gate: would the account hold too much altogether?"""

from __future__ import annotations

from decimal import Decimal

from app.domain.exposure import Exposure
from app.domain.gates.policy_age import POLICY_UNKNOWN
from app.domain.gates.verdicts import Verdict, denied, passed
from app.domain.money import exactly

GATE = "gross_exposure"
GROSS_EXPOSURE_UNKNOWN = "GROSS_EXPOSURE_UNKNOWN"
GROSS_EXPOSURE_ABOVE_MAXIMUM = "GROSS_EXPOSURE_ABOVE_MAXIMUM"


def check_gross_exposure(
    *, notional: Decimal | None, exposure: Exposure | None, equity: Decimal | None, share_max: Decimal | None
) -> Verdict:
    """Deny when longs plus shorts, this entry included, exceed the policy's multiple of equity; exactly that passes.

    USDT notional over all symbols, reservations included. An entry always adds, even one against a position: until it
    is filled nobody knows whether it will be.
    """
    if exposure is None or notional is None or equity is None:
        gross = None if exposure is None else exposure.gross_notional
        return denied(GATE, GROSS_EXPOSURE_UNKNOWN, gross=gross, entry=notional, equity=equity)
    if share_max is None:
        return denied(GATE, POLICY_UNKNOWN, gross=exposure.gross_notional, entry=notional, maximum=None)
    after = exactly(exposure.gross_notional, "+", notional)
    maximum = exactly(share_max, "*", equity)
    if after > maximum:
        return denied(
            GATE,
            GROSS_EXPOSURE_ABOVE_MAXIMUM,
            gross=exposure.gross_notional,
            entry=notional,
            after=after,
            maximum=maximum,
        )
    return passed(GATE, gross=exposure.gross_notional, entry=notional, after=after, maximum=maximum)
