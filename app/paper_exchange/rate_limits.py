"""Rate limits on the exchange's fixed windows: request weight per IP, orders per account, bans for ignoring 429."""

from dataclasses import dataclass, field
from math import ceil

from app.paper_exchange.errors import Refusal, refusal

MINUTE_MS = 60_000
TEN_SECONDS_MS = 10_000
FUNDING_WINDOW_MS = 300_000
BAN_FIRST_SECONDS = 120
BAN_SECONDS_MAX = 259_200
ADDRESSES_KEPT_MAX = 10_000


@dataclass(slots=True)
class Limits:
    """The limits in force; exchangeInfo shows the first three."""

    weight_per_minute: int = 2400
    orders_per_ten_seconds: int = 300
    orders_per_minute: int = 1200
    funding_per_five_minutes: int = 500
    # So many 429 answers within one minute turn the next request into a ban.
    ignored_429_max: int = 20


@dataclass(slots=True)
class Window:
    """A counter that starts again with each fixed window of the clock."""

    length_ms: int
    index: int = -1
    used: int = 0

    def at(self, now_ms: int) -> int:
        """What is used in the window that contains `now_ms`."""
        index = now_ms // self.length_ms
        if index != self.index:
            self.index, self.used = index, 0
        return self.used

    def seconds_left(self, now_ms: int) -> int:
        return max(1, ceil((self.length_ms - now_ms % self.length_ms) / 1000))


@dataclass(slots=True)
class Address:
    """What the exchange holds against one IP."""

    weight: Window = field(default_factory=lambda: Window(MINUTE_MS))
    funding: Window = field(default_factory=lambda: Window(FUNDING_WINDOW_MS))
    refused: Window = field(default_factory=lambda: Window(MINUTE_MS))
    banned_until_ms: int = 0
    bans: int = 0


@dataclass(frozen=True, slots=True)
class Limited:
    """A request refused for rate: what to answer and after how many seconds to come back."""

    refusal: Refusal
    retry_after_seconds: int


class RateLimits:
    """Judges every request before anything else does."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._addresses: dict[str, Address] = {}
        self._ten_seconds = Window(TEN_SECONDS_MS)
        self._minute = Window(MINUTE_MS)

    def address(self, ip: str) -> Address:
        found = self._addresses.get(ip)
        if found is None:
            if len(self._addresses) >= ADDRESSES_KEPT_MAX:
                self._addresses.pop(next(iter(self._addresses)))
            found = self._addresses[ip] = Address()
        return found

    def reset(self) -> None:
        """Forget all use and all bans."""
        self._addresses.clear()
        self._ten_seconds = Window(TEN_SECONDS_MS)
        self._minute = Window(MINUTE_MS)

    def check_ban(self, ip: str, now_ms: int) -> Limited | None:
        address = self.address(ip)
        if now_ms >= address.banned_until_ms:
            return None
        return self._banned(address, now_ms)

    def _banned(self, address: Address, now_ms: int) -> Limited:
        text = f"Way too many requests; IP banned until {address.banned_until_ms}. "
        text += "Please use the websocket for live updates to avoid bans."
        return Limited(Refusal(-1003, text, 418), ceil((address.banned_until_ms - now_ms) / 1000))

    def ban(self, ip: str, seconds: int, now_ms: int) -> Limited:
        """Ban an address outright."""
        address = self.address(ip)
        address.banned_until_ms = now_ms + seconds * 1000
        return self._banned(address, now_ms)

    def _refused(self, address: Address, limited: Limited, now_ms: int) -> Limited:
        """Count a 429; who keeps asking is banned, longer each time."""
        address.refused.at(now_ms)
        address.refused.used += 1
        if address.refused.used <= self.limits.ignored_429_max:
            return limited
        seconds = min(BAN_FIRST_SECONDS * 2**address.bans, BAN_SECONDS_MAX)
        address.bans += 1
        address.refused.used = 0
        address.banned_until_ms = now_ms + seconds * 1000
        return self._banned(address, now_ms)

    def charge_weight(self, ip: str, weight: int, now_ms: int, *, funding: bool = False) -> Limited | None:
        """Charge a request to its IP. What is refused is not charged."""
        address = self.address(ip)
        window, limit = address.weight, self.limits.weight_per_minute
        if funding:
            window, limit, weight = address.funding, self.limits.funding_per_five_minutes, 1
        if window.at(now_ms) + weight > limit:
            limited = Limited(refusal(-1003, ip=ip, limit=limit), window.seconds_left(now_ms))
            return self._refused(address, limited, now_ms)
        window.used += weight
        return None

    def charge_orders(self, ip: str, *, ten_seconds: int, minute: int, now_ms: int) -> Limited | None:
        """Charge new orders to the account, on both windows or on neither."""
        limits = self.limits
        for window, count, limit, interval in (
            (self._ten_seconds, ten_seconds, limits.orders_per_ten_seconds, "10 SECOND"),
            (self._minute, minute, limits.orders_per_minute, "1 MINUTE"),
        ):
            if window.at(now_ms) + count > limit:
                limited = Limited(refusal(-1015, limit=limit, interval=interval), window.seconds_left(now_ms))
                return self._refused(self.address(ip), limited, now_ms)
        self._ten_seconds.used += ten_seconds
        self._minute.used += minute
        return None

    def used_weight(self, ip: str, now_ms: int) -> int:
        return self.address(ip).weight.at(now_ms)

    def order_counts(self, now_ms: int) -> tuple[int, int]:
        """(last ten seconds, this minute)."""
        return self._ten_seconds.at(now_ms), self._minute.at(now_ms)

    def described(self) -> list[dict[str, str | int]]:
        """As exchangeInfo lists them."""
        limits = self.limits
        rows = (
            ("REQUEST_WEIGHT", "MINUTE", 1, limits.weight_per_minute),
            ("ORDERS", "MINUTE", 1, limits.orders_per_minute),
            ("ORDERS", "SECOND", 10, limits.orders_per_ten_seconds),
        )
        return [
            {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}
            for kind, interval, number, limit in rows
        ]
