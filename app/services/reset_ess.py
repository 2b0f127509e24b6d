"""Reset the emergency stop after a trip, and arm it again once the cooldown is over."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from app.domain.ess import EmergencyStop, EssEvent, EssState, next_ess_state
from app.ports import Clock, UnitOfWorkFactory, UnreadablePolicyError
from app.services import announcements
from app.services.trip_ess import EssMissingError


@dataclass(frozen=True, slots=True)
class Refused:
    """Why an operator's wish was not carried out."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class ResetEss:
    """Use case of `POST /api/ess/reset`: TRIPPED and acknowledged safe -> COOLING_DOWN."""

    unit_of_work: UnitOfWorkFactory
    clock: Clock

    def __call__(self, *, actor: str, reason: str) -> EmergencyStop | Refused:
        """Clears trip time, reason and cooldown of the trip, counts the reset, starts the cooldown."""
        with self.unit_of_work() as uow:
            stop = uow.control.lock_ess()
            if stop is None:
                raise EssMissingError("no emergency-stop row")
            if stop.state is not EssState.TRIPPED:
                return Refused("NOT_TRIPPED", f"state={stop.state}")
            if stop.safe_at is None:
                return Refused("TRIP_NOT_ACKNOWLEDGED", "entries sent before the trip may still reach the exchange")
            now = self.clock.now()
            try:
                policy = uow.control.current_policy(now=now)
            except UnreadablePolicyError as error:
                return Refused("POLICY_UNREADABLE", str(error))
            if policy is None:
                return Refused("POLICY_UNKNOWN", "no policy says whether and how a stop may be reset")
            if not policy.policy.ess_reset_permitted:
                return Refused("RESET_NOT_PERMITTED", f"policy_version={policy.version}")
            cooldown = timedelta(seconds=policy.policy.ess_cooldown_seconds)
            changed = replace(
                stop,
                state=next_ess_state(stop.state, EssEvent.RESET),
                trip_reason=None,
                tripped_at=None,
                tripped_by=None,
                safe_at=None,
                entries_over_at=None,
                orders_canceled_at=None,
                flat_at=None,
                held_because=None,
                flatten_requested=False,
                cooldown_started_at=now,
                cooldown_until=now + cooldown,
                reset_count=stop.reset_count + 1,
                updated_at=now,
            )
            uow.control.save_ess(changed)
            uow.control.audit(
                at=now,
                actor=actor,
                action="ess_reset",
                reason=reason,
                detail={"trip_reason": stop.trip_reason, "cooldown_seconds": policy.policy.ess_cooldown_seconds},
            )
            uow.emit(announcements.ess_changed(changed, now))
            uow.commit()
        return changed
