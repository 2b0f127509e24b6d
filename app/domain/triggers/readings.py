"""What a trigger sees: nothing to worry about, a reason to stop, or that it cannot tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from app.domain.money import plain

POLICY_UNKNOWN = "POLICY_UNKNOWN"

Number = Decimal | int | datetime | str | None


class Sight(StrEnum):
    """CLEAR and FIRED are knowledge. UNKNOWN trips nothing by itself, and never counts as healthy."""

    CLEAR = "CLEAR"
    FIRED = "FIRED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One trigger's answer and the numbers it saw, as text; those that are not known are left out."""

    trigger: str
    sight: Sight
    numbers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.trigger}: " + ", ".join(f"{name}={value}" for name, value in self.numbers.items())


def reading(trigger: str, sight: Sight, **numbers: Number) -> Reading:
    """A reading; numbers in plain digits, times as RFC 3339."""
    told = {name: _text(value) for name, value in numbers.items() if value is not None}
    return Reading(trigger=trigger, sight=sight, numbers=told)


def fired_if(fires: bool, trigger: str, **numbers: Number) -> Reading:
    """FIRED or CLEAR."""
    return reading(trigger, Sight.FIRED if fires else Sight.CLEAR, **numbers)


def _text(value: Decimal | int | datetime | str) -> str:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
