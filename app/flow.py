"""The map: what happened -> which task is hinted next, on which queue; and the sweeps that find what got lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Queue(StrEnum):
    """One worker each, so that nothing urgent ever stands behind anything less urgent."""

    CRITICAL = "critical"  # emergency stop, cancels, exits
    ORDERS = "orders"  # decide, submit, chase, resolve
    DEFAULT = "default"  # dispatch, sweeps, housekeeping
    AI = "ai"  # the AI engine: train, infer, record outcomes; has a worker only where one was asked for


@dataclass(frozen=True, slots=True)
class Step:
    """A Celery task by name, its queue, and the argument naming the row it works on (None: it finds its own)."""

    task: str
    queue: Queue
    argument: str | None = None


class Happening(StrEnum):
    """What the use cases announce when a row is ready for its next step."""

    SIGNALS_ADMITTED = "signals_admitted"
    SIGNAL_DISPATCHED = "signal_dispatched"
    SIGNAL_FINISHED = "signal_finished"
    REMAINDER_LEFT = "remainder_left"
    OUTCOME_UNKNOWN = "outcome_unknown"
    FILLS_MISSING = "fills_missing"
    STOP_TRIPPED = "stop_tripped"
    POSITION_CHANGED = "position_changed"
    PROTECTION_UNKNOWN = "protection_unknown"


DISPATCH = Step("signals.dispatch", Queue.DEFAULT)

FLOW: Mapping[Happening, Step] = {
    Happening.SIGNALS_ADMITTED: DISPATCH,
    Happening.SIGNAL_DISPATCHED: Step("orders.place", Queue.ORDERS, "signal_id"),
    Happening.SIGNAL_FINISHED: DISPATCH,  # a credit came free
    Happening.REMAINDER_LEFT: Step("orders.chase", Queue.ORDERS, "order_id"),
    Happening.OUTCOME_UNKNOWN: Step("orders.resolve", Queue.ORDERS, "client_order_id"),
    Happening.FILLS_MISSING: Step("orders.collect_fills", Queue.ORDERS, "order_id"),
    Happening.STOP_TRIPPED: Step("ess.acknowledge", Queue.CRITICAL),
    Happening.POSITION_CHANGED: Step("protections.tend", Queue.CRITICAL, "symbol"),
    Happening.PROTECTION_UNKNOWN: Step("protections.resolve", Queue.CRITICAL, "client_algo_id"),
}

# Beat: every row that a lost message could have left behind is found again within seconds.
SWEEPS: Mapping[Step, float] = {
    DISPATCH: 1.0,
    Step("signals.sweep", Queue.DEFAULT): 1.0,
    # The process that filled a buffer empties it itself; these are for what it left behind when it died.
    Step("signals.drain", Queue.DEFAULT): 1.0,
    Step("events.replay", Queue.DEFAULT): 1.0,
    Step("events.mend", Queue.DEFAULT): 5.0,
    Step("strategies.count", Queue.DEFAULT): 1.0,
    Step("orders.sweep", Queue.ORDERS): 1.0,
    Step("ess.acknowledge", Queue.CRITICAL): 1.0,
    Step("ess.watch", Queue.CRITICAL): 1.0,
    Step("protections.sweep", Queue.CRITICAL): 1.0,
    Step("protections.reconcile", Queue.DEFAULT): 30.0,
    Step("account.refresh", Queue.DEFAULT): 2.0,
    Step("account.reconcile", Queue.DEFAULT): 5.0,
    Step("symbols.refresh", Queue.DEFAULT): 600.0,
    Step("regimes.refresh", Queue.DEFAULT): 60.0,
}

# Of the AI engine, on beat only where one runs (`./qt up --engine`): nobody else would take the hints.
ENGINE_SWEEPS: Mapping[Step, float] = {
    Step("ai.infer", Queue.AI): 5.0,
    Step("ai.train", Queue.AI): 30.0,
    Step("ai.record_outcomes", Queue.AI): 30.0,
}

QUEUES: Mapping[str, Queue] = {step.task: step.queue for step in (*FLOW.values(), *SWEEPS, *ENGINE_SWEEPS)}
