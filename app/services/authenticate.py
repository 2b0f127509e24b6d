"""Who a bearer token belongs to, and what it may do."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.ports import Clock, DatabaseUnavailableError, UnitOfWorkFactory
from app.services.issue_token import hash_token

CACHE_SECONDS = 5
OUTAGE_SECONDS_MAX = 600  # a token known before Postgres went away stays good this long, so that intake can spool
ENTRIES_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Principal:
    """The holder of a token."""

    name: str
    scopes: frozenset[str]


class Authenticator:
    """Thread-safe and bounded. Raises `DatabaseUnavailableError` only for tokens never seen before an outage."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, tuple[datetime, Principal]] = {}

    def __call__(self, token: str) -> Principal | None:
        """The principal, or None for a token that was never issued, was revoked or has expired."""
        key = hash_token(token)
        now = self._clock.now()
        with self._lock:
            cached = self._known.get(key)
        if cached is not None and now - cached[0] < timedelta(seconds=CACHE_SECONDS):
            return cached[1]
        try:
            with self._unit_of_work() as uow:
                found = uow.control.token_scopes(key, now=now)
        except DatabaseUnavailableError:
            if cached is not None and now - cached[0] < timedelta(seconds=OUTAGE_SECONDS_MAX):
                return cached[1]
            raise
        if found is None:
            with self._lock:
                self._known.pop(key, None)
            return None
        principal = Principal(found[0], found[1])
        with self._lock:
            if len(self._known) >= ENTRIES_MAX:
                self._known.pop(next(iter(self._known)))
            self._known[key] = (now, principal)
        return principal
