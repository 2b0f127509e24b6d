"""What became of a change of the policy, as JSON values for whoever asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.domain.policy import PolicyVersion
from app.domain.policy_changes import Change
from app.domain.policy_fields import FIELDS, write_field
from app.services.change_policy import Changed, InvalidPolicy, PolicyOutcome, Unconfirmed
from app.services.reset_ess import Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyAnswer:
    """Exactly one of `item, faults, confirmation, refusal` says what became of it."""

    item: Mapping[str, Any] | None = None
    faults: Sequence[Mapping[str, str]] = ()
    confirmation: str | None = None
    loosened: Sequence[Mapping[str, Any]] = ()
    base_version: int | None = None
    refusal: Refused | None = None


def policy_answer(outcome: PolicyOutcome) -> PolicyAnswer:
    """The outcome in JSON values."""
    if isinstance(outcome, Changed):
        return PolicyAnswer(item=_item(outcome.version, outcome.changes))
    if isinstance(outcome, Unconfirmed):
        return PolicyAnswer(
            confirmation=outcome.confirmation,
            loosened=[_change(each) for each in outcome.loosened],
            base_version=outcome.base_version,
        )
    if isinstance(outcome, InvalidPolicy):
        faults = [{"field": each.field, "code": each.code, "detail": each.detail} for each in outcome.faults]
        return PolicyAnswer(faults=faults)
    return PolicyAnswer(refusal=outcome)


def _item(version: PolicyVersion, changes: Sequence[Change]) -> Mapping[str, Any]:
    return {
        "version": version.version,
        "mode": version.policy.mode.value,
        "policy": {name: write_field(name, getattr(version.policy, name)) for name in FIELDS},
        "changes": [_change(each) for each in changes],
        "author": version.author,
        "reason": version.reason,
        "created_at": version.created_at.isoformat(),
    }


def _change(change: Change) -> Mapping[str, Any]:
    return {"field": change.field, "before": change.before, "after": change.after}
