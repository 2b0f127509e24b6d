"""Turns findings into alerts, keeps their history and has them delivered, without ever holding up the watch."""

from __future__ import annotations

import queue
import threading
import uuid
from collections.abc import Sequence
from datetime import timedelta

import structlog

from app.adapters.alerts.courier import AlertCourier
from app.bootstrap import System
from app.domain.alerts import Alert, AlertChange
from app.domain.health import Finding, Status
from app.health.alert_book import AlertBook
from app.ports import DatabaseUnavailableError

log = structlog.get_logger(__name__)

QUIET_SECONDS_AT_START = 30.0
CHANGES_WAITING_MAX = 10_000
PAUSE_SECONDS = 0.5
STOP_SECONDS_MAX = 2.0
# Nobody is called because something became less bad.
NOT_DELIVERED = frozenset({AlertChange.EASED})


class Alarm:
    """`follow` is called with every round of findings; a thread of its own does what may take time."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._clock = system.clock
        self._lock = threading.Lock()
        self._book = AlertBook(
            new_id=lambda: uuid.uuid4().hex,
            quiet_until=self._clock.now() + timedelta(seconds=QUIET_SECONDS_AT_START),
        )
        self._changes: queue.Queue[Alert] = queue.Queue(maxsize=CHANGES_WAITING_MAX)
        self._courier = AlertCourier(system.alert_channels, on_delivered=system.keep_alerts.note_delivery)
        self._adopted = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alarm", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._courier.stop()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS_MAX)

    def follow(self, findings: Sequence[Finding]) -> None:
        """Raise, escalate, clear; returns at once."""
        now = self._clock.now()
        with self._lock:
            changed = self._book.follow([*findings, self.delivery_finding()], now=now)
        for alert in changed:
            self._put(alert)

    def open_alerts(self) -> Sequence[Alert]:
        """As known here, whether Postgres answers or not."""
        with self._lock:
            return self._book.open_alerts()

    def delivery_finding(self) -> Finding:
        """Do the channels take what they are given?"""
        failing = {name: status for name, status in self._courier.status().items() if status.error is not None}
        if not failing:
            return Finding(component="alert_delivery", status=Status.OK)
        cause = "; ".join(f"{name}: {status.error} ({status.waiting} wait)" for name, status in failing.items())
        return Finding(component="alert_delivery", status=Status.DEGRADED, cause=cause)

    def _put(self, alert: Alert) -> None:
        log.warning(
            "health_alert",
            component=alert.component,
            change=alert.last_change.value,
            status=alert.status.value,
            cause=alert.cause,
            alert_id=alert.alert_id,
        )
        try:
            self._changes.put_nowait(alert)
        except queue.Full:
            log.error("alert_not_kept", alert_id=alert.alert_id, why="too many changes wait")  # noqa: TRY400

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._step()
            except Exception:  # an alarm that died of one alert would raise no other
                log.exception("alarm_failed")

    def _step(self) -> None:
        try:
            alert = self._changes.get(timeout=PAUSE_SECONDS)
        except queue.Empty:
            if self._system.keep_alerts.catch_up() and not self._adopted:
                self._adopt()
            return
        # Told to people first: the history may have to wait for a server that hangs.
        if alert.last_change not in NOT_DELIVERED:
            self._courier.send(alert)
        self._system.keep_alerts(alert)

    def _adopt(self) -> None:
        """Carry on what an earlier process left open, and deliver of it what was not."""
        try:
            alerts = self._system.keep_alerts.open_alerts()
        except DatabaseUnavailableError:
            return
        with self._lock:
            mine = {alert.alert_id for alert in self._book.open_alerts()}
            superseded = self._book.adopt(alerts, now=self._clock.now())
        self._adopted = True
        for alert in alerts:
            if alert.alert_id not in mine and alert.last_change not in NOT_DELIVERED:
                self._courier.send(alert)
        for alert in superseded:
            self._put(alert)
