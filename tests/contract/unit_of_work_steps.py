"""Steps that many tests of the unit of work begin with."""

from __future__ import annotations

from app.domain.signals import SIGNAL_TRANSITIONS, SignalEvent, SignalState
from app.ports import (
    UnitOfWork,
    UnitOfWorkFactory,
)
from tests.contract.unit_of_work_values import (
    NOW,
    signal,
)


def put_signals(begin: UnitOfWorkFactory, *signal_ids: str) -> None:
    with begin() as uow:
        uow.signals.add_many([signal(each) for each in signal_ids])
        uow.commit()


def put_in_state(uow: UnitOfWork, signal_id: str, state: SignalState) -> None:
    """Walk a QUEUED signal along the table to `state`."""
    paths: dict[SignalState, list[SignalEvent]] = {SignalState.QUEUED: []}
    for source in (SignalState.QUEUED, SignalState.DISPATCHED, SignalState.ORDERED):
        for what, target in SIGNAL_TRANSITIONS[source].items():
            paths.setdefault(target, [*paths[source], what])
    for what in paths[state]:
        assert uow.signals.advance([signal_id], what, now=NOW) == [signal_id]
