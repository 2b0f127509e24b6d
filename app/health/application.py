"""The routes of the health service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from flask import Flask, Response
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from app.bootstrap import System
from app.checks.check_list import DEPENDS_ON
from app.checks.components import Check
from app.domain.health import Finding, Status, worst
from app.health.alarm import Alarm
from app.health.metrics import metrics_registry
from app.health.watch import Watch

log = structlog.get_logger(__name__)


class HealthService:
    """The watch and the alarm of one process."""

    def __init__(self, system: System, checks: Mapping[str, Check]) -> None:
        self.system = system
        self._components = list(checks)
        self.alarm = Alarm(system)
        self.watch = Watch(system, checks, DEPENDS_ON, on_findings=self.alarm.follow)

    def start(self) -> None:
        self.alarm.start()
        self.watch.start()
        # While nothing is wrong it has nothing else to say: this line tells from when on silence is good news.
        log.info("health_watches", components=self._components)

    def stop(self) -> None:
        self.watch.stop()
        self.alarm.stop()

    def findings(self) -> list[Finding]:
        """Every component, the delivery of alerts among them."""
        return [*self.watch.findings(), self.alarm.delivery_finding()]


def create_app(service: HealthService) -> Flask:
    """`/live`, `/ready`, `/health`, `/metrics`; the first three answer at once, whatever is down."""
    app = Flask(__name__, static_folder=None)
    registry = metrics_registry(service.system, service.findings, service.alarm.open_alerts)

    @app.get("/live")
    def live() -> Mapping[str, Any]:
        return {"live": True}

    @app.get("/ready")
    def ready() -> tuple[Mapping[str, Any], int]:
        reasons = [
            {"component": each.component, "cause": each.cause, "because_of": each.because_of}
            for each in service.findings()
            if each.status is Status.CRITICAL
        ]
        return {"ready": not reasons, "reasons": reasons}, 503 if reasons else 200

    @app.get("/health")
    def health() -> Mapping[str, Any]:
        findings = service.findings()
        return {
            "status": worst(findings).value,
            "at": service.system.clock.now().isoformat(),
            "components": [_as_json(finding) for finding in findings],
            "alerts": [
                {
                    "alert_id": alert.alert_id,
                    "component": alert.component,
                    "status": alert.status.value,
                    "cause": alert.cause,
                    "raised_at": alert.raised_at.isoformat(),
                }
                for alert in service.alarm.open_alerts()
            ],
        }

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return app


def _as_json(finding: Finding) -> Mapping[str, Any]:
    return {
        "component": finding.component,
        "status": finding.status.value,
        "cause": finding.cause,
        "because_of": finding.because_of,
        "latency_ms": None if finding.latency_ms is None else round(finding.latency_ms, 2),
        "age_seconds": None if finding.age_seconds is None else round(finding.age_seconds, 3),
    }
