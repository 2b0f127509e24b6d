"""What Prometheus scrapes: component states, the window, signals at work; read at scrape time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.bootstrap import System
from app.domain.health import Finding, Status
from app.ports import BufferUnavailableError, DatabaseUnavailableError, DurableBuffer, WindowUnavailableError

_STATUS_VALUES = {Status.OK: 0, Status.DEGRADED: 1, Status.CRITICAL: 2}


class SystemCollector(Collector):
    """Collects from the system itself; what cannot be read is absent, never a made-up zero."""

    def __init__(self, system: System, findings: Callable[[], Sequence[Finding]]) -> None:
        self._system = system
        self._findings = findings

    def collect(self) -> Iterable[Metric]:
        """All metrics of one scrape."""
        yield self._components()
        yield from self._window()
        yield from self._signals()
        yield from self._buffers()

    def _components(self) -> Metric:
        status = GaugeMetricFamily(
            "qt_component_status", "0 OK, 1 DEGRADED, 2 CRITICAL, by component", labels=["component"]
        )
        for finding in self._findings():
            status.add_metric([finding.component], _STATUS_VALUES[finding.status])
        return status

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

    def _signals(self) -> Iterator[Metric]:
        try:
            with self._system.unit_of_work() as uow:
                in_flight = uow.signals.in_flight_count()
        except DatabaseUnavailableError:
            return
        yield GaugeMetricFamily("qt_signals_in_flight", "Signals being decided or executed", value=in_flight)
