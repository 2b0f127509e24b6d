"""What this machine remembers of tokens, for the time in which Postgres cannot be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownToken:
    """Who holds a token, what it permits and until when (None: without end), as Postgres said at `verified_at`."""

    name: str
    scopes: frozenset[str]
    verified_at: datetime
    expires_at: datetime | None


class TokenMemory(Protocol):
    """Tokens by their hash; never a token itself. Neither call raises: a memory that fails is one that is empty."""

    def recall(self) -> Mapping[str, KnownToken]:
        """All that is remembered, also by an earlier process of this machine."""
        ...

    def keep(self, tokens: Mapping[str, KnownToken]) -> None:
        """Remember these and nothing else."""
        ...
