"""A channel that remembers what it was told, and refuses when it is to."""

from __future__ import annotations

from app.domain.alerts import Alert
from app.ports import AlertNotDeliveredError


class FakeChannel:
    """`app.ports.AlertChannel`. `failures`: how many deliveries fail before the next one works."""

    def __init__(self, name: str = "fake", *, failures: int = 0) -> None:
        self._name = name
        self.failures = failures
        self.delivered: list[Alert] = []

    @property
    def name(self) -> str:
        return self._name

    def deliver(self, alert: Alert) -> None:
        if self.failures > 0:
            self.failures -= 1
            raise AlertNotDeliveredError(f"{self._name} is away")
        self.delivered.append(alert)
