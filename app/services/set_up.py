"""Set up: the rows without which nothing may trade, made once; never overwrites what is there."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.ess import EmergencyStop, EssState
from app.domain.policy import RiskMode, Stage, default_policy
from app.ports import Clock, UnitOfWorkFactory

AUTHOR = "set-up"


@dataclass(frozen=True, slots=True)
class SetUp:
    """Use case of the first start. In stage LIVE no policy is made up: without one every entry is denied."""

    unit_of_work: UnitOfWorkFactory
    clock: Clock
    stage: Stage

    def __call__(self) -> None:
        """An armed emergency stop, and outside LIVE the policy of mode NORMAL; every start in LIVE is in the audit."""
        with self.unit_of_work() as uow:
            if not uow.control.try_lock("set-up"):
                return  # another process does it right now
            now = self.clock.now()
            if uow.control.ess() is None:
                uow.control.save_ess(
                    EmergencyStop(
                        state=EssState.ARMED,
                        trip_reason=None,
                        tripped_at=None,
                        tripped_by=None,
                        safe_at=None,
                        cooldown_started_at=None,
                        cooldown_until=None,
                        trip_count=0,
                        reset_count=0,
                        flatten_requested=False,
                        updated_at=now,
                    )
                )
                uow.control.audit(at=now, actor=AUTHOR, action="ess_armed", reason="first start", detail={})
            if self.stage is Stage.LIVE:
                uow.control.audit(at=now, actor=AUTHOR, action="stage_live", reason="the word was given", detail={})
            if self.stage is not Stage.LIVE and uow.control.current_policy(now=now) is None:
                reason = "first start, default of mode NORMAL"
                uow.control.add_policy(default_policy(RiskMode.NORMAL), author=AUTHOR, reason=reason, now=now)
            uow.commit()
