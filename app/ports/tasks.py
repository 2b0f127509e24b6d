"""Hints: messages that something may be done now."""

from __future__ import annotations

from typing import Any, Protocol


class TaskQueue(Protocol):
    """Celery, as the core sees it: a hint to do something soon; the row in Postgres is the truth."""

    def send(self, task: str, *, priority: int = 5, countdown_seconds: float = 0.0, **arguments: Any) -> bool:
        """Send a hint; False (and one log line) when the broker is away. Priority 0 is the most urgent, 9 the least."""
        ...


class HintLatch(Protocol):
    """Keeps one hint pending at a time, however many callers want to send it; True/harmless when Redis is away."""

    def claim_hint(self, name: str, ttl_ms: int) -> bool:
        """True for the caller who is to send the hint; the claim lapses after `ttl_ms`."""
        ...

    def release_hint(self, name: str) -> None:
        """The hint was taken up: the next caller may send again."""
        ...
