"""What is seen of every task from outside: progress noted for health."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celery import signals

from tasks.app import app, system
from tasks.progress import ProgressNotes

FAILURE = "FAILURE"


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


@signals.task_postrun.connect
def _task_ended(state: str | None = None, **_: Any) -> None:
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
