"""The four routes of the health service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from app.bootstrap import System
from app.health import checks
from app.health.checks import Check, Examination, Status, heartbeat_check
from app.health.metrics import SystemCollector

PROCESSES = ("worker-critical", "worker-orders", "worker-default", "beat", "listener")


def create_app(system: System) -> Flask:
    """`/live`, `/ready`, `/health`, `/metrics`; every answer comes within a few seconds, whatever is down."""
    app = Flask(__name__, static_folder=None)
    examine = Examination(system, checks_of(system))
    registry = CollectorRegistry()
    registry.register(SystemCollector(system, examine))

    @app.get("/live")
    def live() -> Mapping[str, Any]:
        return {"live": True}

    @app.get("/ready")
    def ready() -> tuple[Mapping[str, Any], int]:
        reasons = [
            {"component": finding.component, "cause": finding.cause}
            for finding in examine()
            if finding.status is Status.CRITICAL
        ]
        return {"ready": not reasons, "reasons": reasons}, 503 if reasons else 200

    @app.get("/health")
    def health() -> Mapping[str, Any]:
        findings = examine()
        order = [Status.OK, Status.DEGRADED, Status.CRITICAL]
        worst = max((finding.status for finding in findings), key=order.index)
        return {
            "status": worst.value,
            "at": system.clock.now().isoformat(),
            "components": [finding.as_json() for finding in findings],
        }

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return app


def checks_of(system: System) -> Mapping[str, Check]:
    """Every check by component."""
    run = system.settings.state_dir / "run"
    return {
        "postgres": checks.check_postgres,
        "redis": checks.check_redis,
        "exchange": checks.check_exchange,
        "emergency_stop": checks.check_emergency_stop,
        "policy": checks.check_policy,
        "event_buffer": checks.check_event_buffer,
        "signal_spool": checks.check_signal_spool,
        "market_data": checks.check_market_data,
        "unresolved_attempts": checks.check_unresolved_attempts,
        **{name: heartbeat_check(name, run / f"{name}.ready") for name in PROCESSES},
    }
