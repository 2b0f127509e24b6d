"""Trigger: does the exchange refuse one entry after the other?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import takewhile

from app.domain.orders import Attempt, AttemptState
from app.domain.policy import Policy
from app.domain.triggers.readings import POLICY_UNKNOWN, Reading, Sight, fired_if, reading

TRIGGER = "REPEATED_REJECTIONS"
# Our own word for a request that never left this machine: nobody refused it.
NEVER_LEFT = "NOT_SENT"


def read_repeated_rejections(*, newest_ended_entries: Sequence[Attempt] | None, policy: Policy | None) -> Reading:
    """Fires when the newest entries, as many as the policy says, were all refused by the exchange; newest first.

    One that was accepted in between starts the count anew; one that never reached the exchange does not count at all.
    """
    if policy is None:
        return reading(TRIGGER, Sight.UNKNOWN, why=POLICY_UNKNOWN)
    if newest_ended_entries is None:
        return reading(TRIGGER, Sight.UNKNOWN, why="ATTEMPTS_UNKNOWN")
    reached = [attempt for attempt in newest_ended_entries if attempt.error_code != NEVER_LEFT]
    refused = list(takewhile(lambda attempt: attempt.state is AttemptState.REJECTED, reached))
    codes = Counter(attempt.error_code for attempt in refused)
    return fired_if(
        len(refused) >= policy.rejections_in_a_row_max,
        TRIGGER,
        in_a_row=len(refused),
        maximum=policy.rejections_in_a_row_max,
        codes=" ".join(f"{code}x{count}" for code, count in codes.most_common(3)) or None,
    )
