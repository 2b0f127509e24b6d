"""The current policy, read from Postgres at most every few seconds; what cannot be refreshed grows old and says so."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import structlog

from app.domain.policy import PolicyVersion
from app.ports import Clock, DatabaseUnavailableError, UnitOfWorkFactory, UnreadablePolicyError

log = structlog.get_logger(__name__)

CACHE_SECONDS = 5


class PolicyCache:
    """Thread-safe. `current` returns None before any policy was ever read; `loaded_at` tells how old the answer is.

    A decision never trusts it alone: the emergency stop's row, which every decision locks, names the newest version,
    and one that the cache does not hold is read in the deciding transaction (`gather_facts`). So nothing has to be told
    to any worker when a policy changes, and nothing is lost when Redis is away.
    """

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._lock = threading.Lock()
        self._version: PolicyVersion | None = None

    def current(self) -> PolicyVersion | None:
        """The newest version known; refreshed when older than `CACHE_SECONDS`, else the old one when that fails.

        None also when what is stored cannot be read: a policy that nobody understands permits nothing.
        """
        with self._lock:
            known = self._version
            now = self._clock.now()
            if known is not None:
                age = now - known.loaded_at
                if timedelta(0) <= age < timedelta(seconds=CACHE_SECONDS):
                    return known
                if age > timedelta(seconds=known.policy.policy_age_seconds_max):
                    log.warning("policy_refresh_forced", version=known.version, age_seconds=age.total_seconds())
            try:
                with self._unit_of_work() as uow:
                    self._version = uow.control.current_policy(now=now)
            except DatabaseUnavailableError as error:
                # The gate on the policy's age decides how long an old policy may still be used.
                log.warning("policy_not_refreshed", error=str(error), loaded_at=known and known.loaded_at.isoformat())
            except UnreadablePolicyError as error:
                log.error("policy_unreadable", error=str(error))  # noqa: TRY400 (the sentence says it all)
                self._version = None
            return self._version

    @property
    def loaded_at(self) -> datetime | None:
        """When what is held was read; None when nothing is. Reads nothing."""
        known = self._version
        return None if known is None else known.loaded_at

    def invalidate(self) -> None:
        """Forget, so that the next `current` reads."""
        with self._lock:
            self._version = None
