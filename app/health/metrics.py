"""What Prometheus scrapes: the counters of all processes of this machine, and what is read at scrape time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from app.adapters.metrics.shared_folder import folders, is_alive
from app.adapters.redis.client import RedisUnavailableError
from app.bootstrap import System
from app.domain.alerts import Alert
from app.domain.ess import EssState
from app.domain.health import Finding, Status
from app.ports import (
    BufferUnavailableError,
    DatabaseUnavailableError,
    DurableBuffer,
    ProgressUnavailableError,
    WindowUnavailableError,
)

MULTIPROCESS_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
OPEN_ATTEMPTS_COUNTED_MAX = 1_000


def metrics_registry(
    system: System, findings: Callable[[], Sequence[Finding]], alerts: Callable[[], Sequence[Alert]]
) -> CollectorRegistry:
    """Everything that one scrape answers."""
    registry = CollectorRegistry()
    registry.register(SystemCollector(system, findings, alerts))
    directory = os.environ.get(MULTIPROCESS_DIRECTORY)
    if system.settings.metrics_dir is not None:
        registry.register(SharedFoldersCollector(system.settings.metrics_dir))
    elif directory is not None:
        registry.register(LiveProcessesCollector(Path(directory)))
    else:
        registry.register(REGISTRY)  # there is only this process to tell of
    return registry


class LiveProcessesCollector(MultiProcessCollector):
    """Adds up the files of all processes. Counters of those that ended stay; their gauges do not."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        super().__init__(None, path=str(directory))  # type: ignore[no-untyped-call]

    def collect(self) -> Iterable[Metric]:
        for path in self._directory.glob("gauge_live*_*.db"):
            pid = path.stem.rsplit("_", 1)[1]
            if pid.isdigit() and not Path("/proc", pid).exists():
                path.unlink(missing_ok=True)
        collected: Iterable[Metric] = super().collect()  # type: ignore[no-untyped-call]
        return collected


class SharedFoldersCollector(Collector):
    """The same over the folders of many containers; whose process ended counts on, and has no gauges any more."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def collect(self) -> Iterable[Metric]:
        files: list[str] = []
        for folder in folders(self._root):
            alive = is_alive(folder)
            files += [str(path) for path in folder.glob("*.db") if alive or not path.name.startswith("gauge_live")]
        merged: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        return merged

    def describe(self) -> Iterable[Metric]:
        """Nothing is collected to be registered."""
        return ()


class SystemCollector(Collector):
    """Collects from the system itself; what cannot be read is absent, never a made-up zero."""

    def __init__(
        self,
        system: System,
        findings: Callable[[], Sequence[Finding]],
        alerts: Callable[[], Sequence[Alert]],
    ) -> None:
        self._system = system
        self._findings = findings
        self._alerts = alerts

    def collect(self) -> Iterable[Metric]:
        """All metrics of one scrape. What hangs on a server that is known to be away is not asked."""
        findings = {finding.component: finding for finding in self._findings()}
        yield from self._components(findings.values())
        yield from self._buffers()
        if _answers(findings.get("redis")):
            yield from self._window()
            yield from self._queues()
            yield from self._budget()
        if _answers(findings.get("postgres")):
            yield from self._database()

    def describe(self) -> Iterable[Metric]:
        """Nothing is collected to be registered."""
        return ()

    def _components(self, findings: Iterable[Finding]) -> Iterator[Metric]:
        status = GaugeMetricFamily(
            "qt_component_status", "0 OK, 1 DEGRADED, 2 CRITICAL, by component", labels=["component"]
        )
        age = GaugeMetricFamily(
            "qt_component_age_seconds", "How old the fact behind a component's state is", labels=["component"]
        )
        for finding in findings:
            status.add_metric([finding.component], finding.status.severity)
            if finding.age_seconds is not None:
                age.add_metric([finding.component], finding.age_seconds)
        alerts = GaugeMetricFamily("qt_alerts_open", "Alerts that are not cleared", labels=["status"])
        for each in (Status.DEGRADED, Status.CRITICAL):
            alerts.add_metric([each.value], sum(alert.status is each for alert in self._alerts()))
        yield from (status, age, alerts)

    def _window(self) -> Iterator[Metric]:
        try:
            window = self._system.window.status()
        except WindowUnavailableError:
            return
        yield GaugeMetricFamily("qt_window_occupancy", "Signals in the admission window", value=window.occupancy)
        yield GaugeMetricFamily("qt_window_capacity", "Places in the admission window", value=window.capacity)
        counters = GaugeMetricFamily(
            "qt_window_events", "What happened to signals at the window since Redis was last empty", labels=["event"]
        )
        for name, value in sorted(window.counters.items()):
            counters.add_metric([name], value)
        yield counters

    def _queues(self) -> Iterator[Metric]:
        length = GaugeMetricFamily("qt_queue_length", "Messages that wait for a worker", labels=["queue"])
        age = GaugeMetricFamily(
            "qt_progress_age_seconds", "How long ago a process last got something done", labels=["process"]
        )
        # One broker may be away while the other answers: what is not known is absent, the rest is told.
        with contextlib.suppress(ProgressUnavailableError):
            for queue, waiting in self._system.queue_lengths.waiting().items():
                length.add_metric([queue], waiting)
        with contextlib.suppress(ProgressUnavailableError):
            for progress in self._system.progress.all():
                age.add_metric([progress.name], progress.age_seconds)
        yield from (length, age)

    def _budget(self) -> Iterator[Metric]:
        try:
            status = self._system.budget.status()
        except RedisUnavailableError:
            return
        used = GaugeMetricFamily("qt_rate_budget_used", "Taken of each limit of the exchange", labels=["limit"])
        limit = GaugeMetricFamily("qt_rate_budget_limit", "The exchange's limits", labels=["limit"])
        for name in ("weight_per_minute", "orders_per_10_seconds", "orders_per_minute"):
            used.add_metric([name], getattr(status.used, name))
            limit.add_metric([name], getattr(status.limits, name))
        closed = GaugeMetricFamily(
            "qt_rate_gate_closed_seconds", "For how long the exchange refuses us", labels=["gate"]
        )
        closed.add_metric(["everything"], status.closed_seconds)
        closed.add_metric(["orders"], status.orders_closed_seconds)
        yield from (used, limit, closed)

    def _buffers(self) -> Iterator[Metric]:
        depth = GaugeMetricFamily("qt_buffer_depth", "Records waiting on this machine's disk", labels=["buffer"])
        age = GaugeMetricFamily("qt_buffer_age_seconds", "How long the oldest has waited", labels=["buffer"])
        records = GaugeMetricFamily(
            "qt_buffer_records", "What became of records since the buffer was made", labels=["buffer", "outcome"]
        )
        buffers: Mapping[str, DurableBuffer[Any]] = {
            "events": self._system.event_buffer,
            "signals": self._system.signal_spool,
        }
        for name, buffer in buffers.items():
            try:
                status = buffer.status()
            except BufferUnavailableError:
                continue
            depth.add_metric([name], status.depth)
            if status.oldest_at is not None:
                age.add_metric([name], (self._system.clock.now() - status.oldest_at).total_seconds())
            for outcome in ("replayed", "fell_off", "corrupt", "set_aside"):
                records.add_metric([name, outcome], getattr(status, outcome))
        yield from (depth, age, records)

    def _database(self) -> Iterator[Metric]:
        now = self._system.clock.now()
        try:
            with self._system.unit_of_work() as uow:
                in_flight = uow.signals.in_flight_count()
                stop = uow.control.ess()
                open_attempts = uow.orders.open_attempts(begun_before=None, limit=OPEN_ATTEMPTS_COUNTED_MAX)
                held = sum(position.quantity != 0 for position in uow.ledger.positions())
            portfolio = self._system.console.portfolio()
        except DatabaseUnavailableError:
            return
        yield GaugeMetricFamily("qt_signals_in_flight", "Signals being decided or executed", value=in_flight)
        yield GaugeMetricFamily("qt_attempts_open", "Attempts whose outcome is not known", value=len(open_attempts))
        oldest = min((attempt.begun_at for attempt in open_attempts), default=None)
        yield GaugeMetricFamily(
            "qt_attempt_open_seconds", "How long the oldest of them has been open (0: none)", value=_age(oldest, now)
        )
        yield GaugeMetricFamily("qt_positions_open", "Symbols held", value=held)
        if stop is not None:
            state = GaugeMetricFamily("qt_emergency_stop_state", "1 for the state it is in", labels=["state"])
            for each in EssState:
                state.add_metric([each.value], stop.state is each)
            yield state
        money = GaugeMetricFamily("qt_portfolio_usdt", "The account, by figure; a metric is rounded", labels=["figure"])
        for figure in ("equity", "wallet_balance", "available_balance", "unrealised_pnl", "realised_pnl", "fees"):
            if portfolio.get(figure) is not None:
                money.add_metric([figure], float(portfolio[figure]))
        yield money


def _age(moment: datetime | None, now: datetime) -> float:
    return 0.0 if moment is None else max(0.0, (now - moment).total_seconds())


def _answers(finding: Finding | None) -> bool:
    return finding is None or finding.status is not Status.CRITICAL
