"""Gate: could the entry be given a size?"""

from __future__ import annotations

from decimal import Decimal

from app.domain.gates.verdicts import Verdict, denied, passed
from app.domain.money import ZERO

GATE = "size"
SIZE_UNKNOWN = "SIZE_UNKNOWN"
SIZE_NOT_POSITIVE = "SIZE_NOT_POSITIVE"


def check_size(*, quantity: Decimal | None, refusal: Verdict | None) -> Verdict:
    """Deny without a positive quantity; the reason is sizing's own refusal when it gave one."""
    if refusal is not None:
        return Verdict(gate=GATE, code=refusal.code or SIZE_UNKNOWN, numbers=refusal.numbers)
    if quantity is None:
        return denied(GATE, SIZE_UNKNOWN, quantity=None)
    if quantity <= ZERO:
        return denied(GATE, SIZE_NOT_POSITIVE, quantity=quantity)
    return passed(GATE, quantity=quantity)
