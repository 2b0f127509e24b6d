"""Gate: is the producer sure enough?"""

from __future__ import annotations

from decimal import Decimal

from app.domain.gates.policy_age import POLICY_UNKNOWN
from app.domain.gates.verdicts import Verdict, denied, passed

GATE = "confidence"
CONFIDENCE_BELOW_MINIMUM = "CONFIDENCE_BELOW_MINIMUM"


def check_confidence(*, confidence: Decimal, minimum: Decimal | None) -> Verdict:
    """Deny below the policy's minimum confidence; exactly the minimum passes."""
    if minimum is None:
        return denied(GATE, POLICY_UNKNOWN, confidence=confidence, minimum=None)
    if confidence < minimum:
        return denied(GATE, CONFIDENCE_BELOW_MINIMUM, confidence=confidence, minimum=minimum)
    return passed(GATE, confidence=confidence, minimum=minimum)
