"""What a gate answers: passed or denied, with the code and the numbers it saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from app.domain.money import plain

Seen = Decimal | datetime | int | str | frozenset[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One gate's answer; `code` is None when it passed. `numbers` are the facts and limits it compared, as text."""

    gate: str
    code: str | None = None
    numbers: Mapping[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether the gate lets the entry through."""
        return self.code is None

    @property
    def reason(self) -> str:
        """The numbers as `key=value, ...`."""
        return ", ".join(f"{key}={value}" for key, value in self.numbers.items())


def passed(gate: str, /, **numbers: Seen) -> Verdict:
    """The gate lets the entry through, having seen these numbers."""
    return Verdict(gate=gate, numbers=_texts(numbers))


def denied(gate: str, code: str, /, **numbers: Seen) -> Verdict:
    """The gate denies the entry under `code`, having seen these numbers."""
    return Verdict(gate=gate, code=code, numbers=_texts(numbers))


def _texts(numbers: Mapping[str, Seen]) -> dict[str, str]:
    return {name: _text(value) for name, value in numbers.items()}


def _text(value: Seen) -> str:
    """Decimals as plain digits, times as RFC 3339, sets sorted, and `unknown` for what is not known."""
    if value is None:
        return "unknown"
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, frozenset):
        return " ".join(sorted(value))
    return str(value)
