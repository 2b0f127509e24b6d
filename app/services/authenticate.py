"""Who a bearer token belongs to, and what it may do."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.ports import Clock, DatabaseUnavailableError, KnownToken, TokenMemory, UnitOfWorkFactory
from app.services.issue_token import hash_token

CACHE_SECONDS = 5
# A token that was good before Postgres went away stays good this long, so that intake can spool; nobody can revoke
# one meanwhile, for that is a row in Postgres.
OUTAGE_SECONDS_MAX = 3_600
# How old the machine's memory of a token may grow while Postgres answers: a successor of this process starts from it.
KEEP_SECONDS = 60
ENTRIES_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Principal:
    """The holder of a token."""

    name: str
    scopes: frozenset[str]


class Authenticator:
    """Thread-safe and bounded. Raises `DatabaseUnavailableError` only in an outage, for tokens that no process of this
    machine has seen Postgres accept within `OUTAGE_SECONDS_MAX`."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock, memory: TokenMemory) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._memory = memory
        self._lock = threading.Lock()
        self._known: dict[str, KnownToken] | None = None  # the one verified longest ago first
        self._kept: dict[str, KnownToken] = {}  # as the memory has it

    def __call__(self, token: str) -> Principal | None:
        """The principal, or None for a token that was never issued, was revoked or has expired."""
        key = hash_token(token)
        now = self._clock.now()
        known = self._recalled(key)
        if known is not None and known.expires_at is not None and known.expires_at <= now:
            # A token's end is never moved: Postgres need not be asked, and in an outage it could not be.
            return None
        if known is not None and _is_within(now, known.verified_at, CACHE_SECONDS):
            return Principal(known.name, known.scopes)
        try:
            with self._unit_of_work() as uow:
                found = uow.control.token_scopes(key, now=now)
        except DatabaseUnavailableError:
            if known is not None and _is_within(now, known.verified_at, OUTAGE_SECONDS_MAX):
                return Principal(known.name, known.scopes)
            raise
        if found is None:
            self._forget(key)
            return None
        name, scopes, expires_at = found
        self._remember(key, KnownToken(name=name, scopes=scopes, verified_at=now, expires_at=expires_at))
        return Principal(name, scopes)

    def _recalled(self, key: str) -> KnownToken | None:
        with self._lock:
            if self._known is None:
                self._kept = dict(self._memory.recall())
                self._known = dict(sorted(self._kept.items(), key=lambda item: item[1].verified_at)[-ENTRIES_MAX:])
            return self._known.get(key)

    def _remember(self, key: str, token: KnownToken) -> None:
        with self._lock:
            known = self._known if self._known is not None else {}
            known.pop(key, None)
            if len(known) >= ENTRIES_MAX:
                del known[next(iter(known))]
            known[key] = token
            kept = self._kept.get(key)
            if (
                kept is None
                or (kept.scopes, kept.expires_at) != (token.scopes, token.expires_at)
                or not _is_within(token.verified_at, kept.verified_at, KEEP_SECONDS)
            ):
                self._keep(known)

    def _forget(self, key: str) -> None:
        with self._lock:
            known = self._known if self._known is not None else {}
            known.pop(key, None)
            if key in self._kept:
                self._keep(known)  # what was revoked must not come back with the next outage

    def _keep(self, known: dict[str, KnownToken]) -> None:
        self._kept = dict(known)
        self._memory.keep(self._kept)


def _is_within(now: datetime, moment: datetime, seconds: int) -> bool:
    """Neither older than that nor, by a clock that was set back, from the future."""
    return timedelta(0) <= now - moment < timedelta(seconds=seconds)
