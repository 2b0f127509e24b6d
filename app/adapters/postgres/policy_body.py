"""A policy as the JSON body of its row, and back: every field named; a stored version stays readable for ever."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from app.domain.policy import Policy
from app.domain.policy_fields import FIELDS, read_field, write_field
from app.ports import UnreadablePolicyError

# What a field is in the versions that were stored before it existed, as a JSON value. Written out, never taken from the
# defaults of new policies: those may change, and what a decision of that time was made by may not. Any other field that
# is missing makes a version unreadable.
ADDED_LATER: Mapping[str, Any] = MappingProxyType(
    {
        "execution_errors_max": 5,
        "execution_error_window_seconds": 900,
        "rejections_in_a_row_max": 10,
        "stale_market_seconds_max": 30,
        "symbol_losses_max": 1_000,  # nothing was paused then
        "symbol_pause_seconds": 0,
        "strategy_executions_max": 100_000,  # no strategy was disabled then
        "strategy_executions_window_seconds": 1,
    }
)


def policy_to_body(policy: Policy) -> dict[str, Any]:
    """JSON values only: decimals as plain strings, sets as sorted lists."""
    return {name: write_field(name, getattr(policy, name)) for name in FIELDS}


def whole_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body as stored, completed by what was added later."""
    return {**ADDED_LATER, **body}


def policy_from_body(body: Mapping[str, Any]) -> Policy:
    """The policy; `UnreadablePolicyError` when a field is missing, unknown or not of its type."""
    whole = whole_body(body)
    if whole.keys() != FIELDS.keys():
        difference = sorted(whole.keys() ^ FIELDS.keys())
        raise UnreadablePolicyError(f"fields missing or unknown: {', '.join(difference)}")
    try:
        return Policy(**{name: read_field(name, whole[name]) for name in FIELDS})
    except (ValueError, TypeError) as error:
        raise UnreadablePolicyError(f"not a policy: {error}") from error
