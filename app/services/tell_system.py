"""What runs, how it is and what waits: health, processes, queues, budget, buffers, alerts, each with its source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.events import Event
from app.domain.signals import Signal
from app.ports import (
    AdmissionWindow,
    BufferUnavailableError,
    Clock,
    DatabaseUnavailableError,
    DurableBuffer,
    ProgressBoard,
    ProgressUnavailableError,
    QueueLengths,
    ReadModels,
    WindowUnavailableError,
)

ROWS_MAX = 50


@dataclass(frozen=True, slots=True)
class TellSystem:
    """Every block is asked for by itself: what is away says so and takes nothing else along.

    `health`, `processes` and `budget` answer JSON-ready facts, or text that says why they are not known.
    """

    clock: Clock
    read_models: ReadModels
    window: AdmissionWindow
    queue_lengths: QueueLengths
    progress: ProgressBoard
    event_buffer: DurableBuffer[Event]
    signal_spool: DurableBuffer[Signal]
    health: Callable[[], Mapping[str, Any] | str]
    processes: Callable[[], Mapping[str, Any] | str]
    budget: Callable[[], Mapping[str, Any] | str]
    stage: str

    def __call__(self) -> Mapping[str, Any]:
        """All of it; `web.shapes.SystemState`."""
        return {
            "source": "this process",
            "age_seconds": 0.0,
            "stage": self.stage,
            "health": self._health(),
            "processes": _block("supervisor", self.processes()),
            "workers": self._workers(),
            "queues": self._queues(),
            "window": self.window_block(),
            "budget": _block("redis", self.budget()),
            "buffers": self.buffers(),
            "attempts": self._rows(lambda: {"items": list(self.read_models.open_attempts(limit=ROWS_MAX))}),
            "alerts": self._rows(
                lambda: {"items": list(self.read_models.alerts(only_open=True, after=None, limit=ROWS_MAX).items)}
            ),
        }

    def window_block(self) -> Mapping[str, Any]:
        """How full the admission window is, and what it has counted."""
        try:
            status = self.window.status()
        except WindowUnavailableError:
            return {"occupancy": None, "capacity": None, "counters": None, **_unknown("Redis does not answer")}
        return {
            "occupancy": status.occupancy,
            "capacity": status.capacity,
            "counters": dict(status.counters),
            **_known("redis"),
        }

    def buffers(self) -> Mapping[str, Any]:
        """What waits on the disk of the machine that answers."""
        now = self.clock.now()
        return {"events": _buffer(self.event_buffer, now), "signals": _buffer(self.signal_spool, now)}

    def _health(self) -> Mapping[str, Any]:
        """As the health service judges; its own figures say how old each of them is."""
        told = self.health()
        if isinstance(told, str):
            return {"status": None, "components": None, **_unknown(told)}
        age = (self.clock.now() - datetime.fromisoformat(told["at"])).total_seconds()
        return {
            "status": told["status"],
            "components": told["components"],
            **_known("health service"),
            "age_seconds": max(0.0, round(age, 3)),
        }

    def _queues(self) -> Mapping[str, Any]:
        try:
            return {"waiting": dict(self.queue_lengths.waiting()), **_known(self.queue_lengths.source)}
        except ProgressUnavailableError:
            broker = "Redis" if self.queue_lengths.source == "redis" else "RabbitMQ"
            return {"waiting": None, **_unknown(f"{broker} does not answer")}

    def _workers(self) -> Mapping[str, Any]:
        try:
            noted = self.progress.all()
        except ProgressUnavailableError:
            return {"items": None, **_unknown("Redis does not answer")}
        items = [
            {"name": each.name, "role": each.role, "facts": dict(each.facts), "age_seconds": each.age_seconds}
            for each in sorted(noted, key=lambda each: each.name)
        ]
        return {"items": items, **_known("redis")}

    def _rows(self, read: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        try:
            return {**read(), **_known("database")}
        except DatabaseUnavailableError:
            return {"items": None, **_unknown("Postgres does not answer")}


def _known(source: str) -> Mapping[str, Any]:
    return {"source": source, "age_seconds": 0.0, "reason": None}


def _unknown(reason: str) -> Mapping[str, Any]:
    return {"source": None, "age_seconds": None, "reason": reason}


def _block(source: str, facts: Mapping[str, Any] | str) -> Mapping[str, Any]:
    return {**_unknown(facts)} if isinstance(facts, str) else {**_known(source), **facts}


def _buffer(buffer: DurableBuffer[Any], now: datetime) -> Mapping[str, Any]:
    try:
        status = buffer.status()
    except BufferUnavailableError as error:
        return {"depth": None, "oldest_age_seconds": None, **_unknown(str(error))}
    oldest = status.oldest_at
    return {
        "depth": status.depth,
        "oldest_age_seconds": None if oldest is None else max(0.0, (now - oldest).total_seconds()),
        "replayed": status.replayed,
        "fell_off": status.fell_off,
        "corrupt": status.corrupt,
        "set_aside": status.set_aside,
        **_known("disk"),
    }
