"""A clock that moves only when it is told to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

FIRST_MOMENT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class FakeClock:
    """`app.ports.Clock`."""

    def __init__(self, now: datetime = FIRST_MOMENT) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> datetime:
        """Time passes; answers the new time."""
        self._now += timedelta(seconds=seconds)
        return self._now

    def set(self, now: datetime) -> None:
        self._now = now
