"""Hear what the user stream says of a conditional order: settle ours, leave what is a stranger's."""

from __future__ import annotations

from dataclasses import dataclass

from app.ports import ConditionalReport
from app.services.settle_protection import SettleProtection


@dataclass(frozen=True, slots=True)
class HearProtectionUpdate:
    """Safe for events that come twice, late, out of order, or for orders that are not ours."""

    settle: SettleProtection

    def __call__(self, report: ConditionalReport) -> None:
        """One event; raises `DatabaseUnavailableError` when it could not be recorded (the sweep then asks)."""
        self.settle(report.client_algo_id, report)
