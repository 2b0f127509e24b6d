"""Gate: would this entry open one position too many?"""

from __future__ import annotations

from app.domain.exposure import Exposure
from app.domain.gates.policy_age import POLICY_UNKNOWN
from app.domain.gates.verdicts import Verdict, denied, passed

GATE = "open_positions"
OPEN_POSITIONS_UNKNOWN = "OPEN_POSITIONS_UNKNOWN"
OPEN_POSITIONS_AT_MAXIMUM = "OPEN_POSITIONS_AT_MAXIMUM"


def check_open_positions(*, symbol: str, exposure: Exposure | None, maximum: int | None) -> Verdict:
    """Deny a further symbol when as many as the policy allows are open or reserved; the last free place passes.

    A symbol that already has a position or a live entry takes no further place.
    """
    if exposure is None:
        return denied(GATE, OPEN_POSITIONS_UNKNOWN, open=None)
    if maximum is None:
        return denied(GATE, POLICY_UNKNOWN, open=len(exposure.open_symbols), maximum=None)
    count = len(exposure.open_symbols)
    is_new = symbol not in exposure.open_symbols
    if is_new and count >= maximum:
        return denied(GATE, OPEN_POSITIONS_AT_MAXIMUM, symbol=symbol, open=count, maximum=maximum)
    return passed(GATE, symbol=symbol, open=count, maximum=maximum, takes_a_place="yes" if is_new else "no")
