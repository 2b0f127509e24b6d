"""Facts about processes and budget as the dashboard tells them, from adapters that only bootstrap knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.adapters.processes.records import read_record
from app.adapters.redis.client import RedisUnavailableError
from app.adapters.redis.rate_budget import RedisRateBudget
from app.settings import Settings

RECORD_FILE = "run/system.json"


def local_host(settings: Settings) -> str:
    """Where this machine's own services are reached: what is bound to everything is on loopback too."""
    host = settings.bind_host
    if host in ("0.0.0.0", "::"):
        return "127.0.0.1" if host == "0.0.0.0" else "[::1]"
    return f"[{host}]" if ":" in host else host


def told_processes(state_dir: Path) -> Mapping[str, Any] | str:
    """What the supervisor of this machine last noted of its processes."""
    record = read_record(state_dir / RECORD_FILE)
    if record is None:
        return "no supervisor noted anything on this machine"
    if not record.is_running:
        return "the supervisor of this machine has ended"
    return {
        "ready": record.ready,
        "items": [
            {
                "name": each.name,
                "state": each.state.value,
                "pid": each.pid,
                "restarts": each.restarts,
                "reason": each.detail or None,
            }
            for each in record.processes
        ],
    }


def told_budget(budget: RedisRateBudget) -> Mapping[str, Any] | str:
    """How much of the exchange's limits is used, and whether the gate is closed."""
    try:
        status = budget.status()
    except RedisUnavailableError:
        return "Redis does not answer; each process keeps to its share"
    return {
        "used": asdict(status.used),
        "limits": asdict(status.limits),
        "closed_seconds": status.closed_seconds,
        "orders_closed_seconds": status.orders_closed_seconds,
        "recovering": status.recovering,
    }
