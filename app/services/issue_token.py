"""Issue an API token: shown once, stored as a hash."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.domain.access import SCOPES
from app.ports import Clock, UnitOfWorkFactory

NAME_LENGTH_MAX = 64


class UnknownScopeError(ValueError):
    """A scope that does not exist was asked for."""


def hash_token(token: str) -> str:
    """SHA-256 in hex. A token carries 256 random bits, so a slow hash would protect nothing more."""
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class IssueToken:
    """Use case of `./qt token create`; `random_text` gives at least 256 bits of randomness as URL-safe text."""

    unit_of_work: UnitOfWorkFactory
    clock: Clock
    random_text: Callable[[], str]

    def __call__(self, *, name: str, scopes: Sequence[str]) -> str:
        """The token; `UnknownScopeError` or `ValueError` for what cannot be granted."""
        unknown = sorted(set(scopes) - SCOPES)
        if unknown or not scopes:
            raise UnknownScopeError(f"unknown scope {unknown or 'none given'}; there are {sorted(SCOPES)}")
        if not 1 <= len(name) <= NAME_LENGTH_MAX:
            raise ValueError(f"a name has 1 to {NAME_LENGTH_MAX} characters")
        token = f"qt_{self.random_text()}"
        now = self.clock.now()
        with self.unit_of_work() as uow:
            uow.control.add_token(name=name, token_hash=hash_token(token), scopes=sorted(set(scopes)), now=now)
            uow.control.audit(at=now, actor="cli", action="token_created", reason="", detail={"name": name})
            uow.commit()
        return token
