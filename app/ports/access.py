"""Where users, sessions and login links are kept, and how passwords are hashed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from app.domain.access import LoginAttempt, LoginLink, Session, User


class AccessRepository(Protocol):
    """People and their browsers. Secrets come in as hashes."""

    def add_user(self, user: User) -> bool:
        """False when there is a user of that name."""
        ...

    def user(self, name: str) -> User | None: ...

    def users(self) -> Sequence[User]:
        """By name."""
        ...

    def save_password(self, name: str, password_hash: str, *, now: datetime) -> bool:
        """False when there is no such user."""
        ...

    def remove_user(self, name: str) -> bool:
        """False when there is no such user."""
        ...

    def add_link(self, link: LoginLink) -> None: ...

    def use_link(self, link_hash: str, *, now: datetime) -> LoginLink | None:
        """The link, which is gone from now on; None when it was never made, was used, or is past its time."""
        ...

    def add_session(self, session: Session) -> None: ...

    def session(self, session_hash: str) -> Session | None: ...

    def see_session(self, session_hash: str, *, now: datetime) -> None:
        """Note that it is in use."""
        ...

    def end_session(self, session_hash: str) -> bool:
        """False when there is no such session."""
        ...

    def end_access_of(self, name: str) -> Sequence[str]:
        """End every session of that name, and every unused link to one; the hashes of the sessions."""
        ...

    def add_login_attempt(self, attempt: LoginAttempt) -> int:
        """Its number."""
        ...

    def forget_login_attempt(self, number: int) -> None: ...

    def login_attempts(self, *, name: str, address: str, since: datetime) -> tuple[int, int, int]:
        """How many since, of this name from this address; from this address; of this name."""
        ...

    def forget_access_before(self, *, now: datetime, seen_before: datetime, attempts_before: datetime) -> None:
        """Sessions and links past their time, sessions not seen since, and old login attempts."""
        ...


class Passwords(Protocol):
    """Slow, salted hashes; a call may take a tenth of a second and tens of MiB."""

    def hash(self, password: str) -> str: ...

    def verify(self, password_hash: str, password: str) -> bool: ...

    def is_outdated(self, password_hash: str) -> bool:
        """Whether it was made with weaker parameters than are used today."""
        ...
