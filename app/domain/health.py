"""What health knows of a component, how sure it must be before it says so, and which failure explains which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

# A state is told once it has lasted this long: one slow answer on a busy machine is not an illness.
CONFIRM = timedelta(seconds=1)
# What hangs on a server needs a moment to find it again; until then its silence is that server's doing.
RECOVERY = timedelta(seconds=10)


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


@dataclass(frozen=True, slots=True)
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


@dataclass(slots=True)
class Attribution:
    """Names, for each failure, the failure behind it. `depends_on` is component -> what it cannot work without."""

    depends_on: Mapping[str, Sequence[str]]
    _failed_at: dict[str, datetime] = field(default_factory=dict)

    def __call__(self, findings: Sequence[Finding], *, now: datetime) -> list[Finding]:
        """The findings, those that another one explains marked with it."""
        for finding in findings:
            if finding.status is Status.CRITICAL:
                self._failed_at[finding.component] = now
        return [self._explained(finding, now) for finding in findings]

    def _explained(self, finding: Finding, now: datetime) -> Finding:
        if finding.status is Status.OK:
            return finding
        for root in self.depends_on.get(finding.component, ()):
            failed_at = self._failed_at.get(root)
            if failed_at is not None and now - failed_at <= RECOVERY:
                return replace(finding, because_of=root)
        return finding


def worst(findings: Sequence[Finding]) -> Status:
    """The status of the whole; OK for nothing."""
    return max((finding.status for finding in findings), key=lambda status: status.severity, default=Status.OK)
