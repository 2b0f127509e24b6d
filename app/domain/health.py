"""What health knows of a component, and how sure it must be before it says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

# A state is told once it has lasted this long: one slow answer on a busy machine is not an illness.
CONFIRM = timedelta(seconds=1)


class Status(StrEnum):
    """How a component is; CRITICAL makes the system not ready."""

    OK = "OK"
    DEGRADED = "DEGRADED"
    CRITICAL = "CRITICAL"

    @property
    def severity(self) -> int:
        """0 (OK) to 2."""
        return list(Status).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check found. `age_seconds` is how old the fact behind it is, None when it was asked just now.

    `because_of` names the component whose failure explains this one; it is told, but raises no alert of its own.
    """

    component: str
    status: Status
    cause: str | None = None
    latency_ms: float | None = None
    age_seconds: float | None = None
    because_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """One component's told state, and what it looks like lately."""

    told: Finding
    differs_since: datetime | None = None

    def next(self, seen: Finding, *, now: datetime) -> Confirmation:
        """The state after seeing `seen`: another status counts once it has been seen for `CONFIRM`."""
        if seen.status is self.told.status:
            return Confirmation(told=seen)
        since = self.differs_since or now
        if now - since >= CONFIRM:
            return Confirmation(told=seen)
        # Not sure yet: the old state, and how it was measured, stand.
        return Confirmation(told=self.told, differs_since=since)


def worst(findings: Sequence[Finding]) -> Status:
    """The status of the whole; OK for nothing."""
    return max((finding.status for finding in findings), key=lambda status: status.severity, default=Status.OK)
