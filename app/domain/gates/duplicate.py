"""Gate: was the same entry made a moment ago?"""

from __future__ import annotations

from datetime import datetime

from app.domain.gates.ages import age_seconds
from app.domain.gates.policy_age import POLICY_UNKNOWN
from app.domain.gates.verdicts import Verdict, denied, passed

GATE = "duplicate"
DUPLICATE_WITHIN_COOL_OFF = "DUPLICATE_WITHIN_COOL_OFF"


def check_duplicate(
    *,
    last_same_side_entry_at: datetime | None,
    now: datetime,
    cool_off_seconds: int | None,
    attempt_number: int,
) -> Verdict:
    """Deny an entry of a symbol and side that had one less than the cool-off ago; exactly the cool-off later passes.

    `last_same_side_entry_at` is None when the order table holds no such entry, which is knowledge, not ignorance. A
    chase (attempt 2 and later) continues its own entry and is no duplicate of it.
    """
    if cool_off_seconds is None:
        return denied(GATE, POLICY_UNKNOWN, cool_off_seconds=None)
    if attempt_number > 1:
        return passed(GATE, attempt_number=attempt_number, cool_off_seconds=cool_off_seconds)
    if last_same_side_entry_at is None:
        return passed(GATE, last_entry_at="none", cool_off_seconds=cool_off_seconds)
    elapsed = age_seconds(last_same_side_entry_at, now=now)
    if elapsed < cool_off_seconds:
        return denied(
            GATE,
            DUPLICATE_WITHIN_COOL_OFF,
            last_entry_at=last_same_side_entry_at,
            elapsed_seconds=elapsed,
            cool_off_seconds=cool_off_seconds,
        )
    return passed(
        GATE, last_entry_at=last_same_side_entry_at, elapsed_seconds=elapsed, cool_off_seconds=cool_off_seconds
    )
