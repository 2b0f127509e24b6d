"""Tasks of the emergency stop; they have a queue and a worker that no order can delay."""

from __future__ import annotations

from tasks.app import app, system
from tasks.retries import TRANSIENT
from tasks.sweep import Sweep


@app.task(name="ess.acknowledge", throws=TRANSIENT)
def acknowledge() -> None:
    """Carry a trip one step further towards safe and flat."""
    system().acknowledge_trip()


@app.task(name="ess.watch", base=Sweep, throws=TRANSIENT)
def watch() -> None:
    """Trip the stop when a trigger fires."""
    system().watch_account()
