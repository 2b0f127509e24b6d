"""What is seen of every task from outside: progress for health, counts for Prometheus, the correlation id for logs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import structlog
from celery import signals
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars

from app.adapters.metrics.instruments import TASK_SECONDS, TASK_WAIT_SECONDS, TASKS
from app.services.correlation import CORRELATION_ID
from tasks.app import app, system
from tasks.progress import ProgressNotes

FAILURE = "FAILURE"

log = structlog.get_logger(__name__)
# Headers of our own: when a worker may begin, by the sender's clock, and what the message belongs to.
DUE_AT_HEADER = "qt_due_at"
CORRELATION_HEADER = "qt_correlation_id"
WAIT_SECONDS_BELIEVED_MAX = 3600.0  # more is two clocks, not a wait


class _Process:
    """The one note-keeper of this process; None until it is known what the process is."""

    notes: ProgressNotes | None = None
    name: str | None = None


def _facts() -> Mapping[str, Any]:
    """Which queues, and how old the policy is by which this worker would decide."""
    opened = system()
    loaded_at = opened.policy.loaded_at
    age = None if loaded_at is None else (opened.clock.now() - loaded_at).total_seconds()
    return {"queues": sorted(app.amqp.queues.consume_from), "policy_age_seconds": age}


@signals.worker_ready.connect
def _worker_begins(sender: Any = None, **_: Any) -> None:
    _Process.name = str(sender.hostname)
    _Process.notes = ProgressNotes(
        lambda progress: system().progress.note(progress), name=_Process.name, role="worker", facts=_facts
    )


@signals.worker_shutting_down.connect
def _worker_ends(**_: Any) -> None:
    """In good order: nobody shall miss it."""
    if _Process.name is not None:
        _Process.notes = None
        system().progress.forget(_Process.name)


@signals.before_task_publish.connect
def _sent(headers: dict[str, Any] | None = None, **_: Any) -> None:
    if headers is None:
        return
    headers[DUE_AT_HEADER] = time.time()
    correlation_id = get_contextvars().get(CORRELATION_ID)
    if correlation_id is not None:
        headers[CORRELATION_HEADER] = correlation_id


@signals.task_prerun.connect
def _task_begins(task: Any = None, **_: Any) -> None:
    clear_contextvars()
    request = task.request
    headers = {name: request.get(name) for name in (DUE_AT_HEADER, CORRELATION_HEADER)}
    bind_contextvars(task=task.name)
    if headers[CORRELATION_HEADER]:
        bind_contextvars(**{CORRELATION_ID: str(headers[CORRELATION_HEADER])})
    now = time.time()
    request.qt_began = time.perf_counter()
    # A countdown is a wish, not a wait: such messages are not measured.
    if headers[DUE_AT_HEADER] and not request.eta:
        waited = now - float(headers[DUE_AT_HEADER])
        if 0 <= waited <= WAIT_SECONDS_BELIEVED_MAX:
            TASK_WAIT_SECONDS.labels(task=task.name).observe(waited)


@signals.task_postrun.connect
def _task_ended(task: Any = None, state: str | None = None, **_: Any) -> None:
    began = getattr(task.request, "qt_began", None)
    seconds = 0.0 if began is None else time.perf_counter() - began
    TASK_SECONDS.labels(task=task.name).observe(seconds)
    TASKS.labels(task=task.name, outcome=state or "UNKNOWN").inc()
    if CORRELATION_ID in get_contextvars():  # a sweep that found nothing is no news
        log.info("task_ended", outcome=state, milliseconds=round(seconds * 1000, 1))
    clear_contextvars()
    if _Process.notes is not None:
        _Process.notes.one_done(failed=state == FAILURE)


@signals.beat_init.connect
def _beat_begins(**_: Any) -> None:
    _Process.notes = ProgressNotes(lambda progress: system().progress.note(progress), name="beat", role="beat")
    # Only a message that the broker took counts as a tick.
    signals.after_task_publish.connect(_beat_sent, weak=False)


def _beat_sent(**_: Any) -> None:
    if _Process.notes is not None:
        _Process.notes.one_done()
