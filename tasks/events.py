"""Tasks that look after the live event stream."""

from __future__ import annotations

from app.ports import EventsUnavailableError
from tasks.app import app, system
from tasks.retries import TRANSIENT
from tasks.sweep import Sweep


@app.task(name="events.replay", send_events=False)
def replay() -> None:
    """Publish what waits on this machine's disk."""
    system().replay_events()


@app.task(name="events.mend", base=Sweep, throws=(*TRANSIENT, EventsUnavailableError))
def mend() -> None:
    """Publish what was committed and is not in the stream."""
    system().mend_events.sweep()


@app.task(name="strategies.count", base=Sweep, throws=(*TRANSIENT, EventsUnavailableError))
def count() -> None:
    """Count how signals ended, by strategy."""
    system().count_outcomes()
