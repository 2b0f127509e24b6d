"""What goes wrong when: a list of faults drawn from a seed, so that a failing seed can be run again."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

WORKERS = ("worker-orders", "worker-default", "worker-critical")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong `at_seconds` after the flood began. `target` is a process, or empty."""

    at_seconds: float
    kind: str
    target: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        details = "".join(f" {name}={value}" for name, value in self.details.items())
        return f"{self.at_seconds:5.1f} s {self.kind}{' ' + self.target if self.target else ''}{details}"

    @property
    def name(self) -> str:
        """What it is counted as: one name for each thing that can go wrong, and for each process it can happen to."""
        return f"exchange: {self.details['kind']}" if self.kind == "exchange" else f"{self.kind} {self.target}".strip()


def _exchange(kind: str, **params: Any) -> Mapping[str, Any]:
    return {"kind": kind, **params}


# Faults of the exchange, each with how likely it hits a request (or an event) while it is in force.
EXCHANGE_FAULTS: Sequence[Mapping[str, Any]] = (
    _exchange("drop_reply", probability=0.4, count=4),
    _exchange("delay_reply", delay_ms=1_500, probability=0.4, count=4),
    _exchange("delay_reply", delay_ms=6_000, probability=0.3, count=2),
    # Accepted after the client gave up and asked: "not found" was no proof.
    _exchange("delay_acceptance", delay_ms=1_800, reply="timeout", probability=0.5, count=3),
    _exchange("delay_acceptance", delay_ms=2_200, reply="drop", probability=0.5, count=3),
    _exchange("http_error", status=503, text="unknown", accepted=True, probability=0.5, count=3),
    _exchange("http_error", status=503, text="unknown", accepted=False, probability=0.5, count=3),
    _exchange("http_error", status=503, text="internal", accepted=False, probability=0.5, count=3),
    _exchange("http_error", status=503, text="unavailable", accepted=False, probability=0.5, count=3),
    _exchange("http_error", status=502, text="html", accepted=True, probability=0.5, count=3),
    _exchange("http_error", status=500, text="html", accepted=False, probability=0.5, count=3),
    _exchange("timeout", accepted=True, probability=0.5, count=3),
    _exchange("timeout", accepted=False, probability=0.5, count=3),
    _exchange("throttled", probability=0.5, count=3),
    _exchange("rate_limited", retry_after_seconds=1, count=1),
    _exchange("banned", seconds=2, count=1),
    _exchange("query_lag", delay_ms=1_500),
    _exchange("partial_fill", share="0.3", probability=0.6),
    _exchange("partial_fill", share="0", probability=0.4, count=6),
    _exchange("thin_book", depth="0.05"),
    _exchange("clock_skew", offset_ms=1_400),
    _exchange("clock_skew", offset_ms=-1_400),
    _exchange("duplicate_events", probability=0.5),
    _exchange("reorder_events", probability=0.5),
    _exchange("delay_events", delay_ms=2_000, probability=0.5),
    _exchange("drop_events", probability=0.5, count=10),
    _exchange("drop_stream", count=1),
    _exchange("listen_key_expiry", count=1),
)

# kind -> how often it is drawn, relative to the others.
KINDS: Mapping[str, int] = {
    "exchange": 12,
    "kill": 4,
    "freeze": 3,
    "freeze_then_kill": 2,
    "redis_kill": 1,
    "redis_flush": 2,
    "redis_freeze": 1,
    "postgres_kill": 1,
    "postgres_restart": 1,
    "disk_full": 1,
}
PROCESSES = (*WORKERS, "beat", "listener")
# Every name that a drawn fault can have: what a report is complete by.
NAMES = frozenset(
    [
        *(f"exchange: {rule['kind']}" for rule in EXCHANGE_FAULTS),
        *(f"{kind} {process}" for kind in ("kill", "freeze") for process in PROCESSES),
        *(f"freeze_then_kill {worker}" for worker in WORKERS),
        *(kind for kind in KINDS if kind not in ("exchange", "kill", "freeze", "freeze_then_kill")),
        "trip",
    ]
)
TRIP_SHARE = 0.25  # of the seeds also trip the emergency stop
FAULTS_PER_SECOND = 0.5
QUIET_SHARE = 0.85  # of the time: the last faults still have some of the flood after them


def draw(seed: int, *, seconds: float) -> list[Fault]:
    """The faults of one seed in order of time; the same seed and length give the same list."""
    generator = random.Random(f"chaos {seed}")
    count = max(3, round(seconds * FAULTS_PER_SECOND))
    kinds = generator.choices(list(KINDS), weights=list(KINDS.values()), k=count)
    faults = [_fault(generator, kind, generator.uniform(0.5, seconds * QUIET_SHARE)) for kind in kinds]
    if generator.random() < TRIP_SHARE:
        moment = generator.uniform(seconds * 0.3, seconds * QUIET_SHARE)
        faults.append(Fault(at_seconds=round(moment, 2), kind="trip", details={"flatten": generator.random() < 0.5}))
    return sorted(faults, key=lambda fault: fault.at_seconds)


def _fault(generator: random.Random, kind: str, moment: float) -> Fault:
    at_seconds = round(moment, 2)
    if kind == "exchange":
        rule = {**generator.choice(EXCHANGE_FAULTS), "seed": generator.randrange(2**31)}
        return Fault(
            at_seconds=at_seconds,
            kind="exchange",
            details={**rule, "for_seconds": round(generator.uniform(1.0, 5.0), 2)},
        )
    if kind in ("kill", "freeze", "freeze_then_kill"):
        target = generator.choice(WORKERS if kind == "freeze_then_kill" else PROCESSES)
        details = {} if kind == "kill" else {"for_seconds": round(generator.uniform(1.0, 6.0), 2)}
        return Fault(at_seconds=at_seconds, kind=kind, target=target, details=details)
    if kind in ("redis_freeze", "disk_full"):
        return Fault(at_seconds=at_seconds, kind=kind, details={"for_seconds": round(generator.uniform(0.5, 3.0), 2)})
    return Fault(at_seconds=at_seconds, kind=kind)
