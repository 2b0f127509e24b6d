"""Whose session a cookie names, and the end of it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.access import Session
from app.ports import Clock, DatabaseUnavailableError, UnitOfWorkFactory
from app.services.issue_token import hash_token

SESSION_SECONDS_MAX = 43_200  # a working day
SESSION_IDLE_SECONDS_MAX = 7_200  # an open dashboard uses its session; a closed one is logged out after this
SEEN_EVERY_SECONDS = 60  # how exactly idleness is known
CACHE_SECONDS = 5
OUTAGE_SECONDS_MAX = 600  # a session known before Postgres went away: what needs no Postgres goes on
ENTRIES_MAX = 1_000


@dataclass(frozen=True, slots=True)
class _Known:
    session: Session
    read_at: datetime


class Sessions:
    """Thread-safe and bounded. Raises `DatabaseUnavailableError` for sessions not seen shortly before an outage."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}

    def __call__(self, secret: str) -> Session | None:
        """The session, or None for one that was never begun, has ended, has expired or was idle for too long."""
        key = hash_token(secret)
        now = self._clock.now()
        with self._lock:
            known = self._known.get(key)
        if known is not None and now - known.read_at < timedelta(seconds=CACHE_SECONDS):
            return self._if_alive(known.session, now)
        try:
            session = self._read(key, now)
        except DatabaseUnavailableError:
            if known is not None and now - known.read_at < timedelta(seconds=OUTAGE_SECONDS_MAX):
                return self._if_alive(known.session, now)
            raise
        with self._lock:
            self._known.pop(key, None)
            if session is not None:
                if len(self._known) >= ENTRIES_MAX:
                    self._known.pop(next(iter(self._known)))
                self._known[key] = _Known(session, now)
        return session

    def end(self, secret: str) -> None:
        """Log out; ending what has ended changes nothing."""
        key = hash_token(secret)
        with self._unit_of_work() as uow:
            session = uow.access.session(key)
            if session is not None and uow.access.end_session(key):
                now = self._clock.now()
                uow.control.audit(at=now, actor=session.name, action="logout", reason="", detail={})
                uow.commit()
        self.forget(secret)

    def forget(self, secret: str) -> None:
        """Remember nothing of a session that was ended elsewhere."""
        with self._lock:
            self._known.pop(hash_token(secret), None)

    def _read(self, key: str, now: datetime) -> Session | None:
        with self._unit_of_work() as uow:
            session = uow.access.session(key)
            if session is None or self._if_alive(session, now) is None:
                return None
            if now - session.seen_at >= timedelta(seconds=SEEN_EVERY_SECONDS):
                uow.access.see_session(key, now=now)
                uow.commit()
                return replace(session, seen_at=now)
        return session

    @staticmethod
    def _if_alive(session: Session, now: datetime) -> Session | None:
        is_idle = now - session.seen_at >= timedelta(seconds=SESSION_IDLE_SECONDS_MAX)
        return None if is_idle or now >= session.expires_at else session
