"""Switch the emergency stop's automatic triggers off and on again; the operator's own trip works in either state."""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.domain.ess import EmergencyStop, EssEvent, next_ess_state
from app.domain.signals import IllegalTransitionError
from app.ports import Clock, UnitOfWorkFactory
from app.services import announcements
from app.services.reset_ess import Refused
from app.services.trip_ess import EssMissingError


@dataclass(frozen=True, slots=True)
class SwitchEss:
    """Use case of `POST /api/ess/disable` and `/enable`: ARMED <-> DISABLED, audited."""

    unit_of_work: UnitOfWorkFactory
    clock: Clock

    def __call__(self, *, actor: str, reason: str, enabled: bool) -> EmergencyStop | Refused:
        """The row afterwards; refused while tripped or cooling down, and when it is like that already."""
        what = EssEvent.ENABLED if enabled else EssEvent.DISABLED
        with self.unit_of_work() as uow:
            stop = uow.control.lock_ess()
            if stop is None:
                raise EssMissingError("no emergency-stop row")
            try:
                state = next_ess_state(stop.state, what)
            except IllegalTransitionError as error:
                return Refused("NOT_POSSIBLE_NOW", str(error))
            now = self.clock.now()
            changed = replace(stop, state=state, updated_at=now)
            uow.control.save_ess(changed)
            uow.control.audit(at=now, actor=actor, action=f"ess_{what.value}", reason=reason, detail={})
            uow.emit(announcements.ess_changed(changed, now))
            uow.commit()
        return changed
