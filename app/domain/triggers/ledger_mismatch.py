"""Trigger: do our books and the exchange's differ, with nothing on its way that would explain it?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from app.domain.gates.ages import age_seconds
from app.domain.money import plain
from app.domain.reconciliation import Difference
from app.domain.triggers.readings import Reading, Sight, fired_if, reading

TRIGGER = "LEDGER_MISMATCH"
RECONCILED_SECONDS_MAX = 60  # twelve passes
SHOWN_MAX = 5


def read_lasting_differences(lasting: Sequence[Difference]) -> Reading:
    """What reconciliation concludes itself: fires on any difference that two passes saw and nothing explains."""
    return fired_if(bool(lasting), TRIGGER, count=len(lasting), differences=_text(lasting))


def read_ledger_mismatch(
    *, differences: Sequence[Difference] | None, reconciled_at: datetime | None, now: datetime
) -> Reading:
    """What the newest pass left: clear when it was recent and found nothing; one look is never enough to fire."""
    if differences is None or reconciled_at is None:
        return reading(TRIGGER, Sight.UNKNOWN, why="NEVER_RECONCILED")
    age = age_seconds(reconciled_at, now=now)
    if age > RECONCILED_SECONDS_MAX:
        return reading(TRIGGER, Sight.UNKNOWN, why="RECONCILED_LONG_AGO", age_seconds=age)
    if differences:
        return reading(TRIGGER, Sight.UNKNOWN, why="NOT_EXPLAINED_YET", differences=_text(differences))
    return reading(TRIGGER, Sight.CLEAR, age_seconds=age)


def _text(differences: Sequence[Difference]) -> str | None:
    shown = [
        f"{each.subject}: ours={plain(each.ours)}, theirs={plain(each.theirs)}" for each in differences[:SHOWN_MAX]
    ]
    return "; ".join(shown) or None
