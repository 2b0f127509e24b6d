"""Tasks that move signals: from the window to the workers, and on when something got lost."""

from __future__ import annotations

from tasks.app import app, system
from tasks.retries import TRANSIENT
from tasks.sweep import Sweep


@app.task(name="signals.dispatch", throws=TRANSIENT, send_events=False)
def dispatch() -> None:
    """Hand the best waiting signals to workers."""
    system().dispatch_signals()


@app.task(name="signals.drain", throws=TRANSIENT, send_events=False)
def drain() -> None:
    """Store what waits on this machine's disk."""
    system().drain_spool()


@app.task(name="signals.sweep", base=Sweep, throws=TRANSIENT)
def sweep() -> None:
    """Carry on what a lost message left waiting."""
    system().sweep_signals()
