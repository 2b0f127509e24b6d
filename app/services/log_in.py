"""Log in: a name and a password, or a link that works once, become a session."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from app.domain.access import LoggedIn, LoginAttempt, LoginRefused, Role, Session
from app.ports import Clock, Passwords, UnitOfWork, UnitOfWorkFactory
from app.services.issue_token import hash_token
from app.services.sessions import SESSION_IDLE_SECONDS_MAX, SESSION_SECONDS_MAX

ATTEMPT_WINDOW_SECONDS = 300
ATTEMPTS_OF_NAME_FROM_ADDRESS_MAX = 5
ATTEMPTS_FROM_ADDRESS_MAX = 20
ATTEMPTS_OF_NAME_MAX = 100  # from wherever: a guess from a thousand addresses is slow too
# Each takes 64 MiB and a core for a tenth of a second: more at a time would take the machine from the orders.
VERIFICATIONS_AT_ONCE_MAX = 2
VERIFICATION_WAIT_SECONDS_MAX = 3.0


@dataclass(frozen=True, slots=True)
class LogIn:
    """Use case of the login page. A session that the browser had before ends: its secret is never used again."""

    unit_of_work: UnitOfWorkFactory
    clock: Clock
    passwords: Passwords
    random_text: Callable[[], str]
    forget_session: Callable[[str], None]
    _verifying: threading.Semaphore = field(
        default_factory=lambda: threading.Semaphore(VERIFICATIONS_AT_ONCE_MAX), repr=False
    )

    def with_password(
        self, *, name: str, password: str, address: str, previous: str | None = None
    ) -> LoggedIn | LoginRefused:
        """A try is counted before the password is looked at, so that no number of tries at once gets past the limit."""
        attempt = self._count(name, address)
        if isinstance(attempt, LoginRefused):
            return attempt
        if not self._verifying.acquire(timeout=VERIFICATION_WAIT_SECONDS_MAX):
            return LoginRefused(retry_after_seconds=1)
        try:
            outcome = self._verify(name, password)
        finally:
            self._verifying.release()
        now = self.clock.now()
        with self.unit_of_work() as uow:
            # Read again: whoever was removed while the hash was computed is not let in.
            user = uow.access.user(name)
            if outcome is None or user is None or user.password_hash != outcome.checked_hash:
                uow.control.audit(at=now, actor=name, action="login_failed", reason="", detail={"address": address})
                uow.commit()
                return LoginRefused()
            uow.access.forget_login_attempt(attempt)
            if outcome.better_hash is not None:
                uow.access.save_password(name, outcome.better_hash, now=user.password_changed_at)
            return self._begin(uow, name=name, role=user.role, how="password", address=address, previous=previous)

    def with_link(self, secret: str, *, address: str, previous: str | None = None) -> LoggedIn | LoginRefused:
        """A link carries 256 random bits and works once."""
        now = self.clock.now()
        with self.unit_of_work() as uow:
            link = uow.access.use_link(hash_token(secret), now=now)
            if link is None:
                return LoginRefused()
            return self._begin(uow, name=link.name, role=link.role, how="link", address=address, previous=previous)

    def _count(self, name: str, address: str) -> int | LoginRefused:
        now = self.clock.now()
        with self.unit_of_work() as uow:
            number = uow.access.add_login_attempt(LoginAttempt(name=name, address=address, at=now))
            uow.commit()
        since = now - timedelta(seconds=ATTEMPT_WINDOW_SECONDS)
        with self.unit_of_work() as uow:
            of_both, from_address, of_name = uow.access.login_attempts(name=name, address=address, since=since)
            if (
                of_both <= ATTEMPTS_OF_NAME_FROM_ADDRESS_MAX
                and from_address <= ATTEMPTS_FROM_ADDRESS_MAX
                and of_name <= ATTEMPTS_OF_NAME_MAX
            ):
                return number
            # Only tries whose password was looked at count: whoever keeps knocking is not kept out for ever.
            uow.access.forget_login_attempt(number)
            uow.commit()
        return LoginRefused(retry_after_seconds=ATTEMPT_WINDOW_SECONDS)

    def _verify(self, name: str, password: str) -> _Verified | None:
        with self.unit_of_work() as uow:
            user = uow.access.user(name)
        if user is None:
            # As slow as a wrong password: how long it takes does not tell which names exist.
            self.passwords.hash(password)
            return None
        if not self.passwords.verify(user.password_hash, password):
            return None
        is_outdated = self.passwords.is_outdated(user.password_hash)
        return _Verified(user.password_hash, self.passwords.hash(password) if is_outdated else None)

    def _begin(
        self, uow: UnitOfWork, *, name: str, role: Role, how: str, address: str, previous: str | None
    ) -> LoggedIn:
        now = self.clock.now()
        secret = self.random_text()
        session = Session(
            session_hash=hash_token(secret),
            name=name,
            role=role,
            created_at=now,
            seen_at=now,
            expires_at=now + timedelta(seconds=SESSION_SECONDS_MAX),
        )
        if previous is not None:
            uow.access.end_session(hash_token(previous))
        uow.access.forget_access_before(
            now=now,
            seen_before=now - timedelta(seconds=SESSION_IDLE_SECONDS_MAX),
            attempts_before=now - timedelta(seconds=ATTEMPT_WINDOW_SECONDS),
        )
        uow.access.add_session(session)
        uow.control.audit(at=now, actor=name, action="login", reason="", detail={"how": how, "address": address})
        uow.commit()
        if previous is not None:
            self.forget_session(previous)
        return LoggedIn(secret=secret, session=session)


@dataclass(frozen=True, slots=True)
class _Verified:
    """The hash that the password fits, and a stronger one when it is outdated."""

    checked_hash: str = field(repr=False)
    better_hash: str | None = field(repr=False)
