"""Tasks that keep positions protected; they share the queue and the worker that no order can delay."""

from __future__ import annotations

from tasks.app import app, system
from tasks.retries import RETRY, TRANSIENT
from tasks.sweep import Sweep


@app.task(name="protections.tend", throws=TRANSIENT, **RETRY)
def tend(symbol: str) -> None:
    """Stop and target for what is held of a symbol now."""
    system().protect_position(symbol)


@app.task(name="protections.resolve", throws=TRANSIENT, **RETRY)
def resolve(client_algo_id: str) -> None:
    """Ask the exchange what became of a protective order."""
    system().resolve_protection(client_algo_id)


@app.task(name="protections.sweep", base=Sweep, throws=TRANSIENT)
def sweep() -> None:
    """Find positions without protection, and protective orders without an answer."""
    system().sweep_protections()


@app.task(name="protections.reconcile", base=Sweep, throws=TRANSIENT)
def reconcile() -> None:
    """Compare the exchange's open conditional orders with ours."""
    system().reconcile_protections()
