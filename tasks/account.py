"""Tasks that refresh what the exchange says of the account and of its own rules."""

from __future__ import annotations

from tasks.app import app, system
from tasks.retries import TRANSIENT
from tasks.sweep import Sweep


@app.task(name="account.refresh", base=Sweep, throws=TRANSIENT)
def refresh_account() -> None:
    """Wallet, unrealised PnL, available balance."""
    system().refresh_account()


@app.task(name="account.reconcile", base=Sweep, throws=TRANSIENT)
def reconcile() -> None:
    """Compare our books with the exchange's."""
    system().reconcile()


@app.task(name="symbols.refresh", base=Sweep, throws=TRANSIENT)
def refresh_symbols() -> None:
    """Trading rules and rate limits."""
    system().refresh_symbols()


@app.task(name="regimes.refresh", base=Sweep, throws=TRANSIENT)
def refresh_regimes() -> None:
    """What kind of market each symbol is in."""
    system().refresh_regimes()
