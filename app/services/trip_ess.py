"""Trip the emergency stop: after the commit no entry can begin; acknowledged safe once none can still arrive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.domain.ess import EmergencyStop, EssEvent, EssState, next_ess_state
from app.flow import Happening
from app.ports import Clock, TaskQueue, UnitOfWorkFactory
from app.services import announcements
from app.services.hints import announce


class EssMissingError(Exception):
    """There is no emergency-stop row: the database was never set up."""


@dataclass(frozen=True, slots=True)
class TripEss:
    """Use case of `POST /api/ess/trip` and of every automatic trigger."""

    unit_of_work: UnitOfWorkFactory
    tasks: TaskQueue
    clock: Clock

    def __call__(
        self,
        *,
        actor: str,
        reason: str,
        flatten: bool = False,
        automatic: bool = False,
        detail: Mapping[str, Any] | None = None,
    ) -> EmergencyStop:
        """The row after the trip. Tripping again keeps the first time and reason, and may add the flatten request.

        An `automatic` trip does nothing while DISABLED, and nothing more while TRIPPED.
        """
        with self.unit_of_work() as uow:
            # Waits for every decision that holds the row FOR SHARE; those that come later read TRIPPED.
            stop = uow.control.lock_ess()
            if stop is None:
                raise EssMissingError("no emergency-stop row")
            if automatic and stop.state in (EssState.DISABLED, EssState.TRIPPED):
                return stop
            now = self.clock.now()
            # Asked to flatten only now: it is not safe again before that is done, and more has to be canceled.
            wants_more = flatten and not stop.flatten_requested
            first = stop.state is not (state := next_ess_state(stop.state, EssEvent.TRIPPED))
            tripped = replace(
                stop,
                state=state,
                trip_reason=reason if first else stop.trip_reason,
                tripped_at=now if first else stop.tripped_at,
                tripped_by=actor if first else stop.tripped_by,
                safe_at=None if first or wants_more else stop.safe_at,
                entries_over_at=None if first else stop.entries_over_at,
                orders_canceled_at=None if first or wants_more else stop.orders_canceled_at,
                flat_at=None if first else stop.flat_at,
                cooldown_started_at=None,
                cooldown_until=None,
                held_because=None,
                trip_count=stop.trip_count + (1 if first else 0),
                flatten_requested=flatten or (stop.flatten_requested and not first),
                updated_at=now,
            )
            uow.control.save_ess(tripped)
            uow.control.audit(
                at=now,
                actor=actor,
                action="ess_tripped",
                reason=reason,
                detail={"flatten": flatten, "first": first, **(detail or {})},
            )
            uow.emit(announcements.ess_changed(tripped, now))
            uow.commit()
        announce(self.tasks, Happening.STOP_TRIPPED, priority=0)
        return tripped
