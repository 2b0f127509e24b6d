"""Alerts in Postgres: one row an alert, the newest revision wins in whatever order they arrive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from app.adapters.postgres.cursors import limit_of, page_of, sequence_before
from app.adapters.postgres.json_values import rfc3339
from app.adapters.postgres.tables import ALERT_IS_OPEN, alerts
from app.adapters.postgres.transaction import Row, Transaction
from app.domain.alerts import Alert, AlertChange
from app.domain.health import Status
from app.ports import AlertRepository, Page

OPEN_ALERTS_MAX = 1_000
_FIELDS = (
    "alert_id", "component", "status", "cause", "raised_at", "changed_at", "cleared_at", "revision", "occurrences",
    "last_change", "delivered",
)  # fmt: skip


def _save() -> sa.Executable:
    insert = pg.insert(alerts).values({name: sa.bindparam(name, type_=alerts.c[name].type) for name in _FIELDS})
    newer = {name: insert.excluded[name] for name in _FIELDS if name not in ("alert_id", "raised_at", "delivered")}
    return insert.on_conflict_do_update(
        index_elements=["alert_id"],
        set_={**newer, "delivered": alerts.c.delivered.op("||")(insert.excluded.delivered)},
        where=insert.excluded.revision >= alerts.c.revision,
    )


_SAVE = _save()
_OPEN = sa.select(alerts).where(ALERT_IS_OPEN).order_by(alerts.c.sequence).limit(OPEN_ALERTS_MAX)
_PAGE = (
    sa.select(alerts)
    .where(alerts.c.sequence < sa.bindparam("sequence_before", type_=sa.BigInteger))
    .order_by(alerts.c.sequence.desc())
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_OPEN_PAGE = _PAGE.where(ALERT_IS_OPEN)


class PostgresAlerts(AlertRepository):
    """`app.ports.AlertRepository` on one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def save(self, alert: Alert) -> None:
        """Insert or replace; an older revision than the stored one changes nothing."""
        values: dict[str, Any] = {name: getattr(alert, name) for name in _FIELDS}
        values |= {
            "status": alert.status.value,
            "last_change": alert.last_change.value,
            "delivered": dict(alert.delivered),
        }
        self._transaction.run(_SAVE, values)

    def open(self) -> Sequence[Alert]:
        """Not cleared, oldest first."""
        return [_alert(row) for row in self._transaction.rows(_OPEN)]

    def page(self, *, only_open: bool, after: str | None, limit: int) -> Page:
        """Newest first."""
        parameters = {"sequence_before": sequence_before(after), "limit": limit_of(limit)}
        rows = self._transaction.rows(_OPEN_PAGE if only_open else _PAGE, parameters)
        return page_of(
            rows, limit=limit, sequence=lambda row: int(row.sequence), item=lambda row: alert_item(_alert(row))
        )


def alert_item(alert: Alert) -> Mapping[str, Any]:
    """An alert as people read it."""
    return {
        "alert_id": alert.alert_id,
        "component": alert.component,
        "status": alert.status.value,
        "cause": alert.cause,
        "open": alert.is_open,
        "raised_at": rfc3339(alert.raised_at),
        "changed_at": rfc3339(alert.changed_at),
        "cleared_at": None if alert.cleared_at is None else rfc3339(alert.cleared_at),
        "last_change": alert.last_change.value,
        "occurrences": alert.occurrences,
        "revision": alert.revision,
        "delivered": dict(alert.delivered),
    }


def _alert(row: Row) -> Alert:
    values = {name: getattr(row, name) for name in _FIELDS}
    return Alert(**values | {"status": Status(row.status), "last_change": AlertChange(row.last_change)})
