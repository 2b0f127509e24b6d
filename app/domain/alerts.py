"""Alerts: one trouble of one component, from its first sight to its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from app.domain.health import Status

CLEAR_AFTER = timedelta(seconds=2)  # doubled with every recurrence
CLEAR_AFTER_MAX = timedelta(minutes=5)


class AlertChange(StrEnum):
    """What happened to an alert."""

    RAISED = "RAISED"
    REOPENED = "REOPENED"  # the same trouble again, soon after it had cleared
    ESCALATED = "ESCALATED"
    EASED = "EASED"  # from CRITICAL to DEGRADED
    CLEARED = "CLEARED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One trouble of one component, from its first sight to its end. `revision` grows with every change.

    `delivered` is, by channel, the newest revision that was delivered.
    """

    alert_id: str
    component: str
    status: Status  # the worst it is now; never OK
    cause: str
    raised_at: datetime
    changed_at: datetime
    cleared_at: datetime | None = None
    revision: int = 1
    occurrences: int = 1
    last_change: AlertChange = AlertChange.RAISED
    delivered: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether the trouble goes on."""
        return self.cleared_at is None

    @property
    def clear_after(self) -> timedelta:
        """How long all must be well before it counts as over: the longer, the more often it came back."""
        doubled: timedelta = CLEAR_AFTER * 2 ** (min(self.occurrences, 16) - 1)
        return min(doubled, CLEAR_AFTER_MAX)


def changed(alert: Alert, change: AlertChange, *, now: datetime) -> Alert:
    """The next revision of `alert`."""
    return replace(alert, revision=alert.revision + 1, changed_at=now, last_change=change)
