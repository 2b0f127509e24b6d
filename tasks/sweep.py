"""What a sweep of beat has that other tasks have not: of the messages that piled up, one run a period is enough."""

from __future__ import annotations

from typing import Any

from celery import Task

import tasks.app
from app.flow import ENGINE_SWEEPS, SWEEPS

PERIODS_MS = {step.task: round(seconds * 1000) for step, seconds in (*SWEEPS.items(), *ENGINE_SWEEPS.items())}


class Sweep(Task):  # type: ignore[misc]
    """Runs unless another worker took up the same sweep less than half a period ago.

    A worker that was frozen, or a broker that was away, leaves a message for every period. Which of them are late is
    not a matter of clocks, ours or beat's: the first to come runs, and the others find that it did.
    """

    abstract = True
    send_events = False  # Flower is for what moves money; told of every sweep, it costs a fifth of a worker

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        period_ms = PERIODS_MS[self.name]
        if tasks.app.system().latch.claim_hint(f"sweep:{self.name}", period_ms // 2):
            return super().__call__(*arguments, **named)
        return None
