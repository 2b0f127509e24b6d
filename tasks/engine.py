"""Tasks of the AI engine, on a queue and a worker of their own; beat hints them only where an engine runs."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from app.ports import DatabaseUnavailableError
from tasks.app import app, system
from tasks.sweep import Sweep

if TYPE_CHECKING:
    from app.bootstrap.engine import Engine


@lru_cache(maxsize=1)
def engine() -> Engine:
    """Opened when the first task runs: no other worker loads what computes forecasts."""
    from app.bootstrap.engine import open_engine

    return open_engine(system())


@app.task(name="ai.infer", base=Sweep, throws=(DatabaseUnavailableError,))
def infer() -> None:
    """Forecast the minute that closed last, once."""
    engine().infer()


# Acknowledged before it runs: training again after a crash is what the next hint is for.
@app.task(name="ai.train", base=Sweep, throws=(DatabaseUnavailableError,), acks_late=False)
def train() -> None:
    """Train when it is time to."""
    engine().train.when_due()


@app.task(name="ai.record_outcomes", base=Sweep, throws=(DatabaseUnavailableError,))
def record_outcomes() -> None:
    """Record what came of forecasts and signals."""
    engine().record_outcomes()
    engine().forget()
