"""How long to wait before a process that ended is started again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class BackOff:
    """Doubling waits up to a bound; a process that was healthy for long enough starts over from the first wait."""

    first_seconds: float = 0.2
    seconds_max: float = 5.0
    healthy_seconds_to_reset: float = 30.0
    _next_seconds: float = 0.0

    def after_exit(self, *, healthy_seconds: float) -> float:
        """Seconds to wait now, for a process that had been ready for `healthy_seconds` when it ended."""
        if self._next_seconds == 0.0 or healthy_seconds >= self.healthy_seconds_to_reset:
            self._next_seconds = self.first_seconds
        wait = self._next_seconds
        self._next_seconds = min(2 * wait, self.seconds_max)
        return wait
