"""How each field of a policy is written as a JSON value and read back: decimals as plain text, sets as sorted lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any, get_type_hints

from app.domain.money import parse_decimal, plain
from app.domain.policy import Policy, RiskMode


def _read_bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"not true or false: {value!r}")
    return value


def _read_int(value: Any) -> int:
    # JSON's true is an int to Python, and int() would cut a fraction off.
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"not a whole number: {value!r}")
    return value


def _read_decimal(value: Any) -> Decimal:
    if not isinstance(value, str):
        raise TypeError(f"not a decimal as text: {value!r}")
    return parse_decimal(value)


def _read_words(value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise TypeError(f"not a list of words: {value!r}")
    return frozenset(value)


def _read_mode(value: Any) -> RiskMode:
    if value not in RiskMode.__members__.values():
        raise ValueError(f"not a risk mode: {value!r}")
    return RiskMode(value)


# A field of a new type fails when this module is imported, at the start of every process, and not in the middle of a
# decision.
_CODECS: Mapping[Any, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    Decimal: (plain, _read_decimal),
    int: (int, _read_int),
    bool: (bool, _read_bool),
    RiskMode: (str, _read_mode),
    frozenset[str]: (sorted, _read_words),
}
_HINTS = get_type_hints(Policy)
FIELDS: Mapping[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    field.name: _CODECS[_HINTS[field.name]] for field in fields(Policy)
}


def write_field(name: str, value: Any) -> Any:
    """The JSON value of a field; None stays None, for a field that a policy did not have."""
    return None if value is None else FIELDS[name][0](value)


def read_given(name: str, value: Any) -> Any:
    """As `read_field`, for a value that a person wrote: a decimal may be a JSON number too, read exactly as written."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool) and _HINTS[name] is Decimal:
        return read_field(name, str(value))
    return read_field(name, value)


def read_field(name: str, value: Any) -> Any:
    """The field's value; `KeyError` for a field that no policy has, `ValueError` or `TypeError` for a bad value."""
    return FIELDS[name][1](value)
