"""Which alerts follow from findings: raised when one lasts, cleared when it is over, reopened when it flaps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.alerts import Alert, AlertChange, changed
from app.domain.health import Finding, Status

RAISE_AFTER = timedelta(seconds=1)  # on top of what confirms a finding
REOPEN_WITHIN = timedelta(minutes=10)
CAUSE_CHARACTERS_MAX = 500


@dataclass(slots=True)
class _Watch:
    """What is known of one component."""

    alert: Alert | None = None
    bad_since: datetime | None = None
    worse_since: datetime | None = None
    good_since: datetime | None = None


class AlertBook:
    """The alerts of every component; not thread-safe. `new_id` names a new alert.

    A failure that another component explains is left to that component's alert. `quiet_until` is for the start, when
    nothing has had time to work: until then only what has worked before is alarming.
    """

    def __init__(self, *, new_id: Callable[[], str], quiet_until: datetime) -> None:
        self._new_id = new_id
        self._quiet_until = quiet_until
        self._watches: dict[str, _Watch] = {}
        self._has_worked: set[str] = set()

    def adopt(self, alerts: Sequence[Alert], *, now: datetime) -> list[Alert]:
        """Open alerts of an earlier process are carried on, not raised again; those whose component has a newer alert
        by now are answered cleared."""
        superseded = []
        for alert in alerts:
            watch = self._watches.setdefault(alert.component, _Watch())
            if watch.alert is None:
                watch.alert = alert
            elif watch.alert.alert_id != alert.alert_id:
                superseded.append(replace(changed(alert, AlertChange.CLEARED, now=now), cleared_at=now))
        return superseded

    def follow(self, findings: Sequence[Finding], *, now: datetime) -> list[Alert]:
        """The alerts that these findings change, as they are now. What is not looked at any more is over."""
        followed = [self._follow(finding, now) for finding in findings]
        for component in self._watches.keys() - {finding.component for finding in findings}:
            watch = self._watches.pop(component)
            if watch.alert is not None and watch.alert.is_open:
                followed.append(replace(changed(watch.alert, AlertChange.CLEARED, now=now), cleared_at=now))
        return [alert for alert in followed if alert is not None]

    def open_alerts(self) -> list[Alert]:
        """Those not cleared, oldest first."""
        alerts = [watch.alert for watch in self._watches.values() if watch.alert is not None and watch.alert.is_open]
        return sorted(alerts, key=lambda alert: alert.raised_at)

    def _follow(self, finding: Finding, now: datetime) -> Alert | None:
        watch = self._watches.setdefault(finding.component, _Watch())
        if finding.status is Status.OK:
            self._has_worked.add(finding.component)
            return self._good(watch, now)
        watch.good_since = None
        if watch.alert is not None and watch.alert.is_open:
            return self._still_bad(watch, watch.alert, finding, now)
        if finding.because_of is not None or self._is_quiet(finding, now):
            watch.bad_since = None
            return None
        watch.bad_since = watch.bad_since or now
        return self._begin(watch, finding, now) if now - watch.bad_since >= RAISE_AFTER else None

    def _is_quiet(self, finding: Finding, now: datetime) -> bool:
        return now < self._quiet_until and finding.component not in self._has_worked

    def _begin(self, watch: _Watch, finding: Finding, now: datetime) -> Alert:
        before = watch.alert
        watch.bad_since = watch.worse_since = None
        cause = (finding.cause or "no cause given")[:CAUSE_CHARACTERS_MAX]
        if before is not None and before.cleared_at is not None and now - before.cleared_at <= REOPEN_WITHIN:
            alert = replace(
                changed(before, AlertChange.REOPENED, now=now),
                status=finding.status,
                cause=cause,
                cleared_at=None,
                occurrences=before.occurrences + 1,
            )
        else:
            alert = Alert(
                alert_id=self._new_id(),
                component=finding.component,
                status=finding.status,
                cause=cause,
                raised_at=now,
                changed_at=now,
            )
        watch.alert = alert
        return alert

    def _still_bad(self, watch: _Watch, alert: Alert, finding: Finding, now: datetime) -> Alert | None:
        if finding.status is alert.status:
            watch.worse_since = None
            return None
        watch.worse_since = watch.worse_since or now
        if now - watch.worse_since < RAISE_AFTER:
            return None
        watch.worse_since = None
        change = AlertChange.ESCALATED if finding.status is Status.CRITICAL else AlertChange.EASED
        cause = (finding.cause or alert.cause)[:CAUSE_CHARACTERS_MAX]
        watch.alert = replace(changed(alert, change, now=now), status=finding.status, cause=cause)
        return watch.alert

    def _good(self, watch: _Watch, now: datetime) -> Alert | None:
        watch.bad_since = watch.worse_since = None
        alert = watch.alert
        if alert is None or not alert.is_open:
            return None
        watch.good_since = watch.good_since or now
        if now - watch.good_since < alert.clear_after:
            return None
        watch.good_since = None
        watch.alert = replace(changed(alert, AlertChange.CLEARED, now=now), cleared_at=now)
        return watch.alert
