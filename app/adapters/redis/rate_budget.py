"""The exchange's rate limits as one budget for all processes, in Redis; a fixed share of it when Redis is away.

Why it never exceeds a limit is argued in docs/decisions/0005-global-rate-budget.md.
"""

from __future__ import annotations

import secrets
import struct
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import structlog

from app.adapters.redis.budget_shape import MICROSECONDS, BudgetShape, limits_of
from app.adapters.redis.client import LuaScript, RedisLink, RedisUnavailableError
from app.adapters.redis.gate_file import SAME_SECONDS, Closing, Gate, GateFile
from app.adapters.redis.order_records import OrderRecords, OrdersBegun
from app.adapters.redis.sliding_log import OwnUsage
from app.adapters.until_done import UntilDone
from app.ports import Lane, RateLimits, Wait

_SCRIPT = LuaScript.beside(__file__, "rate_budget.lua")

_ANSWER = struct.Struct("<c16d")  # see the script
_WAIT_SECONDS_MIN = 0.001

TELL_PAUSE_SECONDS = 0.5

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetStatus:
    """What is taken of each limit now, and for how long the gates are closed (0: open)."""

    used: RateLimits
    limits: RateLimits
    closed_seconds: float
    orders_closed_seconds: float
    recovering: bool  # shares alone, because what was granted before is not fully known


@dataclass(slots=True)
class _KnownGate:
    """Until when, by the process' own clock."""

    until: float = float("-inf")
    reason: str = ""


@dataclass(slots=True)
class _Memory:
    """What this process knows that Redis may have lost or never heard; guarded by the budget's lock."""

    limits: tuple[int, int, int]
    limits_until: float = float("-inf")  # passed: they are the defaults, or as good as
    limits_untold: bool = False
    generation: str = ""
    grants: int = 0
    totals: tuple[int, int, int] = (0, 0, 0)
    contact_at: float = float("-inf")
    gates: dict[Gate, _KnownGate] = field(default_factory=lambda: {gate: _KnownGate() for gate in Gate})
    away_since: float = float("-inf")
    failed_at: float = float("-inf")
    back_at: float = float("-inf")
    # Taken without Redis and not yet told: weight, orders, and how many requests of it were entries.
    untold: tuple[int, int, int] = (0, 0, 0)
    untold_at: float = float("-inf")


@dataclass(frozen=True, slots=True)
class _Reply:
    verdict: bytes  # G granted, W wait, S settling, O done
    seconds: float
    generation: str
    grants: int
    totals: tuple[int, int, int]
    limits: tuple[int, int, int]
    limits_valid_seconds: float  # 0: they are the defaults
    closings: Mapping[Gate, Closing]
    recovering: bool
    answered_at_us: int  # by Redis' clock
    reason: str


class RedisRateBudget:
    """`app.ports.RateBudget`. `process_share` is this process' part when Redis is away; all parts sum to at most 1.

    `safety_share` is its part of the weight (orders cost none: it is for cancels and questions), `exit_share` its part
    of the orders that only exits and protective orders may take, both also of what Redis never gives out, on which
    cancels and exits go on at once when Redis is away (None: the same as the share before). `orders_begun` counts all
    orders of all processes from their durable records: what those leave of the limits is for exits while Redis is away
    (None: nobody counts). `ban_file` is where the processes of this machine keep what the exchange has forbidden them
    (None: nowhere). `now_us` replaces Redis' clock and `monotonic` the process' own; only tests give them.
    """

    def __init__(
        self,
        link: RedisLink,
        *,
        process_share: Fraction = Fraction(1, 16),
        safety_share: Fraction | None = None,
        exit_share: Fraction | None = None,
        orders_begun: OrdersBegun | None = None,
        shape: BudgetShape | None = None,
        prefix: str = "qt:{budget}",
        ban_file: Path | None = None,
        now_us: Callable[[], int] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        safety_share = process_share if safety_share is None else safety_share
        exit_share = safety_share if exit_share is None else exit_share
        for name, share in (
            ("process_share", process_share),
            ("safety_share", safety_share),
            ("exit_share", exit_share),
        ):
            if not 0 < share <= 1:
                raise ValueError(f"{name}={share} is not within 0..1")
        self._link = link
        self._share = process_share
        self._safety_share = safety_share
        self._exit_share = exit_share
        self._shape = shape or BudgetShape()
        self._script = LuaScript(self._shape.lua_constants() + _SCRIPT.text)
        self._keys = tuple(f"{prefix}:{name}" for name in ("state", "weight", "orders_10s", "orders_1m"))
        self._now_us = now_us
        self._monotonic = monotonic
        self._nonce = secrets.token_hex(6)
        self._lock = threading.Lock()
        self._memory = _Memory(limits=limits_of(self._shape.limits_default))
        self._own = OwnUsage(self._shape)  # every grant
        self._alone = OwnUsage(self._shape)  # grants without Redis, of what it never gives out
        self._records = None if orders_begun is None else OrderRecords(orders_begun, self._shape, monotonic)
        self._telling = UntilDone(self._is_told, name="tell-budget", pause_seconds=TELL_PAUSE_SECONDS)
        self._gate_file = GateFile(ban_file) if ban_file is not None else None
        self._read_gate_file()

    def acquire(self, *, weight: int, orders: int, lane: Lane) -> Wait | None:
        """Take budget for one request of IP weight `weight` that creates `orders` orders; None: taken.

        Never blocks longer than the link's time-outs and never raises for Redis. `Wait.seconds` is when enough will
        have left the window that is full, if nobody else takes it first.
        """
        cost = (weight, orders, orders)
        with self._lock:
            refusal = self._own.refusal(cost, self._share_caps(lane), now=self._monotonic())
            # Counted while asking: two threads must not both fit into what is left of the share.
            self._own.asking(cost)
            keeps_to_share = lane is Lane.ENTRY and self._was_away_just_now()
        reply: _Reply | None = None
        try:
            if keeps_to_share and refusal is not None:
                # What others took of the limits meanwhile is told within seconds; until then its share is all it has.
                self._ask("touch")
                return _wait(min(refusal[0], self._shape.ask_again_seconds_max / 2), f"share of {refusal[1]}")
            share_wait_us = 0 if refusal is None else max(1, round(refusal[0] * MICROSECONDS))
            reply = self._ask("acquire", weight, orders, lane.value, share_wait_us)
        except RedisUnavailableError:
            reply = None  # alone, then; the breaker has logged that Redis is away, once
        finally:
            with self._lock:
                self._own.asked(cost)
                if reply is not None and reply.verdict == b"G":
                    self._own.add(cost, now=self._monotonic())
        if reply is None:
            return self._acquire_alone(cost, lane, settling_seconds=None)
        if reply.verdict == b"S":
            return self._acquire_alone(cost, lane, settling_seconds=reply.seconds)
        if reply.verdict == b"G":
            return None
        if reply.reason == "share" and refusal is not None:
            return _wait(reply.seconds, f"share of {refusal[1]}")
        return _wait(reply.seconds, reply.reason)

    def observe(self, *, used_weight: int | None, orders_10s: int | None, orders_1m: int | None) -> None:
        """Correct upwards from response headers; None and negatives (the exchange's "not said") are ignored."""
        used = ["" if value is None or value < 0 else value for value in (used_weight, orders_10s, orders_1m)]
        if any(value != "" for value in used):
            self._tell("observe", *used)

    def close(self, *, seconds: float, reason: str, orders_only: bool = False) -> None:
        """429 or 418: nobody sends anything for `seconds`; with `orders_only` (-1015) nobody creates an order.

        Kept in this process and in the file too, should Redis forget it.
        """
        gate = Gate.ORDERS if orders_only else Gate.EVERYTHING
        closing = Closing(seconds=seconds, reason=" ".join(reason.split()))
        log.warning("rate_budget_closed", seconds=seconds, reason=reason, gate=gate.value)
        self._learn({gate: closing})
        self._tell("touch")

    def _learn(self, closings: Mapping[Gate, Closing], *, from_file: bool = False) -> None:
        """Remember what is closed, and on disk what is new of it."""
        news = {}
        with self._lock:
            now = self._monotonic()
            for gate, closing in closings.items():
                known = self._memory.gates[gate]
                until = now + closing.seconds
                # The same end, measured by another clock, is no news.
                if until > known.until + SAME_SECONDS or (until > now and known.until <= now):
                    news[gate] = closing
                if until > known.until:
                    known.until, known.reason = until, closing.reason
        if news and self._gate_file is not None and not from_file:
            self._gate_file.keep(news)

    def _read_gate_file(self) -> None:
        if self._gate_file is not None:
            self._learn(self._gate_file.news(), from_file=True)

    def set_limits(self, limits: RateLimits) -> None:
        """What `exchangeInfo` says; holds for a day, then the defaults hold again until told anew."""
        with self._lock:
            self._memory.limits = limits_of(limits)
            self._memory.limits_until = self._monotonic() + self._shape.limits_valid_seconds
            self._memory.limits_untold = True
        self._tell("limits", *limits_of(limits), round(self._shape.limits_valid_seconds * MICROSECONDS))

    def set_exchange_clock(self, exchange_time_ms: int) -> None:
        """The exchange's time of now, so that its windows are known; an error of some 100 ms does no harm."""
        self._tell("clock", exchange_time_ms * 1000)

    def status(self) -> BudgetStatus:
        """What Redis counts; raises `RedisUnavailableError`."""
        reply = self._ask("touch")
        return BudgetStatus(
            used=_rate_limits(reply.totals),
            limits=_rate_limits(reply.limits),
            closed_seconds=_seconds_closed(reply, Gate.EVERYTHING),
            orders_closed_seconds=_seconds_closed(reply, Gate.ORDERS),
            recovering=reply.recovering,
        )

    def stop_telling(self) -> None:
        """End the thread that would tell Redis what was taken without it."""
        self._telling.stop()

    # ------------------------------------------------------------------------------------------------ with Redis

    def _was_away_just_now(self) -> bool:
        """Whether Redis was last heard of as being away, or was so within the time in which everybody tells again."""
        known = max(self._memory.failed_at, self._memory.back_at)
        return self._monotonic() - known <= self._shape.ask_again_seconds_max

    def _is_told(self) -> bool:
        """Tell what was taken without Redis; True once it knows."""
        self._tell("touch")
        with self._lock:
            return not any(self._untold())

    def _tell(self, operation: str, *arguments: str | int) -> None:
        try:
            self._ask(operation, *arguments)
        except RedisUnavailableError as error:
            # The breaker has logged that Redis is away; what matters of this is in our memory or told again soon.
            log.debug("rate_budget_not_told", operation=operation, error=str(error))

    def _ask(self, operation: str, *arguments: str | int) -> _Reply:
        clock = "" if self._now_us is None else self._now_us()
        with self._lock:
            known, grants = self._known()
            untold = self._untold()
            memory = self._memory_text(untold, with_totals=False)
        raw = self._link.run(self._script, self._keys, (operation, clock, known, grants, memory, *arguments))
        if raw == b"M":
            # Redis has lost the state that we know, or never had one: tell what we saw of it.
            with self._lock:
                memory = self._memory_text(untold, with_totals=known != "")
            raw = self._link.run(self._script, self._keys, (operation, clock, known, grants, memory, *arguments))
        reply = _parse(raw)
        with self._lock:
            self._absorb(reply, untold)
        if reply.closings:
            self._learn(reply.closings)
        return reply

    def _known(self) -> tuple[str, int]:
        if self._monotonic() - self._memory.contact_at > self._shape.longest_seconds:
            return "", 0  # so long ago that nothing of it counts any more
        return self._memory.generation, self._memory.grants

    def _untold(self) -> tuple[int, int, int]:
        if self._monotonic() - self._memory.untold_at > self._shape.longest_seconds:
            self._memory.untold = (0, 0, 0)
        return self._memory.untold

    def _memory_text(self, untold: tuple[int, int, int], *, with_totals: bool | None) -> str:
        memory, now = self._memory, self._monotonic()
        gates = [memory.gates[gate] for gate in (Gate.EVERYTHING, Gate.ORDERS)]
        gates_us = [round((gate.until - now) * MICROSECONDS) if gate.until > now else 0 for gate in gates]
        nothing_new = not any(gates_us) and not any(untold) and not memory.limits_untold
        if nothing_new and memory.generation and not with_totals:
            return ""
        totals = " ".join(str(total) for total in memory.totals) if with_totals else "  "
        limits = " ".join(str(limit) for limit in memory.limits)
        valid_us = max(0, round((memory.limits_until - now) * MICROSECONDS)) if memory.limits_until > now else 0
        weight, orders, entries = untold
        reasons = "\n".join(gate.reason for gate in gates)
        taken = f"{gates_us[0]} {gates_us[1]} {weight} {orders} {entries} {totals}"
        return f"{taken} {limits} {valid_us} {self._nonce} {reasons}"

    def _absorb(self, reply: _Reply, told: tuple[int, int, int]) -> None:
        memory = self._memory
        if reply.generation != memory.generation or reply.grants >= memory.grants:
            memory.generation, memory.grants, memory.totals = reply.generation, reply.grants, reply.totals
        memory.contact_at = self._monotonic()
        # Limits that we know and Redis does not (it was flushed, or away when they were told) are told with the next
        # request.
        memory.limits_untold = reply.limits_valid_seconds == 0 and memory.limits_until > memory.contact_at
        if not memory.limits_untold:
            memory.limits = reply.limits
            memory.limits_until = memory.contact_at + reply.limits_valid_seconds
        if memory.failed_at > float("-inf"):
            memory.back_at = memory.contact_at
        memory.failed_at = float("-inf")
        if any(told):
            weight, orders, entries = (now - then for now, then in zip(memory.untold, told, strict=True))
            memory.untold = (max(0, weight), max(0, orders), max(0, entries))

    # ------------------------------------------------------------------------------------------------ without Redis

    def _acquire_alone(self, cost: tuple[int, int, int], lane: Lane, *, settling_seconds: float | None) -> Wait | None:
        self._read_gate_file()  # others may have met a ban, and there is no other way to hear of it
        with self._lock:
            now = self._monotonic()
            blind_seconds = self._blind_seconds(now) if settling_seconds is None else settling_seconds
            # By then whoever Redis had granted an order has it on record.
            may_count = settling_seconds is None and now - self._memory.away_since >= self._shape.settle_seconds
        begun: tuple[int, int] | None = None
        if self._records is not None and may_count and blind_seconds > 0 and cost[1] and lane is not Lane.ENTRY:
            begun = self._records.begun()  # asks the database: not under the lock
        with self._lock:
            now = self._monotonic()
            gate = self._gate_for(cost)
            if now < gate.until:
                return _wait(gate.until - now, f"closed: {gate.reason}")
            reason = "redis away" if settling_seconds is None else "settling"
            if blind_seconds > 0 and lane is Lane.ENTRY:
                return _wait(min(blind_seconds, self._shape.ask_again_seconds_max / 2), reason)
            if blind_seconds > 0:
                refusal = self._blind_refusal(cost, lane, begun, now=now)
            else:
                refusal = self._own.refusal(cost, self._share_caps(lane), now=now)
            if refusal is not None:
                return _wait(refusal[0], f"share of {refusal[1]} ({reason})")
            self._own.add(cost, now=now)
            weight, orders, entries = self._untold()
            self._memory.untold = (weight + cost[0], orders + cost[1], entries + (lane is Lane.ENTRY))
            self._memory.untold_at = now
        if cost[1]:
            self._telling.wake()  # Redis is to know of these orders as soon as it is back
        return None

    def _blind_refusal(
        self, cost: tuple[int, int, int], lane: Lane, begun: tuple[int, int] | None, *, now: float
    ) -> tuple[float, str] | None:
        """None when the request fits into what the records of all orders leave, or into what Redis never gives out."""
        if self._records is not None and begun is not None and not cost[0]:
            caps = self._records.caps(
                begun,
                lane,
                part=self._exit_share,
                limits=self._memory.limits,
                share_caps=self._share_caps(lane),
            )
            if self._own.refusal(cost, caps, now=now) is None:
                return None
        refusal = self._alone.refusal(cost, self._blind_caps(lane), now=now)
        if refusal is None:
            self._alone.add(cost, now=now)
        return refusal

    def _gate_for(self, cost: tuple[int, int, int]) -> _KnownGate:
        """The gate that a request of this cost meets: the one that opens later, if orders are among it."""
        everything, orders = self._memory.gates[Gate.EVERYTHING], self._memory.gates[Gate.ORDERS]
        return orders if cost[1] > 0 and orders.until > everything.until else everything

    def _blind_seconds(self, now: float) -> float:
        """How long what Redis granted before it went away may still fill the exchange's windows."""
        memory = self._memory
        # Only an absence that we kept looking at is known to be one; in a gap Redis may have been back.
        if now - memory.failed_at > self._shape.ask_again_seconds_max:
            memory.away_since = now
        memory.failed_at = now
        return memory.away_since + self._shape.longest_seconds - now

    def _share_caps(self, lane: Lane) -> Sequence[int]:
        """This process' part of what `lane` may use."""
        shares = (self._safety_share, self._share, self._share)
        return _caps(self._shape, shares, self._memory.limits, lane)

    def _blind_caps(self, lane: Lane) -> Sequence[int]:
        """This process' part of the half of the reserve that Redis never gives out; who comes second may have half."""
        divisor = 1 if lane is Lane.SAFETY else 2
        parts = (self._safety_share, self._exit_share, self._exit_share)
        limits = enumerate(self._memory.limits)
        return [
            int(part / divisor * (self._shape.reserve(counter, limit) // 2))
            for part, (counter, limit) in zip(parts, limits, strict=True)
        ]


@lru_cache(maxsize=16)  # fractions are exact and slow; limits change a few times a day
def _caps(shape: BudgetShape, shares: tuple[Fraction, ...], limits: tuple[int, ...], lane: Lane) -> tuple[int, ...]:
    kept = [shape.withheld(lane, counter, limit) for counter, limit in enumerate(limits)]
    return tuple(int(share * (limit - reserve)) for share, limit, reserve in zip(shares, limits, kept, strict=True))


def _wait(seconds: float, reason: str) -> Wait:
    return Wait(seconds=max(seconds, _WAIT_SECONDS_MIN), reason=reason)


def _seconds_closed(reply: _Reply, gate: Gate) -> float:
    return reply.closings[gate].seconds if gate in reply.closings else 0.0


def _parse(raw: bytes) -> _Reply:
    if len(raw) <= _ANSWER.size:
        raise RedisUnavailableError(f"the budget was lost again while asking: {raw!r}")
    verdict, wait, grants, *numbers = _ANSWER.unpack_from(raw)
    texts = []
    starts = _ANSWER.size
    for length in (*numbers[11:14], len(raw)):
        texts.append(raw[starts : starts + int(length)].decode())
        starts += int(length)
    generation, *gate_reasons, reason = texts
    gates = zip((Gate.EVERYTHING, Gate.ORDERS), numbers[7:9], gate_reasons, strict=True)
    return _Reply(
        verdict=verdict,
        seconds=wait / MICROSECONDS,
        generation=generation,
        grants=int(grants),
        totals=(int(numbers[0]), int(numbers[1]), int(numbers[2])),
        limits=(int(numbers[3]), int(numbers[4]), int(numbers[5])),
        limits_valid_seconds=numbers[6] / MICROSECONDS,
        closings={gate: Closing(seconds=us / MICROSECONDS, reason=why) for gate, us, why in gates if us > 0},
        recovering=bool(numbers[9]),
        answered_at_us=int(numbers[10]),
        reason=reason,
    )


def _rate_limits(values: tuple[int, int, int]) -> RateLimits:
    return RateLimits(weight_per_minute=values[0], orders_per_10_seconds=values[1], orders_per_minute=values[2])
