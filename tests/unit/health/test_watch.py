"""The watch answers whatever its checks do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from app.adapters.system_clock import SystemClock
from app.domain import alerts, health
from app.domain.health import Finding, Status
from app.health import alert_book
from app.health import watch as watching
from app.health.application import HealthService, create_app
from app.health.watch import Watch
from tests.fakes.alerts import FakeChannel
from tests.support.waiting import wait_until

PERIOD = 0.02


class Patient:
    """A component whose state the test sets; `hangs` while the event is clear."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.status = Status.OK
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.raises: Exception | None = None

    def __call__(self, _system: Any) -> Finding:
        self.goes_on.wait(20)
        if self.raises is not None:
            raise self.raises
        return Finding(component=self.name, status=self.status, cause=None if self.status is Status.OK else "ill")


@pytest.fixture
def patients(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Patient]]:
    """Two components, looked at often."""
    monkeypatch.setattr(watching, "PERIOD_SECONDS", PERIOD)
    monkeypatch.setattr(watching, "TICK_SECONDS", PERIOD)
    monkeypatch.setattr(watching, "DEADLINE_SECONDS", 1.0)
    monkeypatch.setattr(health, "CONFIRM", timedelta(seconds=0.4))
    monkeypatch.setattr(alert_book, "RAISE_AFTER", timedelta(seconds=0.2))
    monkeypatch.setattr(alerts, "CLEAR_AFTER", timedelta(seconds=0.2))
    made = {name: Patient(name) for name in ("postgres", "signal_spool")}
    yield made
    for patient in made.values():
        patient.goes_on.set()


@pytest.fixture
def watch(patients: dict[str, Patient]) -> Iterator[Watch]:
    system: Any = SimpleNamespace(clock=SystemClock())
    watch = Watch(system, patients, {"signal_spool": ("postgres",)})
    watch.start()
    yield watch
    watch.stop()


def states(watch: Watch) -> dict[str, Status]:
    return {finding.component: finding.status for finding in watch.findings()}


def seconds_until(condition: Callable[[], bool]) -> float:
    began = time.monotonic()
    wait_until(condition, seconds=5, what="the state to be told")
    return time.monotonic() - began


WELL = {"postgres": Status.OK, "signal_spool": Status.OK}


def test_a_check_that_hangs_is_told_critical_and_back_and_holds_up_no_other(
    watch: Watch, patients: dict[str, Patient]
) -> None:
    wait_until(lambda: states(watch) == WELL, seconds=5, what="all to be well")
    patients["postgres"].goes_on.clear()
    assert seconds_until(lambda: states(watch)["postgres"] is Status.CRITICAL) < 5
    assert states(watch)["signal_spool"] is Status.OK
    patients["postgres"].goes_on.set()
    assert seconds_until(lambda: states(watch) == WELL) < 5


def test_a_check_that_fails_is_a_finding(watch: Watch, patients: dict[str, Patient]) -> None:
    wait_until(lambda: states(watch) == WELL, seconds=5, what="all to be well")
    patients["postgres"].raises = RuntimeError("a bug")
    wait_until(lambda: states(watch)["postgres"] is Status.CRITICAL, seconds=5, what="the failure to be told")
    (finding, _) = watch.findings()
    assert finding.cause == "the check failed: RuntimeError: a bug"


def test_one_bad_look_is_not_told(watch: Watch, patients: dict[str, Patient]) -> None:
    wait_until(lambda: states(watch) == WELL, seconds=5, what="all to be well")
    patients["postgres"].status = Status.CRITICAL
    time.sleep(0.1)
    patients["postgres"].status = Status.OK
    assert states(watch) == WELL
    time.sleep(0.5)
    assert states(watch) == WELL


def test_a_watch_that_has_not_begun_or_stands_still_is_critical_itself(patients: dict[str, Patient]) -> None:
    now = [0.0]
    system: Any = SimpleNamespace(clock=SystemClock())
    watch = Watch(system, patients, {}, monotonic=lambda: now[0])
    assert [each.component for each in watch.findings()] == ["health"]
    watch.tick()
    assert [each.component for each in watch.findings()] == list(patients)
    now[0] += 3.5
    first, *_ = watch.findings()
    assert (first.component, first.cause) == ("health", "nothing was looked at for 3.5 s")


class Keeping:
    """Takes alerts as `KeepAlerts` does."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def __call__(self, alert: Any) -> None:
        self.kept.append(alert)

    def note_delivery(self, alert: Any) -> None:
        self.kept.append(alert)

    def catch_up(self) -> bool:
        return True

    def open_alerts(self) -> list[Any]:
        return []


def test_the_service_tells_the_cause_raises_one_alert_for_it_and_clears_it(patients: dict[str, Patient]) -> None:
    keeping, channel = Keeping(), FakeChannel()
    system: Any = SimpleNamespace(
        clock=SystemClock(),
        keep_alerts=keeping,
        alert_channels=[channel],
        settings=SimpleNamespace(metrics_dir=None),
    )
    service = HealthService(system, patients)
    service.start()
    client = create_app(service).test_client()
    try:
        wait_until(lambda: client.get("/ready").status_code == 200, seconds=5, what="ready")
        for patient in patients.values():
            patient.status = Status.CRITICAL
        wait_until(lambda: channel.delivered, seconds=8, what="an alert")
        answer = client.get("/ready")
        assert answer.status_code == 503
        assert {each["component"]: each["because_of"] for each in answer.json["reasons"]} == {
            "postgres": None,
            "signal_spool": "postgres",
        }
        assert [alert["component"] for alert in client.get("/health").json["alerts"]] == ["postgres"]
        for patient in patients.values():
            patient.status = Status.OK
        wait_until(lambda: len(channel.delivered) == 2, seconds=8, what="the end of the alert")
        assert client.get("/ready").status_code == 200
        assert [each.last_change for each in channel.delivered] == ["RAISED", "CLEARED"]
        assert {each.component for each in keeping.kept} == {"postgres"}
    finally:
        service.stop()
