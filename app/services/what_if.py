"""What if: take the recorded decisions of a time again under another policy, and change nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from app.domain.gates.rule_book import Judgement, Outcome
from app.domain.gates.verdicts import Verdict
from app.domain.policy import Policy, PolicyVersion, RiskMode, policy_in_mode
from app.domain.policy_changes import Change, changes_between, with_changes
from app.domain.policy_rules import faults_of
from app.domain.what_if import Compared, Comparison, Taken, decide_again, taken
from app.ports import Clock, UnitOfWorkFactory, UnreadablePolicyError
from app.services.change_policy import InvalidPolicy
from app.services.recorded_facts import UnreadableFactsError, facts_from_json
from app.services.reset_ess import Refused

log = structlog.get_logger(__name__)

PAGE_ROWS = 500
DETAILS_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The other policy: the numbers of `mode`, then `changes` (JSON values by field), both on top of a stored version.

    `version` None: the one that counts now. `changes` may be a whole policy, its `mode` included.
    """

    mode: RiskMode | None = None
    version: int | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Decisions taken from `since` on, before `until`; of more than `decisions_max` the newest."""

    since: datetime
    until: datetime
    decisions_max: int


@dataclass(slots=True, kw_only=True)
class WhatIfReport:
    """`base` is what `policy` was made from. `read` decisions were looked at; those that are `not_reproduced` led to
    other verdicts under their own policy than were recorded (another release took them), and like the `unreadable`
    they are compared with nothing. `details` are the changed ones, newest first, at most as many as were asked for.
    """

    base: PolicyVersion
    policy: Policy
    changes: Sequence[Change]
    period: Period
    comparison: Comparison = field(default_factory=Comparison)
    read: int = 0
    not_reproduced: list[str] = field(default_factory=list)  # ids of their signals
    unreadable: list[str] = field(default_factory=list)
    oldest: datetime | None = None
    newest: datetime | None = None
    is_complete: bool = True  # False: older decisions of the period were not looked at
    details: list[tuple[Mapping[str, Any], Compared]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class WhatIf:
    """Use case of `./qt policy whatif` and `POST /api/policy/whatif`; reads only.

    Every decision is taken again by itself, with the facts that were recorded with it: what an entry that was let in,
    or not, would have left to those after it is not played through.
    """

    unit_of_work: UnitOfWorkFactory
    clock: Clock

    def __call__(
        self, wanted: Wanted, period: Period, *, details_max: int = DETAILS_MAX
    ) -> WhatIfReport | InvalidPolicy | Refused:
        """Compare, decision by decision; a policy that could not be taken on is not tried."""
        base = self._base(wanted.version)
        if isinstance(base, Refused):
            return base
        policy = _policy_of(wanted, base.policy)
        if not isinstance(policy, Policy):
            return policy
        report = WhatIfReport(base=base, policy=policy, changes=changes_between(base.policy, policy), period=period)
        policies: dict[int, Policy | None] = {base.version: base.policy}
        for row in self._rows(report):
            self._compare(report, row, policies, details_max)
        return report

    def _base(self, version: int | None) -> PolicyVersion | Refused:
        now = self.clock.now()
        with self.unit_of_work() as uow:
            try:
                if version is None:
                    base = uow.control.current_policy(now=now)
                else:
                    base = uow.control.policy_of_version(version, now=now)
            except UnreadablePolicyError as error:
                return Refused("POLICY_UNREADABLE", str(error))
        if base is None and version is None:
            return Refused("POLICY_UNKNOWN", "there is no policy to start from: name a version, or choose a mode first")
        return base or Refused("NO_SUCH_VERSION", f"version={version}")

    def _rows(self, report: WhatIfReport) -> Iterator[Mapping[str, Any]]:
        period, before = report.period, None
        while report.read < period.decisions_max:
            rows_max = min(PAGE_ROWS, period.decisions_max - report.read)
            rows = self._page(period, before, rows_max)
            for row in rows:
                report.read += 1
                yield row
            if len(rows) < rows_max:
                return
            before = (datetime.fromisoformat(rows[-1]["decided_at"]), int(rows[-1]["decision_id"]))
        report.is_complete = not self._page(period, before, 1)

    def _page(self, period: Period, before: tuple[datetime, int] | None, limit: int) -> Sequence[Mapping[str, Any]]:
        # A transaction of its own for each page: none stays open while decisions are taken again.
        with self.unit_of_work() as uow:
            return uow.control.recorded_decisions(since=period.since, until=period.until, before=before, limit=limit)

    def _compare(
        self, report: WhatIfReport, row: Mapping[str, Any], policies: dict[int, Policy | None], details_max: int
    ) -> None:
        decided_at = datetime.fromisoformat(row["decided_at"])
        report.oldest = decided_at
        report.newest = report.newest or decided_at
        try:
            facts = facts_from_json(row["inputs"], policy_of=lambda version: self._policy_of(version, policies))
        except UnreadableFactsError as error:
            log.info("decision_unreadable", signal_id=row["signal_id"], error=str(error))
            report.unreadable.append(row["signal_id"])
            return
        judgement = _recorded(row)
        # What was not asked then says nothing now: the gate, and often its facts, came later.
        gates = frozenset(verdict.gate for verdict in judgement.verdicts)
        again = decide_again(facts, report.policy if facts.policy is None else facts.policy.policy, gates=gates)
        before = taken(facts, judgement)
        if not _same(before, again):
            report.not_reproduced.append(row["signal_id"])
            return
        one = Compared(facts=facts, before=before, after=decide_again(facts, report.policy, gates=gates))
        report.comparison.add(one)
        if one.is_changed and len(report.details) < details_max:
            report.details.append((row, one))

    def _policy_of(self, version: int, known: dict[int, Policy | None]) -> Policy | None:
        if version not in known:
            with self.unit_of_work() as uow:
                try:
                    found = uow.control.policy_of_version(version, now=self.clock.now())
                except UnreadablePolicyError:
                    found = None  # the decision's own copy of it may still be read
            known[version] = None if found is None else found.policy
        return known[version]


def _policy_of(wanted: Wanted, base: Policy) -> Policy | InvalidPolicy:
    changes = dict(wanted.changes)
    mode = wanted.mode
    if mode is None and isinstance(named := changes.get("mode"), str) and named in RiskMode.__members__:
        mode = RiskMode(named)
    if mode is not None and changes.get("mode") in (None, mode.value):
        changes.pop("mode", None)
    changed = with_changes(base if mode is None else policy_in_mode(base, mode), changes)
    if not isinstance(changed, Policy):
        return InvalidPolicy(faults=changed)
    faults = faults_of(changed)
    return InvalidPolicy(faults=faults) if faults else changed


def _recorded(row: Mapping[str, Any]) -> Judgement:
    verdicts = [
        Verdict(gate=each["gate"], code=each["code"], numbers=dict(each["numbers"])) for each in row["verdicts"]
    ]
    denial = next((verdict for verdict in verdicts if not verdict.passed), None)
    return Judgement(verdicts=verdicts, denial=denial, outcome=Outcome(row["outcome"]))


def _same(recorded: Taken, again: Taken) -> bool:
    """Whether every gate said the very same, its numbers included, and the same would be sent."""
    return (recorded.outcome, list(recorded.verdicts), recorded.quantity) == (
        again.outcome,
        list(again.verdicts),
        again.quantity,
    )
