"""Sends the next step of the flow as a Celery hint; losing it costs a second or two, never a row."""

from __future__ import annotations

from decimal import Decimal

from app.flow import FLOW, Happening
from app.ports import HintLatch, TaskQueue

PRIORITY_LEAST = 9
PENDING_SECONDS_MAX = 30.0  # the longest countdown; what waits longer is found by the sweeps


def announce(
    tasks: TaskQueue, happening: Happening, row: object = None, *, priority: int = 5, countdown_seconds: float = 0.0
) -> bool:
    """Hint the step that follows `happening`, for `row` (its id) where the step works on one row."""
    step = FLOW[happening]
    arguments = {} if step.argument is None else {step.argument: str(row)}
    return tasks.send(step.task, priority=priority, countdown_seconds=countdown_seconds, **arguments)


def announce_again(
    tasks: TaskQueue, latch: HintLatch, happening: Happening, row: object, *, priority: int, seconds: float
) -> None:
    """Hint a step once more in `seconds`, unless a hint of that kind is pending for `row` already.

    The sweeps hint a waiting row every second. If each of those runs sent a hint of its own, the hints of a row that
    waits for budget would grow with every second it waits.
    """
    pending_ms = max(1, int(min(seconds, PENDING_SECONDS_MAX) * 1000))
    if latch.claim_hint(f"{FLOW[happening].task}:{row}", pending_ms):
        announce(tasks, happening, row, priority=priority, countdown_seconds=seconds)


def priority_of(confidence: Decimal) -> int:
    """Celery priority on Redis, 0 (most urgent) to 9: the first decimal of the confidence, turned round."""
    return max(0, min(PRIORITY_LEAST, PRIORITY_LEAST - int(confidence * 10)))
