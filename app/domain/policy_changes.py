"""What a change of the policy does: which fields, in which direction, and whether anything becomes riskier."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

from app.domain.policy import Policy
from app.domain.policy_fields import FIELDS, read_given, write_field
from app.domain.policy_rules import Fault

UNKNOWN_FIELD = "unknown_field"
MALFORMED_VALUE = "malformed_value"
DETAIL_CHARACTERS_MAX = 160  # it repeats what somebody sent


class Looser(StrEnum):
    """In which direction a field lets more happen."""

    HIGHER = "HIGHER"
    LOWER = "LOWER"
    FEWER = "FEWER"  # of a set: what is taken out is permitted again
    TRUE = "TRUE"
    NEVER = "NEVER"  # a name: what it stands for is in the other fields
    ANY = "ANY"  # nobody has said: every change counts as loosening


LOOSER: Mapping[str, Looser] = {
    "mode": Looser.NEVER,
    "leverage_max": Looser.HIGHER,
    "risk_per_trade_share": Looser.HIGHER,
    "daily_drawdown_share_max": Looser.HIGHER,
    "open_loss_share_max": Looser.HIGHER,
    "open_positions_max": Looser.HIGHER,
    "position_notional_max": Looser.HIGHER,
    "confidence_minimum": Looser.LOWER,
    "size_factor": Looser.HIGHER,
    "net_exposure_share_max": Looser.HIGHER,
    "gross_exposure_share_max": Looser.HIGHER,
    "slippage_share_max": Looser.HIGHER,
    "price_drift_share_max": Looser.HIGHER,
    "spread_share_max": Looser.HIGHER,
    "stop_distance_share": Looser.LOWER,  # the nearer the stop is thought to be, the larger the order
    "funding_rate_share_max": Looser.HIGHER,
    "signal_age_seconds_max": Looser.HIGHER,
    "market_data_age_seconds_max": Looser.HIGHER,
    "account_age_seconds_max": Looser.HIGHER,
    "policy_age_seconds_max": Looser.HIGHER,
    "duplicate_cool_off_seconds": Looser.LOWER,
    "orders_per_minute_max": Looser.HIGHER,
    "unknown_seconds_max": Looser.HIGHER,
    "execution_errors_max": Looser.HIGHER,
    "execution_error_window_seconds": Looser.LOWER,  # a shorter memory counts fewer of them
    "rejections_in_a_row_max": Looser.HIGHER,
    "stale_market_seconds_max": Looser.HIGHER,
    "ess_cooldown_seconds": Looser.LOWER,
    "ess_reset_permitted": Looser.TRUE,
    "symbols_denied": Looser.FEWER,
    "symbol_losses_max": Looser.HIGHER,
    "symbol_pause_seconds": Looser.LOWER,
    "strategy_executions_max": Looser.HIGHER,
    "strategy_executions_window_seconds": Looser.LOWER,  # a shorter memory counts fewer of them
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One field, before and after as JSON values (None: there was none), and whether more may happen now."""

    field: str
    before: Any
    after: Any
    loosens: bool


def with_changes(policy: Policy, changes: Mapping[str, Any]) -> Policy | Sequence[Fault]:
    """The policy with these fields set to these JSON values, or what cannot be read of them."""
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, value in changes.items():
        if name not in FIELDS:
            faults.append(Fault(field=name, code=UNKNOWN_FIELD, detail="no policy has this field"))
        elif name == "mode":
            faults.append(Fault(field=name, code=UNKNOWN_FIELD, detail="a mode is many numbers: choose it by itself"))
        else:
            try:
                values[name] = read_given(name, value)
            except (ValueError, TypeError) as error:
                faults.append(Fault(field=name, code=MALFORMED_VALUE, detail=str(error)[:DETAIL_CHARACTERS_MAX]))
    return faults or replace(policy, **values)


def changes_between(before: Policy | None, after: Policy) -> Sequence[Change]:
    """Every field that differs, in the policy's own order. From no policy to any is loosening: nothing was allowed."""
    if before is None:
        return [
            Change(field=name, before=None, after=write_field(name, getattr(after, name)), loosens=True)
            for name in FIELDS
        ]
    return [
        Change(
            field=field.name,
            before=write_field(field.name, old),
            after=write_field(field.name, new),
            loosens=loosens(field.name, old, new),
        )
        for field in fields(Policy)
        if (old := getattr(before, field.name)) != (new := getattr(after, field.name))
    ]


def loosens(name: str, before: Any, after: Any) -> bool:
    """Whether going from `before` to `after` lets more happen."""
    direction = LOOSER.get(name, Looser.ANY)
    if direction is Looser.HIGHER:
        return bool(after > before)
    if direction is Looser.LOWER:
        return bool(after < before)
    if direction is Looser.FEWER:
        return not before <= after
    if direction is Looser.TRUE:
        return bool(after and not before)
    return direction is Looser.ANY and after != before


def confirmation_of(base_version: int | None, after: Policy) -> str:
    """What whoever loosens must send back to say that they mean it: it stands for this change of this very base."""
    body = {name: write_field(name, getattr(after, name)) for name in FIELDS}
    text = json.dumps([base_version, body], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
