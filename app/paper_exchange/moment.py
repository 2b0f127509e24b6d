"""The moment at which the engine acts: passed in, never looked up."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moment:
    """Protocol time (what clients see, microseconds) and market time (what moves prices and funding, milliseconds)."""

    now_us: int
    market_ms: int

    @property
    def now_ms(self) -> int:
        return self.now_us // 1000
