"""The exchange's clock: real time, which tests may skew, freeze and move on by hand."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


def wall_microseconds() -> int:
    """Microseconds since 1970 by this machine."""
    return time.time_ns() // 1000


@dataclass(slots=True)
class ExchangeClock:
    """Two times in one place.

    The *protocol* time is what clients see and what timestamps and rate limits are judged by: real time, plus what
    tests jumped ahead, plus a skew. The *market* time moves prices and funding and knows no skew.
    """

    offset_us: int = 0
    advanced_us: int = 0
    frozen_at_us: int | None = None
    wall_us: Callable[[], int] = wall_microseconds
    _latest_us: int = field(default=0)

    def _base_us(self) -> int:
        base = self.wall_us() if self.frozen_at_us is None else self.frozen_at_us
        # The machine's own clock may be set back; the market's never is.
        self._latest_us = max(self._latest_us, base + self.advanced_us)
        return self._latest_us

    def now_us(self) -> int:
        """Protocol time in microseconds."""
        return self._base_us() + self.offset_us

    def now_ms(self) -> int:
        """Protocol time in milliseconds."""
        return self.now_us() // 1000

    def market_ms(self) -> int:
        """Market time in milliseconds."""
        return self._base_us() // 1000

    @property
    def is_frozen(self) -> bool:
        return self.frozen_at_us is not None

    @classmethod
    def standing_at(cls, at_us: int) -> "ExchangeClock":
        """A stopped clock that shows a given moment."""
        return cls(frozen_at_us=at_us)

    def freeze(self) -> None:
        """Stop both times where they stand."""
        now = self._base_us()
        if self.frozen_at_us is None:
            self.frozen_at_us = self.wall_us()
            self.advanced_us = now - self.frozen_at_us

    def resume(self) -> None:
        """Let time run on from where it stood."""
        if self.frozen_at_us is not None:
            self.advanced_us -= self.wall_us() - self.frozen_at_us
            self.frozen_at_us = None

    def advance(self, milliseconds: int) -> None:
        """Jump ahead."""
        self.advanced_us += milliseconds * 1000
