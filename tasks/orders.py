"""Tasks that decide, send, chase and resolve orders; ids in, everything else is read from Postgres."""

from __future__ import annotations

import uuid

from tasks.app import app, system
from tasks.retries import RETRY, TRANSIENT
from tasks.sweep import Sweep


@app.task(name="orders.place", throws=TRANSIENT, **RETRY)
def place(signal_id: str) -> None:
    """Decide a dispatched signal and send what was approved."""
    system().place_order(signal_id)


@app.task(name="orders.chase", throws=TRANSIENT, **RETRY)
def chase(order_id: str) -> None:
    """Ask for the remainder of a partly filled order."""
    system().chase_remainder(uuid.UUID(order_id))


@app.task(name="orders.resolve", throws=TRANSIENT, **RETRY)
def resolve(client_order_id: str) -> None:
    """Ask the exchange what became of an attempt."""
    system().resolve_attempt(client_order_id)


@app.task(name="orders.collect_fills", throws=TRANSIENT, **RETRY)
def collect_fills(order_id: str) -> None:
    """Fetch the fills that the stream did not bring."""
    system().collect_fills(uuid.UUID(order_id))


@app.task(name="orders.sweep", base=Sweep, throws=TRANSIENT)
def sweep() -> None:
    """Hint every order and attempt that waits for longer than it should."""
    system().sweep_orders()
