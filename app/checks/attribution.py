"""Which failure explains which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.health import Finding, Status

# What hangs on a server needs a moment to find it again; until then its silence is that server's doing.
RECOVERY = timedelta(seconds=10)


class Attribution:
    """Names, for each failure, the failure behind it. `depends_on` is component -> what it cannot work without."""

    def __init__(self, depends_on: Mapping[str, Sequence[str]]) -> None:
        self._depends_on = depends_on
        self._failed_at: dict[str, datetime] = {}

    def __call__(self, findings: Sequence[Finding], *, now: datetime) -> list[Finding]:
        """The findings, those that another one explains marked with it."""
        for finding in findings:
            if finding.status is Status.CRITICAL:
                self._failed_at[finding.component] = now
        return [self._explained(finding, now) for finding in findings]

    def _explained(self, finding: Finding, now: datetime) -> Finding:
        if finding.status is Status.OK:
            return finding
        for root in self._depends_on.get(finding.component, ()):
            failed_at = self._failed_at.get(root)
            if failed_at is not None and now - failed_at <= RECOVERY:
                return replace(finding, because_of=root)
        return finding
