"""Tasks that look after the live event stream."""

from __future__ import annotations

from app.ports import EventsUnavailableError
from tasks.app import app, system
from tasks.retries import TRANSIENT


@app.task(name="events.replay")
def replay() -> None:
    """Publish what waits on this machine's disk."""
    system().replay_events()


@app.task(name="events.mend", throws=(*TRANSIENT, EventsUnavailableError))
def mend() -> None:
    """Publish what was committed and is not in the stream."""
    system().mend_events.sweep()
