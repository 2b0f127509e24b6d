"""Users, sessions and login links in memory; passwords without the waiting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from app.domain.access import LoginAttempt, LoginLink, Session, User


@dataclass
class AccessState:
    """The tables; values are frozen."""

    users: dict[str, User] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    links: dict[str, LoginLink] = field(default_factory=dict)
    attempts: dict[int, LoginAttempt] = field(default_factory=dict)
    attempts_drawn: int = 0

    def copy(self) -> AccessState:
        return AccessState(
            self.users.copy(), self.sessions.copy(), self.links.copy(), self.attempts.copy(), self.attempts_drawn
        )


class FakeAccess:
    """`app.ports.AccessRepository`."""

    def __init__(self, state: Callable[[], AccessState]) -> None:
        self._state_of = state

    @property
    def _state(self) -> AccessState:
        return self._state_of()

    def add_user(self, user: User) -> bool:
        return self._state.users.setdefault(user.name, user) is user

    def user(self, name: str) -> User | None:
        return self._state.users.get(name)

    def users(self) -> Sequence[User]:
        return [user for _, user in sorted(self._state.users.items())]

    def save_password(self, name: str, password_hash: str, *, now: datetime) -> bool:
        user = self._state.users.get(name)
        if user is None:
            return False
        self._state.users[name] = replace(user, password_hash=password_hash, password_changed_at=now)
        return True

    def remove_user(self, name: str) -> bool:
        return self._state.users.pop(name, None) is not None

    def add_link(self, link: LoginLink) -> None:
        self._state.links[link.link_hash] = link

    def use_link(self, link_hash: str, *, now: datetime) -> LoginLink | None:
        link = self._state.links.get(link_hash)
        if link is None or link.expires_at <= now:
            return None
        return self._state.links.pop(link_hash)

    def add_session(self, session: Session) -> None:
        self._state.sessions[session.session_hash] = session

    def session(self, session_hash: str) -> Session | None:
        return self._state.sessions.get(session_hash)

    def see_session(self, session_hash: str, *, now: datetime) -> None:
        session = self._state.sessions.get(session_hash)
        if session is not None:
            self._state.sessions[session_hash] = replace(session, seen_at=now)

    def end_session(self, session_hash: str) -> bool:
        return self._state.sessions.pop(session_hash, None) is not None

    def end_access_of(self, name: str) -> Sequence[str]:
        state = self._state
        state.links = {key: link for key, link in state.links.items() if link.name != name}
        ended = [key for key, session in state.sessions.items() if session.name == name]
        for key in ended:
            del state.sessions[key]
        return ended

    def add_login_attempt(self, attempt: LoginAttempt) -> int:
        self._state.attempts_drawn += 1
        self._state.attempts[self._state.attempts_drawn] = attempt
        return self._state.attempts_drawn

    def forget_login_attempt(self, number: int) -> None:
        self._state.attempts.pop(number, None)

    def login_attempts(self, *, name: str, address: str, since: datetime) -> tuple[int, int, int]:
        found = [each for each in self._state.attempts.values() if each.at > since]
        by_name = [each for each in found if each.name == name]
        by_address = [each for each in found if each.address == address]
        return len([each for each in by_name if each.address == address]), len(by_address), len(by_name)

    def forget_access_before(self, *, now: datetime, seen_before: datetime, attempts_before: datetime) -> None:
        state = self._state
        state.sessions = {
            key: each for key, each in state.sessions.items() if each.expires_at > now and each.seen_at > seen_before
        }
        state.links = {key: each for key, each in state.links.items() if each.expires_at > now}
        state.attempts = {key: each for key, each in state.attempts.items() if each.at > attempts_before}


class FakePasswords:
    """`app.ports.Passwords`; hashes of an older `generation` are outdated. Counts what was asked of it."""

    def __init__(self, generation: int = 1) -> None:
        self.generation = generation
        self.verified = 0

    def hash(self, password: str) -> str:
        return f"{self.generation}:{password[::-1]}"

    def verify(self, password_hash: str, password: str) -> bool:
        self.verified += 1
        return password_hash.partition(":")[2] == password[::-1]

    def is_outdated(self, password_hash: str) -> bool:
        return not password_hash.startswith(f"{self.generation}:")
