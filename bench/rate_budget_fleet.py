"""Many processes on one rate budget against the paper exchange, which judges: nothing refused, nearly all of it used.

Every process has the real client and the real budget and sends orders as fast as it may; beside them one cancels every
200 ms. Exchange and Redis are started for it. Run:
`python -m bench.rate_budget_fleet --processes 16 --seconds 180 [--kill-redis-at 90]`
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import psutil
import redis

from app.adapters.embedded import valkey
from app.adapters.processes.spawn import spawn
from app.adapters.redis.budget_shape import BudgetShape
from app.ports import RateLimits
from bench.fleet_process import RESTING_DISCOUNT
from tests.support.paper_exchange import PaperExchange, start_paper_exchange
from tests.support.servers import server_home
from tests.support.waiting import wait_until

REPOSITORY = Path(__file__).resolve().parents[1]
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT", "DOGEUSDT")
COLLAR = Decimal("0.01")
# As the process that cancels and exits has them in the product.
CANCEL_SHARE = Fraction(1, 4)
CANCEL_SAFETY_SHARE = Fraction(1, 2)
LIMITS = RateLimits(weight_per_minute=2400, orders_per_minute=1200, orders_per_10_seconds=300)
MICROSECONDS = 1_000_000
RATE_CODES = (-1003, -1015)
USE_TARGET = 0.95
CANCEL_SECONDS_TARGET = 0.25


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to run. `limits` are the exchange's; `budget_limits` what the budget is told, by its own windows."""

    processes: int = 16
    seconds: float = 180.0
    kill_redis_at: float | None = None
    redis_away_seconds: float = 20.0
    redis_forgets: bool = False  # it comes back with nothing; else with its file, which may lack the last second
    limits: RateLimits = LIMITS
    budget_limits: RateLimits | None = None
    shape: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Use:
    """Orders counted in windows of one length."""

    limit: int
    fixed: Sequence[int]  # of every fixed window of the exchange's clock, in order
    sliding_max: int  # the most in any window, wherever it begins

    @property
    def within(self) -> bool:
        return max(self.sliding_max, *self.fixed) <= self.limit


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the exchange's own record says of a run."""

    orders: int  # accepted for matching, so charged
    refused_for_rate: int  # in the ledger
    statuses: Counter[str]  # of every answer any process got
    outcomes: Counter[str]
    ten_seconds: Use
    minute: Use
    share_used: float  # of what the tightest limit allows over the run
    cancels_sent: Sequence[float]  # seconds from wanting to the first answer, sorted
    cancels_confirmed: Sequence[float]
    cancels_refused: int
    woken_late: Sequence[float]  # by how much a sleeping process is: the machine's own delay
    canceled_orders: int
    used_weight_max: int
    spread_seconds: Sequence[float]  # from Redis' grant to the exchange's clock, sorted
    waits: Counter[str]
    asks: int
    cpu_share: dict[str, float]
    orders_by_second: Counter[int]

    @property
    def throttled(self) -> int:
        """Answers of 429 and 418."""
        return self.statuses["429"] + self.statuses["418"]


def at(sorted_values: Sequence[float], quantile: float) -> float:
    """The value below which `quantile` of them lie; NaN without any."""
    if not sorted_values:
        return float("nan")
    return sorted_values[min(len(sorted_values) - 1, int(quantile * len(sorted_values)))]


def use_of(moments: Sequence[int], window_us: int, limit: int) -> Use:
    """Counts of sorted moments (microseconds since 1970) in fixed and sliding windows."""
    fixed = Counter(moment // window_us for moment in moments)
    sliding = max((index + 1 - bisect_left(moments, at - window_us + 1) for index, at in enumerate(moments)), default=0)
    numbers = range(min(fixed, default=0), max(fixed, default=-1) + 1)
    return Use(limit=limit, fixed=[fixed[number] for number in numbers] or [0], sliding_max=sliding)


class RestartableValkey:
    """A Valkey that can be killed and started again; with `keeps` it keeps its data as the product's does."""

    def __init__(self, home: Path, *, keeps: bool) -> None:
        self._home = home
        self._server = valkey.prepare_valkey(home, throwaway=not keeps)
        self.url = self._server.url()
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        process = spawn(
            self._server.command,
            environment=os.environ,
            log_path=self._home / "valkey.log",
            working_directory=Path("/"),
            death_signal=valkey.DEATH_SIGNAL,
        )
        wait_until(self._answers, seconds=20, what="Valkey to answer")
        return process

    def _answers(self) -> bool:
        with redis.Redis.from_url(self.url, socket_timeout=1) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(10)

    def start_again(self) -> None:
        self.process = self._start()


def markets_of(exchange: PaperExchange) -> list[dict[str, str]]:
    """For each symbol the smallest quantity worth sending and prices that cross the book, or rest well below it."""
    known = {entry["symbol"]: entry for entry in exchange.http.get("/fapi/v1/exchangeInfo").json()["symbols"]}
    markets = []
    for symbol in SYMBOLS:
        if symbol not in known:
            continue
        filters = {entry["filterType"]: entry for entry in known[symbol]["filters"]}
        tick = Decimal(filters["PRICE_FILTER"]["tickSize"])
        step = Decimal(filters["LOT_SIZE"]["stepSize"])
        book = exchange.book_ticker(symbol)
        ask, bid = Decimal(book["askPrice"]), Decimal(book["bidPrice"])
        # A tenth above the least notional: prices move while it runs.
        worth_sending = Decimal(filters["MIN_NOTIONAL"]["notional"]) * 11 / 10 / bid
        least = max(Decimal(filters["LOT_SIZE"]["minQty"]), worth_sending)
        markets.append(
            {
                "symbol": symbol,
                "quantity": str(-(-least // step) * step),
                "BUY": str(ask * (1 + COLLAR) // tick * tick),
                "SELL": str(bid * (1 - COLLAR) // tick * tick),
                "resting": str(bid * RESTING_DISCOUNT // tick * tick),
            }
        )
    return markets


@contextmanager
def fleet(plan: Plan, exchange: PaperExchange, redis_url: str, home: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """All processes, ready to begin; the last one cancels. Ended, whatever happens."""
    told = plan.budget_limits or plan.limits
    common = {
        "redis_url": redis_url,
        "exchange_url": exchange.url,
        "key": exchange.key,
        "secret": exchange.secret,
        "shape": plan.shape,
        "limits": asdict(told),
        "markets": markets_of(exchange),
        "ban_file": str(home / "rate_gate.json"),
    }
    tasks = [
        {
            **common,
            "index": index,
            "role": "entry",
            "share": str((1 - CANCEL_SHARE) / plan.processes),
            "safety_share": str((1 - CANCEL_SAFETY_SHARE) / plan.processes),
        }
        for index in range(plan.processes)
    ]
    tasks.append(
        {
            **common,
            "index": plan.processes,
            "role": "cancel",
            "share": str(CANCEL_SHARE),
            "safety_share": str(CANCEL_SAFETY_SHARE),
        }
    )
    processes: list[subprocess.Popen[str]] = []
    with (home / "fleet.log").open("w") as log_file:
        try:
            for task in tasks:
                process = subprocess.Popen(
                    [sys.executable, "-m", "bench.fleet_process"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log_file,
                    text=True,
                    cwd=REPOSITORY,
                )
                processes.append(process)
                tell(process, json.dumps(task))
            for process in processes:
                assert process.stdout is not None
                line = process.stdout.readline()
                if line != "ready\n":
                    raise RuntimeError(f"a process did not start: {line!r}\n{(home / 'fleet.log').read_text()[-3000:]}")
            yield processes
        finally:
            for process in processes:
                process.kill()
                process.wait(10)
                for pipe in (process.stdin, process.stdout):
                    assert pipe is not None
                    pipe.close()


def tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def run(plan: Plan) -> Verdict:
    """Start everything, let it run, ask the exchange."""
    with server_home("qt-fleet-") as home, tempfile.TemporaryDirectory(prefix="qt-fleet-exchange-") as folder:
        server = RestartableValkey(home, keeps=not plan.redis_forgets)
        exchange = start_paper_exchange(
            Path(folder),
            *("--wallet", "10000000"),
            *("--limit-weight", str(plan.limits.weight_per_minute)),
            *("--limit-orders-10s", str(plan.limits.orders_per_10_seconds)),
            *("--limit-orders-1m", str(plan.limits.orders_per_minute)),
        )
        try:
            with fleet(plan, exchange, server.url, home) as processes:
                observed = {
                    "exchange": psutil.Process(exchange.process.pid),
                    "valkey": psutil.Process(server.process.pid),
                }
                cpu_before = {name: sum(process.cpu_times()[:2]) for name, process in observed.items()}
                starts_at = time.time()
                ends_at = starts_at + plan.seconds
                for process in processes:
                    tell(process, f"go {ends_at}")
                if plan.kill_redis_at is not None:
                    time.sleep(plan.kill_redis_at)
                    server.kill()
                    time.sleep(plan.redis_away_seconds)
                    server.start_again()
                reports = []
                for process in processes:
                    output, _ = process.communicate(timeout=plan.seconds + 60)
                    reports.append(json.loads(output))
                cpu = {
                    name: (sum(process.cpu_times()[:2]) - cpu_before[name]) / plan.seconds
                    for name, process in observed.items()
                    if process.is_running()
                }
                cpu["clients"] = sum(report["cpu_seconds"] for report in reports) / plan.seconds
                return judge(plan, exchange.ledger(), reports, cpu, starts_at=starts_at)
        finally:
            exchange.stop()
            server.kill()


def judge(
    plan: Plan, ledger: dict[str, Any], reports: list[dict[str, Any]], cpu: dict[str, float], *, starts_at: float
) -> Verdict:
    """Every order in the ledger, by the exchange's own clock."""
    rows = [row for row in ledger["orders"] if row["origin"] == "request"]
    assert ledger["requests_dropped"] == 0
    arrived = {row["client_order_id"]: microseconds(row["received_at"]) for row in rows}
    # What was refused for another reason may have been charged before: counted for the windows, not for the share.
    charged = sorted(microseconds(row["received_at"]) for row in rows if not _refused_for_rate(row))
    accepted = sum(1 for row in rows if row["error"] is None)
    allowed = min(plan.limits.orders_per_minute / 60, plan.limits.orders_per_10_seconds / 10) * plan.seconds
    grants = [grant for report in reports for grant in report["grants"] if grant[1]]
    cancels = next(report["cancels"] for report in reports if report["cancels"] is not None)

    def total(name: str) -> Counter[str]:
        return sum((Counter(report[name]) for report in reports), Counter())

    return Verdict(
        orders=accepted,
        refused_for_rate=sum(1 for row in rows if _refused_for_rate(row)),
        statuses=total("statuses"),
        outcomes=total("outcomes"),
        ten_seconds=use_of(charged, 10 * MICROSECONDS, plan.limits.orders_per_10_seconds),
        minute=use_of(charged, 60 * MICROSECONDS, plan.limits.orders_per_minute),
        share_used=accepted / allowed,
        cancels_sent=sorted(cancels["sent"]),
        cancels_confirmed=sorted(cancels["confirmed"]),
        cancels_refused=cancels["refusals"],
        woken_late=sorted(cancels["late"]),
        canceled_orders=sum(1 for row in rows if row["status"] == "CANCELED"),
        used_weight_max=max(report["used_weight_max"] for report in reports),
        spread_seconds=sorted((arrived[name] - at_us) / MICROSECONDS for name, at_us, _ in grants if name in arrived),
        waits=total("waits"),
        asks=sum(report["asks"] for report in reports),
        cpu_share=cpu,
        orders_by_second=Counter(int(moment / MICROSECONDS - starts_at) for moment in charged),
    )


def _refused_for_rate(row: dict[str, Any]) -> bool:
    return row["error"] is not None and row["error"]["code"] in RATE_CODES


def microseconds(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return int(moment.timestamp()) * MICROSECONDS + moment.microsecond


def show(plan: Plan, verdict: Verdict) -> bool:
    """Print the figures; True when every promise was kept."""
    killed = "" if plan.kill_redis_at is None else f", Redis killed at {plan.kill_redis_at:g} s"
    killed += "" if plan.kill_redis_at is None else f", back {plan.redis_away_seconds:g} s later"
    killed += " with nothing" if plan.redis_forgets else ""
    machine = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"{plan.processes} processes, {plan.seconds:g} s{killed}; {machine}")
    p99 = at(verdict.cancels_sent, 0.99)
    promises = [
        ("answers of 429 and 418", f"{verdict.throttled}", verdict.throttled == 0 and verdict.refused_for_rate == 0),
        ("share of the order budget used", f"{verdict.share_used:.1%}", verdict.share_used >= USE_TARGET),
        ("most orders in any 10 s", _use(verdict.ten_seconds), verdict.ten_seconds.within),
        ("most orders in any minute", _use(verdict.minute), verdict.minute.within),
        ("cancel sent, p99", f"{p99 * 1000:.0f} ms", p99 <= CANCEL_SECONDS_TARGET),
    ]
    for name, figure, kept in promises:
        print(f"  {name:<32} {figure:<44} {'kept' if kept else 'MISSED'}")
    sent, confirmed = verdict.cancels_sent, verdict.cancels_confirmed
    print(f"  cancels {len(sent)}: sent {_spread(sent)}; both answers {_spread(confirmed)};")
    print(f"    told to wait {verdict.cancels_refused} times; {verdict.canceled_orders} resting orders canceled")
    print(f"    the machine wakes a sleeping process late by {_spread(verdict.woken_late)}")
    print(f"  from grant to arrival: {_spread(verdict.spread_seconds)}")
    print(f"  orders accepted {verdict.orders}; most weight in a minute {verdict.used_weight_max}")
    print(f"  fixed 10 s: {list(verdict.ten_seconds.fixed)}")
    print(f"  fixed 1 min: {list(verdict.minute.fixed)}")
    print(f"  answers {dict(verdict.statuses)}; outcomes {dict(verdict.outcomes)}")
    print(f"  asked {verdict.asks} times; told to wait: {dict(verdict.waits.most_common(12))}")
    print("  cores used: " + ", ".join(f"{name} {share:.2f}" for name, share in verdict.cpu_share.items()))
    return all(kept for _, _, kept in promises)


def _use(use: Use) -> str:
    return f"{use.sliding_max} sliding, {max(use.fixed)} fixed, of {use.limit}"


def _spread(seconds: Sequence[float]) -> str:
    named = (("p1", 0.01), ("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    return ", ".join(f"{name} {at(seconds, quantile) * 1000:.1f} ms" for name, quantile in named)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--kill-redis-at", type=float, default=None, metavar="SECOND")
    parser.add_argument("--redis-away", type=float, default=20.0, metavar="SECONDS")
    parser.add_argument("--redis-forgets", action="store_true", help="killed, it comes back with nothing")
    options = parser.parse_args()
    plan = Plan(
        processes=options.processes,
        seconds=options.seconds,
        kill_redis_at=options.kill_redis_at,
        redis_away_seconds=options.redis_away,
        redis_forgets=options.redis_forgets,
    )
    BudgetShape(**plan.shape)  # a wrong name is one line here, not one for each process
    sys.exit(0 if show(plan, run(plan)) else 1)


if __name__ == "__main__":
    main()
