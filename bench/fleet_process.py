"""One process of the rate-budget fleet: sends orders as fast as the budget grants them, or cancels on a beat.

Started by `bench.rate_budget_fleet`: reads its task as one JSON line, answers `ready`, waits for `go <ends at>`, and
prints one JSON line of what it saw.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import structlog

from app.adapters.binance import weights
from app.adapters.binance.credentials import Credentials
from app.adapters.binance.rest import QuestionError, RestExchange
from app.adapters.binance.transport import PooledTransport
from app.adapters.redis.budget_shape import BudgetShape
from app.adapters.redis.client import connect
from app.adapters.redis.rate_budget import RedisRateBudget
from app.domain.orders import Attempt, AttemptState, OrderType, TimeInForce
from app.domain.signals import Side
from app.ports import ExchangeError, Lane, OrderReport, RateLimits

CANCEL_EVERY_SECONDS = 0.2
# Looked again at the latest after this, however long the wait: who does not look does not see that Redis is away.
NAP_SECONDS_MAX = 1.0
RECV_WINDOW_MS = 3_000
RESTING_DISCOUNT = Decimal("0.97")  # far enough below the market not to be filled, near enough to be accepted
CANCEL_WEIGHT = weights.COSTS["cancel_all"].weight


class Stopwatch(httpx.BaseTransport):
    """The real transport, counting statuses and noting when the latest answer was there."""

    def __init__(self) -> None:
        self._inner = PooledTransport()
        self.statuses: Counter[str] = Counter()
        self.answered_at: list[float] = []
        self.used_weight_max = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        try:
            response = self._inner.handle_request(request)
        except httpx.TransportError as error:
            self.statuses[type(error).__name__] += 1
            raise
        self.answered_at.append(time.monotonic())
        self.statuses[str(response.status_code)] += 1
        self.used_weight_max = max(self.used_weight_max, int(response.headers.get("X-MBX-USED-WEIGHT-1M", "0")))
        return response

    def close(self) -> None:
        self._inner.close()


class Recorded(RedisRateBudget):
    """Keeps when Redis decided, by Redis' clock; 0 for what was decided without it."""

    granted_at_us: int = 0

    def _absorb(self, reply: Any, told: tuple[int, int, int]) -> None:
        self.granted_at_us = reply.answered_at_us if reply.verdict == b"G" else 0
        super()._absorb(reply, told)


class FleetProcess:
    """Budget, exchange and what was seen."""

    def __init__(self, task: dict[str, Any]) -> None:
        self.task = task
        self.transport = Stopwatch()
        self.budget = Recorded(
            connect(task["redis_url"]),
            process_share=Fraction(task["share"]),
            safety_share=Fraction(task["safety_share"]),
            shape=BudgetShape(**task["shape"]),
            ban_file=Path(task["ban_file"]),
        )
        self.exchange = RestExchange(
            base_url=task["exchange_url"],
            credentials=Credentials(key=task["key"], secret=task["secret"]),
            budget=self.budget,
            transport=self.transport,
        )
        self.waits: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.grants: list[tuple[str, int, int]] = []  # client order id, granted at (Redis, ours) in microseconds
        self.asks = 0
        self.number = 0

    def prepare(self) -> None:
        """Learn the exchange's clock and limits, by the budget like everybody else."""
        self._patiently(self.exchange.now_ms)
        while (wait := self.budget.acquire(weight=1, orders=0, lane=Lane.SAFETY)) is not None:
            time.sleep(wait.seconds)
        self._patiently(self.exchange.symbol_rules)
        self.budget.set_limits(RateLimits(**self.task["limits"]))
        self.budget.set_exchange_clock(self.exchange.now_ms())

    def _patiently(self, question: Any) -> None:
        ends = time.monotonic() + 30
        while True:
            try:
                question()
            except ExchangeError:
                if time.monotonic() > ends:
                    raise
                time.sleep(0.2)
            else:
                return

    def attempt(self, market: dict[str, str], *, side: Side, price: Decimal, resting: bool) -> Attempt:
        self.number += 1
        return Attempt(
            client_order_id=f"f{self.task['index']}-{self.number}",
            order_id=uuid.UUID(int=self.number),
            number=1,
            symbol=market["symbol"],
            side=side,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC if resting else TimeInForce.IOC,
            quantity=Decimal(market["quantity"]),
            price=price,
            reduce_only=False,
            signed_at_ms=self.exchange.now_ms(),
            recv_window_ms=RECV_WINDOW_MS,
            state=AttemptState.SENDING,
            begun_at=datetime.now(UTC),
        )

    def ask(self, *, weight: int, orders: int, lane: Lane) -> float | None:
        """None when granted, else for how long to wait."""
        self.asks += 1
        self.budget.granted_at_us = 0
        wait = self.budget.acquire(weight=weight, orders=orders, lane=lane)
        if wait is None:
            return None
        self.waits[f"{lane.value} {wait.reason}"] += 1
        return wait.seconds

    def submit(self, attempt: Attempt) -> None:
        self.grants.append((attempt.client_order_id, self.budget.granted_at_us, time.time_ns() // 1000))
        reply = self.exchange.submit(attempt)
        known = isinstance(reply, OrderReport)
        self.outcomes["accepted" if known else f"{type(reply).__name__} {getattr(reply, 'code', '')}"] += 1

    def hammer(self, ends_at: float) -> None:
        """Entries as fast as the budget grants them, over all symbols and both sides."""
        markets = self.task["markets"]
        turn = self.task["index"]
        while (left := ends_at - time.time()) > 0:
            seconds = self.ask(weight=0, orders=1, lane=Lane.ENTRY)
            if seconds is not None:
                time.sleep(min(seconds, NAP_SECONDS_MAX, left))
                continue
            turn += 1
            market = markets[turn // 2 % len(markets)]
            side = Side.BUY if turn % 2 else Side.SELL
            self.submit(self.attempt(market, side=side, price=Decimal(market[side.value]), resting=False))

    def cancel(self, ends_at: float) -> dict[str, Any]:
        """`cancel_all` on every beat, of an order that rests whenever the budget had one to spare."""
        market = self.task["markets"][0]
        price = Decimal(market["resting"])
        seconds_to_sent: list[float] = []
        seconds_to_confirmed: list[float] = []
        seconds_late: list[float] = []  # what the machine makes of a sleep: nothing can be faster than that
        failures = refusals = 0
        beat = time.monotonic()
        while (left := ends_at - time.time()) > 0:
            beat += CANCEL_EVERY_SECONDS
            time.sleep(max(0.0, min(beat - time.monotonic(), left)))
            wanted_at = time.monotonic()
            seconds_late.append(wanted_at - beat)
            answered_before = len(self.transport.answered_at)
            while (seconds := self.ask(weight=CANCEL_WEIGHT, orders=0, lane=Lane.SAFETY)) is not None:
                refusals += 1
                if time.time() > ends_at:
                    break
                time.sleep(min(seconds, 0.05))
            if seconds is not None:
                # Never sent: counted with the time it has waited so far.
                seconds_to_sent.append(time.monotonic() - wanted_at)
                break
            try:
                self.exchange.cancel_all(market["symbol"])
            except QuestionError as error:
                failures += 1
                self.outcomes[f"cancel: {error.code}"] += 1
            # The first answer: by then it had been sent for certain.
            answered = self.transport.answered_at[answered_before:]
            seconds_to_sent.append((answered[0] if answered else time.monotonic()) - wanted_at)
            seconds_to_confirmed.append(time.monotonic() - wanted_at)
            self.transport.answered_at.clear()
            beat = max(beat, time.monotonic() - CANCEL_EVERY_SECONDS)
            if self.ask(weight=0, orders=1, lane=Lane.ENTRY) is None:
                self.submit(self.attempt(market, side=Side.BUY, price=price, resting=True))
        return {
            "sent": seconds_to_sent,
            "confirmed": seconds_to_confirmed,
            "failures": failures,
            "refusals": refusals,
            "late": seconds_late,
        }


def main() -> None:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(30), logger_factory=structlog.PrintLoggerFactory(sys.stderr)
    )
    process = FleetProcess(json.loads(sys.stdin.readline()))
    process.prepare()
    print("ready", flush=True)
    ends_at = float(sys.stdin.readline().removeprefix("go "))
    cpu_before = time.process_time()
    cancels = None
    if process.task["role"] == "cancel":
        cancels = process.cancel(ends_at)
    else:
        process.hammer(ends_at)
    print(
        json.dumps(
            {
                "index": process.task["index"],
                "grants": process.grants,
                "waits": process.waits,
                "asks": process.asks,
                "outcomes": process.outcomes,
                "statuses": process.transport.statuses,
                "used_weight_max": process.transport.used_weight_max,
                "cancels": cancels,
                "cpu_seconds": time.process_time() - cpu_before,
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    main()
