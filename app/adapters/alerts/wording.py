"""An alert in a person's words."""

from __future__ import annotations

from app.domain.alerts import Alert, AlertChange


def headline(alert: Alert) -> str:
    """One line: what happened to which component, and why."""
    if alert.last_change is AlertChange.CLEARED:
        return f"cleared: {alert.component} is well again (was {alert.status.value}: {alert.cause})"
    return f"{alert.last_change.value.lower()}: {alert.component} is {alert.status.value}: {alert.cause}"


def details(alert: Alert) -> str:
    """The headline and what belongs to it, line by line."""
    lines = [
        headline(alert),
        "",
        f"component    {alert.component}",
        f"status       {alert.status.value if alert.is_open else 'OK'}",
        f"cause        {alert.cause}",
        f"raised at    {alert.raised_at.isoformat()}",
        f"changed at   {alert.changed_at.isoformat()}",
        f"occurrences  {alert.occurrences}",
        f"alert        {alert.alert_id} (revision {alert.revision})",
        "",
        f"What to do: docs/runbook.md, section `{alert.component}`.",
    ]
    return "\n".join(lines) + "\n"
