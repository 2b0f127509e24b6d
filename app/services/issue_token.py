"""Issue an API token or a webhook's secret: shown once, stored as a hash; list them, revoke them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from app.domain.access import HOOK, SCOPES, Token
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

    def __call__(self, *, name: str, scopes: Sequence[str], lifetime: timedelta | None = None) -> str:
        """The token; `UnknownScopeError` or `ValueError` for what cannot be granted. No lifetime, no end."""
        unknown = sorted(set(scopes) - SCOPES)
        if unknown or not scopes:
            raise UnknownScopeError(f"unknown scope {unknown or 'none given'}; there are {sorted(SCOPES)}")
        token = f"qt_{self.random_text()}"
        self._keep(token, name=name, scopes=sorted(set(scopes)), lifetime=lifetime, action="token_created")
        return token

    def hook(self, *, name: str, lifetime: timedelta | None = None) -> str:
        """The secret of a webhook's address, which opens nothing else; `ValueError` for what cannot be granted."""
        secret = self.random_text()
        self._keep(secret, name=name, scopes=[HOOK], lifetime=lifetime, action="hook_created")
        return secret

    def _keep(self, secret: str, *, name: str, scopes: Sequence[str], lifetime: timedelta | None, action: str) -> None:
        if not 1 <= len(name) <= NAME_LENGTH_MAX or not name.isprintable():
            raise ValueError(f"a name has 1 to {NAME_LENGTH_MAX} printable characters")
        if lifetime is not None and lifetime <= timedelta():
            raise ValueError("a lifetime has to be longer than nothing")
        now = self.clock.now()
        with self.unit_of_work() as uow:
            if uow.access.user(name) is not None:
                raise ValueError(f"{name} is a user: the audit could not tell them apart")
            expires_at = None if lifetime is None else now + lifetime
            uow.control.add_token(
                name=name, token_hash=hash_token(secret), scopes=scopes, now=now, expires_at=expires_at
            )
            detail = {"name": name, "scopes": list(scopes), "expires_at": expires_at and expires_at.isoformat()}
            uow.control.audit(at=now, actor="cli", action=action, reason="", detail=detail)
            uow.commit()


@dataclass(frozen=True, slots=True)
class ManageTokens:
    """Use cases of `./qt token list` and `./qt token revoke`."""

    unit_of_work: UnitOfWorkFactory
    clock: Clock

    def list(self) -> Sequence[Token]:
        """Every one that was ever issued."""
        with self.unit_of_work() as uow:
            return uow.control.tokens()

    def revoke(self, name: str, *, mark: str | None = None) -> int:
        """How many were revoked; web processes notice within seconds."""
        now = self.clock.now()
        with self.unit_of_work() as uow:
            count = uow.control.revoke_tokens(name, mark=mark, now=now)
            if count:
                detail = {"name": name, "count": count}
                uow.control.audit(at=now, actor="cli", action="tokens_revoked", reason="", detail=detail)
                uow.commit()
        return count
