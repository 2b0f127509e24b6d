"""Try a policy on recent decisions for somebody at a page: one at a time, and so many that the door stays quick."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from app.ports import Clock
from app.services.reset_ess import Refused
from app.services.what_if import Period, Wanted, WhatIf
from app.services.what_if_answers import WhatIfAnswer, what_if_answer

PERIOD_DEFAULT = timedelta(days=1)
DETAILS_MAX = 100


class TryPolicy:
    """Use case of `POST /api/policy/whatif`. It computes in the process that takes signals in: so it takes turns."""

    def __init__(self, what_if: WhatIf, clock: Clock) -> None:
        self._what_if = what_if
        self._clock = clock
        self._turn = threading.Lock()

    def __call__(
        self, wanted: Wanted, *, since: datetime | None, until: datetime | None, decisions_max: int
    ) -> WhatIfAnswer:
        """The last day by default; refused while another one is being answered."""
        if not self._turn.acquire(blocking=False):
            return WhatIfAnswer(refusal=Refused("WHAT_IF_IN_PROGRESS", "another what-if is being answered; try again"))
        try:
            end = until or self._clock.now()
            period = Period(since=since or end - PERIOD_DEFAULT, until=end, decisions_max=decisions_max)
            return what_if_answer(self._what_if(wanted, period, details_max=DETAILS_MAX))
        finally:
            self._turn.release()
