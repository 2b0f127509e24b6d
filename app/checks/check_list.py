"""Every check by component, and what each component cannot work without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.checks import components as checks
from app.checks.components import Check
from app.checks.exchange import ExchangeCheck, check_rate_budget
from app.checks.progress import check_beat, check_listener, check_policy_age, queue_check, worker_check
from app.flow import Queue

_SERVERS = ("redis", "postgres")


def all_checks() -> Mapping[str, Check]:
    """In order of display: servers first, then who works with them, then what comes of it."""
    return {
        "postgres": checks.check_postgres,
        "redis": checks.check_redis,
        "broker": checks.check_broker,
        "exchange": ExchangeCheck(),
        "rate_budget": check_rate_budget,
        "disk": checks.disk_check(checks.free_bytes),
        **{f"worker-{queue.value}": worker_check(queue) for queue in Queue},
        **{f"queue-{queue.value}": queue_check(queue) for queue in Queue},
        "beat": check_beat,
        "listener": check_listener,
        "market_data": checks.check_market_data,
        "event_bus": checks.check_event_bus,
        "event_buffer": checks.check_event_buffer,
        "signal_spool": checks.check_signal_spool,
        "policy": checks.check_policy,
        "policy_age": check_policy_age,
        "emergency_stop": checks.check_emergency_stop,
        "strategies": checks.check_strategies,
        "unresolved_attempts": checks.check_unresolved_attempts,
        "ledger": checks.check_ledger,
    }


DEPENDS_ON: Mapping[str, Sequence[str]] = {
    "rate_budget": ("redis",),
    **{f"worker-{queue.value}": (*_SERVERS, "broker", "beat") for queue in Queue},
    **{f"queue-{queue.value}": ("redis", "broker", f"worker-{queue.value}", *_SERVERS[1:]) for queue in Queue},
    "beat": ("redis", "broker"),
    "listener": (*_SERVERS, "exchange"),
    "market_data": ("redis", "listener", "exchange"),
    "event_bus": ("redis",),
    "event_buffer": ("redis",),
    "signal_spool": ("postgres",),
    "policy": ("postgres",),
    "policy_age": (*_SERVERS, "broker", "beat", "worker-critical"),
    "emergency_stop": ("postgres",),
    "strategies": ("postgres",),
    "unresolved_attempts": ("postgres",),
    "ledger": (*_SERVERS, "broker", "exchange", "beat", "worker-default"),
}
