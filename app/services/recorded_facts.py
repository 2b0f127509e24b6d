"""Turns the facts of a decision into JSON and back, so that the decision can be explained, and taken again, later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from app.domain.gates.facts import EntryFacts
from app.domain.money import parse_decimal, plain
from app.domain.policy import Policy, PolicyVersion


def as_json(value: Any) -> Any:
    """JSON values only: decimals as plain strings, times as RFC 3339, sets sorted, dataclasses as objects."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value):
        return {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_json(each) for key, each in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(as_json(each) for each in value)
    if isinstance(value, list | tuple):
        return [as_json(each) for each in value]
    raise TypeError(f"a decision cannot record a {type(value).__name__}")


class UnreadableFactsError(ValueError):
    """What was recorded does not hold the facts of a decision as this release knows them."""


def facts_from_json(recorded: Mapping[str, Any], *, policy_of: Callable[[int], Policy | None]) -> EntryFacts:
    """The facts that `as_json` wrote; raises `UnreadableFactsError`.

    The policy is taken from the policy store by its version, where fields that were added since have their value. A
    fact that was not recorded yet is one that is not known; one that this release does not know is left out.
    """
    policy = recorded.get("policy")
    try:
        facts: EntryFacts = _read(EntryFacts, {**recorded, "policy": None})
        if policy is None:
            return facts
        body = policy_of(policy["version"]) or _read(Policy, policy["policy"])
        whole = {name: _read(hint, policy[name]) for name, hint in _hints(PolicyVersion).items() if name != "policy"}
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableFactsError(f"{type(error).__name__}: {error}") from error
    return replace(facts, policy=PolicyVersion(policy=body, **whole))


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _read(hint: Any, value: Any) -> Any:
    """The value of a type hint from JSON; the hints of the domain's facts are all there are."""
    if get_origin(hint) in (Union, UnionType):
        if value is None:
            return None
        (hint,) = (each for each in get_args(hint) if each is not type(None))
    if is_dataclass(hint):
        # What is missing falls back on the field's own default, or says so.
        kind: Any = hint
        return kind(**{name: _read(each, value[name]) for name, each in _hints(kind).items() if name in value})
    if get_origin(hint) is Mapping:
        return {name: _read(get_args(hint)[1], each) for name, each in value.items()}
    if get_origin(hint) is frozenset:
        return frozenset(value)
    if hint is Decimal:
        if not isinstance(value, str):
            raise TypeError(f"not a decimal as text: {value!r}")
        return parse_decimal(value)
    if hint is datetime:
        return datetime.fromisoformat(value)
    if isinstance(value, hint):
        return value
    if issubclass(hint, Enum):
        return hint(value)
    raise TypeError(f"not {hint.__name__}: {value!r}")
