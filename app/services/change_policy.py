"""Change the policy: a new version, checked as a whole; what loosens is asked for twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from app.domain.policy import Policy, PolicyVersion, RiskMode, default_policy, policy_in_mode
from app.domain.policy_changes import Change, changes_between, confirmation_of, with_changes
from app.domain.policy_rules import Fault, faults_of
from app.ports import Clock, UnitOfWork, UnitOfWorkFactory, UnreadablePolicyError
from app.services import announcements
from app.services.policy_cache import PolicyCache
from app.services.reset_ess import Refused

log = structlog.get_logger(__name__)

LOCK = "policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """The version that counts now; no `changes`: it was like this already, and no version was added."""

    version: PolicyVersion
    changes: Sequence[Change]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unconfirmed:
    """The change lets more happen: to be sent again with `confirmation` by whoever means it."""

    base_version: int | None
    loosened: Sequence[Change]
    confirmation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidPolicy:
    """What the policy would become cannot be taken on."""

    faults: Sequence[Fault]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What every change of the policy says beside the change itself; `base_version` None: whatever counts now."""

    actor: str
    reason: str
    confirmation: str | None = None
    base_version: int | None = None


PolicyOutcome = Changed | Unconfirmed | InvalidPolicy | Refused
_Proposal = Policy | InvalidPolicy | Refused


@dataclass(frozen=True, slots=True)
class ChangePolicy:
    """Use case of every route and command that changes the policy. Changes take turns.

    From the commit on no decision is made by an older version: the new one is written into the emergency stop's row,
    for which the commit waits until every decision that holds it has ended.
    """

    unit_of_work: UnitOfWorkFactory
    clock: Clock
    cache: PolicyCache

    def set_mode(self, mode: RiskMode, wish: Wish) -> PolicyOutcome:
        """The numbers of a risk mode; without any policy yet, its whole default."""
        return self._change(
            wish, lambda _, base: default_policy(mode) if base is None else policy_in_mode(base, mode), f"mode {mode}"
        )

    def set_fields(self, changes: Mapping[str, Any], wish: Wish) -> PolicyOutcome:
        """Single fields, given as JSON values."""

        def propose(_: UnitOfWork, base: Policy | None) -> _Proposal:
            if base is None:
                return Refused("POLICY_UNKNOWN", "there is no policy to change: choose a mode first")
            changed = with_changes(base, changes)
            return changed if isinstance(changed, Policy) else InvalidPolicy(faults=changed)

        return self._change(wish, propose, "fields")

    def roll_back(self, version: int, wish: Wish) -> PolicyOutcome:
        """A new version equal to an old one."""

        def propose(uow: UnitOfWork, _: Policy | None) -> _Proposal:
            try:
                old = uow.control.policy_of_version(version, now=self.clock.now())
            except UnreadablePolicyError as error:
                return Refused("POLICY_UNREADABLE", f"version={version}: {error}")
            return Refused("NO_SUCH_VERSION", f"version={version}") if old is None else old.policy

        return self._change(wish, propose, f"rollback to version {version}")

    def _change(
        self, wish: Wish, propose: Callable[[UnitOfWork, Policy | None], _Proposal], what: str
    ) -> PolicyOutcome:
        with self.unit_of_work() as uow:
            if not uow.control.try_lock(LOCK):
                return Refused("CHANGE_IN_PROGRESS", "somebody else is changing the policy at this moment")
            base, base_version = self._base(uow)
            if wish.base_version is not None and wish.base_version != base_version:
                return Refused("POLICY_CHANGED_MEANWHILE", f"base_version={wish.base_version}, current={base_version}")
            proposed = propose(uow, None if base is None else base.policy)
            if not isinstance(proposed, Policy):
                return proposed
            if faults := faults_of(proposed):
                return InvalidPolicy(faults=faults)
            changes = changes_between(None if base is None else base.policy, proposed)
            if base is not None and not changes:
                return Changed(version=base, changes=[])
            loosened = [change for change in changes if change.loosens]
            confirmation = confirmation_of(base_version, proposed)
            if loosened and wish.confirmation != confirmation:
                return Unconfirmed(base_version=base_version, loosened=loosened, confirmation=confirmation)
            version = self._store(uow, proposed, wish, changes, what)
            uow.commit()
        self.cache.invalidate()
        log.info("policy_changed", version=version.version, actor=wish.actor, what=what, loosened=len(loosened))
        return Changed(version=version, changes=changes)

    def _base(self, uow: UnitOfWork) -> tuple[PolicyVersion | None, int | None]:
        """What counts now, and its number; one that cannot be read has a number and permits nothing."""
        try:
            base = uow.control.current_policy(now=self.clock.now())
        except UnreadablePolicyError as error:
            stop = uow.control.ess()
            log.warning("unreadable_policy_is_replaced", error=str(error))
            return None, None if stop is None else stop.policy_version
        return base, None if base is None else base.version

    def _store(
        self, uow: UnitOfWork, policy: Policy, wish: Wish, changes: Sequence[Change], what: str
    ) -> PolicyVersion:
        now = self.clock.now()
        version = uow.control.add_policy(policy, author=wish.actor, reason=wish.reason, now=now)
        uow.control.audit(
            at=now,
            actor=wish.actor,
            action="policy_changed",
            reason=wish.reason,
            detail={
                "version": version.version,
                "what": what,
                "changes": [{"field": each.field, "before": each.before, "after": each.after} for each in changes],
                "loosened": [each.field for each in changes if each.loosens],
            },
        )
        uow.emit(announcements.policy_changed(version, changes, now))
        return version
