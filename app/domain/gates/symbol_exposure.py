"""Gate: would this entry make the position in its symbol too large?"""

from __future__ import annotations

from decimal import Decimal

from app.domain.exposure import Exposure
from app.domain.gates.policy_age import POLICY_UNKNOWN
from app.domain.gates.verdicts import Verdict, denied, passed
from app.domain.money import exactly
from app.domain.signals import Side

GATE = "symbol_exposure"
SYMBOL_EXPOSURE_UNKNOWN = "SYMBOL_EXPOSURE_UNKNOWN"
SYMBOL_EXPOSURE_ABOVE_MAXIMUM = "SYMBOL_EXPOSURE_ABOVE_MAXIMUM"


def check_symbol_exposure(
    *, side: Side, notional: Decimal | None, exposure: Exposure | None, maximum: Decimal | None
) -> Verdict:
    """Deny when position, reservations and this entry together exceed the cap per position; exactly the cap passes.

    USDT notional, signed sums: an entry against a position counts down before it counts up. An opposite order that is
    still under way counts for nothing: this entry may fill when that one does not.
    """
    if exposure is None or notional is None:
        held = None if exposure is None else exposure.symbol_against(side)
        return denied(GATE, SYMBOL_EXPOSURE_UNKNOWN, held=held, entry=notional)
    held = exposure.symbol_against(side)
    if maximum is None:
        return denied(GATE, POLICY_UNKNOWN, held=held, entry=notional, maximum=None)
    after = exactly(held, "+", exactly(notional, "*", Decimal(side.sign)))
    if after.copy_abs() > maximum:
        return denied(
            GATE,
            SYMBOL_EXPOSURE_ABOVE_MAXIMUM,
            held=held,
            entry=notional,
            after=after,
            maximum=maximum,
        )
    return passed(GATE, held=held, entry=notional, after=after, maximum=maximum)
