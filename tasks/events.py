"""Tasks that look after the live event stream."""

from __future__ import annotations

from tasks.app import app, system


@app.task(name="events.replay")
def replay() -> None:
    """Publish what waits on this machine's disk."""
    system().replay_events()
