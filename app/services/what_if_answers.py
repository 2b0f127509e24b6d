"""What a what-if found, as JSON values for whoever asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.domain.gates.rule_book import Outcome
from app.domain.money import plain
from app.domain.policy_fields import FIELDS, write_field
from app.domain.what_if import Compared, Entered, Taken
from app.services.change_policy import InvalidPolicy
from app.services.reset_ess import Refused
from app.services.what_if import WhatIfReport

IDS_SHOWN_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIfAnswer:
    """Exactly one of `item, faults, refusal` says what came of it."""

    item: Mapping[str, Any] | None = None
    faults: Sequence[Mapping[str, str]] = ()
    refusal: Refused | None = None


def what_if_answer(outcome: WhatIfReport | InvalidPolicy | Refused) -> WhatIfAnswer:
    """The outcome in JSON values."""
    if isinstance(outcome, WhatIfReport):
        return WhatIfAnswer(item=_item(outcome))
    if isinstance(outcome, InvalidPolicy):
        faults = [{"field": each.field, "code": each.code, "detail": each.detail} for each in outcome.faults]
        return WhatIfAnswer(faults=faults)
    return WhatIfAnswer(refusal=outcome)


def _item(report: WhatIfReport) -> Mapping[str, Any]:
    comparison = report.comparison
    return {
        "base_version": report.base.version,
        "policy": {name: write_field(name, getattr(report.policy, name)) for name in FIELDS},
        "changes": [
            {"field": each.field, "before": each.before, "after": each.after, "loosens": each.loosens}
            for each in report.changes
        ],
        "since": report.period.since.isoformat(),
        "until": report.period.until.isoformat(),
        "oldest": None if report.oldest is None else report.oldest.isoformat(),
        "newest": None if report.newest is None else report.newest.isoformat(),
        "is_complete": report.is_complete,
        "decisions": {
            "read": report.read,
            "compared": comparison.compared,
            "changed": comparison.changed,
            "not_reproduced": len(report.not_reproduced),
            "unreadable": len(report.unreadable),
        },
        "not_reproduced_signals": report.not_reproduced[:IDS_SHOWN_MAX],
        "unreadable_signals": report.unreadable[:IDS_SHOWN_MAX],
        "outcomes": {
            "before": _outcomes(comparison.outcomes_before),
            "after": _outcomes(comparison.outcomes_after),
        },
        "gates": [
            {
                "gate": name,
                "denied_before": gate.denied_before,
                "denied_after": gate.denied_after,
                "denies_now": gate.denies_now,
                "passes_now": gate.passes_now,
            }
            for name, gate in comparison.gates.items()
        ],
        "entered": {"before": _entered(comparison.before), "after": _entered(comparison.after)},
        "symbols": [
            {"symbol": symbol, "before": _entered(before), "after": _entered(after)}
            for symbol, (before, after) in sorted(comparison.symbols.items())
        ],
        "changed": [_changed(row, one) for row, one in report.details],
    }


def _outcomes(counts: Counter[Outcome]) -> Mapping[str, int]:
    return {outcome.value: counts[outcome] for outcome in Outcome}


def _entered(entered: Entered) -> Mapping[str, Any]:
    return {
        "entries": entered.entries,
        "bought": plain(entered.bought),
        "sold": plain(entered.sold),
        "gross": plain(entered.gross),
        "net": plain(entered.net),
    }


def _changed(row: Mapping[str, Any], one: Compared) -> Mapping[str, Any]:
    signal = one.facts.signal
    return {
        "signal_id": signal.signal_id,
        "symbol": signal.symbol,
        "side": signal.side.value,
        "confidence": plain(signal.confidence),
        "attempt_number": one.facts.attempt_number,
        "policy_version": row["policy_version"],
        "decided_at": row["decided_at"],
        "before": _taken(one.before),
        "after": _taken(one.after),
        "gates": [
            {"gate": gate, "before": before, "after": after, "numbers": dict(_numbers(one.after, gate))}
            for gate, before, after in one.gates_changed
        ],
    }


def _taken(decision: Taken) -> Mapping[str, Any]:
    return {
        "outcome": decision.outcome.value,
        "code": decision.code,
        "quantity": plain(decision.quantity),
        "notional": plain(decision.notional),
    }


def _numbers(decision: Taken, gate: str) -> Mapping[str, str]:
    return next(verdict.numbers for verdict in decision.verdicts if verdict.gate == gate)
