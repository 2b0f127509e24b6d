"""Who may do what: roles of people, and the words that programs' tokens use for the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

READ, SIGNALS, OPERATE = "read", "signals", "operate"
SCOPES = frozenset({READ, SIGNALS, OPERATE})
# Of the secret in a webhook's address, which its sender cannot hide as well as a header: good for that hook alone.
HOOK = "hook"

# Names that stand for the machine's own operator and for its commands; a user of that name could pass for them.
RESERVED_NAMES = frozenset({"operator", "cli", "set-up"})


class Role(StrEnum):
    """What a person may do; each includes the one before it. (A token's scopes are granted one by one.)"""

    READ = "read"
    SIGNALS = "signals"
    OPERATE = "operate"

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes that the API asks for."""
        ladder = tuple(Role)
        return frozenset(role.value for role in ladder[: ladder.index(self) + 1])


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person who logs in with a password."""

    name: str
    role: Role
    password_hash: str
    created_at: datetime
    password_changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One browser that is logged in; known by the hash of the secret in its cookie."""

    session_hash: str
    name: str
    role: Role
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginLink:
    """A link that logs in once, as `name`."""

    link_hash: str
    name: str
    role: Role
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginAttempt:
    """A try to log in with a password that did not succeed, or has not yet."""

    name: str
    address: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedIn:
    """A new session; `secret` goes into the cookie and is kept nowhere."""

    secret: str = field(repr=False)
    session: Session


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRefused:
    """Not logged in; `retry_after_seconds` when it was tried too often, else the credentials are wrong."""

    retry_after_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What may be told of a token: never itself. `mark` tells tokens of one name apart."""

    name: str
    mark: str
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def is_good(self, now: datetime) -> bool:
        """Whether it still opens anything."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)
