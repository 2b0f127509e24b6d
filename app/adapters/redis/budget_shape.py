"""The constants of the rate budget: windows, margins, reserves, and what holds before the exchange has told."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from app.ports import Lane, RateLimits

COUNTERS = ("weight", "orders_10s", "orders_1m")
MICROSECONDS = 1_000_000
# Before `exchangeInfo` was read: Binance's documented order limits, and the cautious half of its weight.
LIMITS_DEFAULT = RateLimits(weight_per_minute=1200, orders_per_minute=1200, orders_per_10_seconds=300)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetShape:
    """All processes that share a budget must use the same shape; only tests use another than the default."""

    limits_default: RateLimits = LIMITS_DEFAULT
    burst_default: int = 50  # requests at once, refilled evenly; only while the default limits hold

    weight_window_seconds: float = 60.0
    orders_short_window_seconds: float = 10.0
    orders_long_window_seconds: float = 60.0
    buckets_per_window: int = 250

    # The longest time between a grant and its arrival at the exchange that may differ from one request to another.
    # Measured: 16 processes on two busy cores reach 0.6 s when all are released at once, 0.2 s when paced.
    arrival_spread_seconds: float = 0.6
    # A header read this long after a window began tells of this window, not of the one before.
    header_age_seconds_max: float = 1.0
    # After the state was lost: how long those who remember have for telling.
    settle_seconds: float = 1.0
    # Longest time a process may live on its share without asking Redis again (the breaker's longest wait and some).
    ask_again_seconds_max: float = 3.0
    limits_valid_seconds: float = 86_400.0

    # Entries come in bursts of this many orders, then so evenly that a whole short window takes this part of it: what
    # is released at once arrives late, and in the way of a cancel.
    entry_burst: int = 20
    entry_spread: Fraction = Fraction(2, 5)

    # Not for entries. Half of it is never shared out at all: processes live on it when they cannot ask Redis.
    # Weight much, because entries need none (an order costs none). Of the minute's orders little, because an unused one
    # is a trade not made; of the ten seconds' more, because the minute is used up in four of its six.
    reserved_weight: Fraction = Fraction(1, 2)
    reserved_orders_short: Fraction = Fraction(1, 10)
    reserved_orders_long: Fraction = Fraction(1, 40)

    @property
    def windows_seconds(self) -> tuple[float, float, float]:
        return (self.weight_window_seconds, self.orders_short_window_seconds, self.orders_long_window_seconds)

    @property
    def longest_seconds(self) -> float:
        """After this nothing granted before can still count anywhere."""
        longest = max(self.windows_seconds)
        return longest + longest / self.buckets_per_window + self.arrival_spread_seconds

    @property
    def reserved(self) -> tuple[Fraction, Fraction, Fraction]:
        return (self.reserved_weight, self.reserved_orders_short, self.reserved_orders_long)

    def reserve(self, counter: int, limit: int) -> int:
        """What entries may not touch of a counter's limit."""
        part = self.reserved[counter]
        return -(-limit * part.numerator // part.denominator)

    def withheld(self, lane: Lane, counter: int, limit: int) -> int:
        """What `lane` leaves of a counter's limit to those before it; the blind half of the reserve comes on top."""
        reserve = self.reserve(counter, limit)
        half = -(-reserve // 2)
        return {Lane.ENTRY: reserve, Lane.BOOKS: half, Lane.PROTECTION: half, Lane.SAFETY: 0}[lane]

    def lua_constants(self) -> str:
        """The constants as the script expects them in front of its text, times in microseconds."""
        windows = [_microseconds(seconds) for seconds in self.windows_seconds]
        buckets = [max(1, window // self.buckets_per_window) for window in windows]
        reserved = [f"{{{part.numerator}, {part.denominator}}}" for part in self.reserved]
        probation = self.settle_seconds + self.ask_again_seconds_max
        recovery = self.longest_seconds + self.ask_again_seconds_max
        spread = float(self.entry_spread) * self.orders_short_window_seconds
        return (
            f"local WINDOWS, BUCKETS = {_table(windows)}, {_table(buckets)}\n"
            f"local LONGEST, SPREAD = {max(windows) + max(buckets)}, {_microseconds(self.arrival_spread_seconds)}\n"
            f"local SETTLE, PROBATION = {_microseconds(self.settle_seconds)}, {_microseconds(probation)}\n"
            f"local RECOVERY = {_microseconds(recovery)}\n"
            f"local HEADER_AGE = {_microseconds(self.header_age_seconds_max)}\n"
            f"local DEFAULTS, BURST = {_table(limits_of(self.limits_default))}, {self.burst_default}\n"
            f"local RESERVED = {_table(reserved)}\n"
            f"local ENTRY_BURST, ENTRY_SPREAD = {self.entry_burst}, {_microseconds(spread)}\n"
        )


def limits_of(limits: RateLimits) -> tuple[int, int, int]:
    """Limits in the order of `COUNTERS`."""
    return (limits.weight_per_minute, limits.orders_per_10_seconds, limits.orders_per_minute)


def _microseconds(seconds: float) -> int:
    return round(seconds * MICROSECONDS)


def _table(values: list[int] | tuple[int, ...] | list[str]) -> str:
    return "{" + ", ".join(str(value) for value in values) + "}"
