"""Turns the facts of a decision into JSON, so that the decision can be explained, and taken again, later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from app.domain.money import plain


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
