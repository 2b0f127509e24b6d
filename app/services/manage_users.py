"""People who may log in: add, list, remove, change a password, make a link; each change audited."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from app.domain.access import RESERVED_NAMES, LoginLink, Role, User
from app.ports import Clock, Passwords, UnitOfWorkFactory
from app.services.issue_token import hash_token

PASSWORD_CHARACTERS_MIN = 12
PASSWORD_CHARACTERS_MAX = 1_024
LINK_SECONDS_MAX = 3_600
OWNER = "operator"  # whoever holds the state directory
ACTOR = "cli"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)


class UserError(ValueError):
    """What was asked for cannot be done; the message says why."""


@dataclass(frozen=True, slots=True)
class ManageUsers:
    """Use cases of `./qt user` and `./qt login-link`. Whoever changes or loses a password is logged out everywhere."""

    unit_of_work: UnitOfWorkFactory
    clock: Clock
    passwords: Passwords
    random_text: Callable[[], str]

    def add(self, *, name: str, role: Role, password: str) -> None:
        """Raises `UserError` for a name that is taken or unusable, or a password that is too short."""
        if not _NAME.fullmatch(name):
            raise UserError("a name has 1 to 64 letters, digits, dots, dashes, underscores or @")
        if name.lower() in RESERVED_NAMES:
            raise UserError(f"the name {name} is the system's own")
        password_hash = self._hash(password)
        now = self.clock.now()
        user = User(name=name, role=role, password_hash=password_hash, created_at=now, password_changed_at=now)
        with self.unit_of_work() as uow:
            if any(token.name == name for token in uow.control.tokens()):
                raise UserError(f"a token has the name {name}: the audit could not tell them apart")
            if not uow.access.add_user(user):
                raise UserError(f"there is a user {name}")
            detail = {"name": name, "role": role.value}
            uow.control.audit(at=now, actor=ACTOR, action="user_added", reason="", detail=detail)
            uow.commit()

    def list(self) -> Sequence[User]:
        """By name."""
        with self.unit_of_work() as uow:
            return uow.access.users()

    def remove(self, name: str) -> None:
        """Raises `UserError` when there is no such user."""
        with self.unit_of_work() as uow:
            if not uow.access.remove_user(name):
                raise UserError(f"there is no user {name}")
            ended = uow.access.end_access_of(name)
            detail = {"name": name, "sessions_ended": len(ended)}
            uow.control.audit(at=self.clock.now(), actor=ACTOR, action="user_removed", reason="", detail=detail)
            uow.commit()

    def set_password(self, *, name: str, password: str) -> None:
        """Raises `UserError` when there is no such user, or the password is too short."""
        password_hash = self._hash(password)
        now = self.clock.now()
        with self.unit_of_work() as uow:
            if not uow.access.save_password(name, password_hash, now=now):
                raise UserError(f"there is no user {name}")
            ended = uow.access.end_access_of(name)
            detail = {"name": name, "sessions_ended": len(ended)}
            uow.control.audit(at=now, actor=ACTOR, action="password_changed", reason="", detail=detail)
            uow.commit()

    def make_link(self, name: str | None = None) -> str:
        """The secret of a link that logs in once as that user; None: as the machine's own operator, who may all.

        Raises `UserError` when there is no such user.
        """
        secret = self.random_text()
        now = self.clock.now()
        with self.unit_of_work() as uow:
            user = None if name is None else uow.access.user(name)
            if name is not None and user is None:
                raise UserError(f"there is no user {name}")
            link = LoginLink(
                link_hash=hash_token(secret),
                name=name or OWNER,
                role=Role.OPERATE if user is None else user.role,
                created_at=now,
                expires_at=now + timedelta(seconds=LINK_SECONDS_MAX),
            )
            uow.access.add_link(link)
            uow.control.audit(at=now, actor=ACTOR, action="login_link_made", reason="", detail={"name": link.name})
            uow.commit()
        return secret

    def make_first_link(self) -> str | None:
        """A link for the operator of a system that nobody can log in to yet; None once there are users."""
        with self.unit_of_work() as uow:
            if uow.access.users():
                return None
        return self.make_link()

    def _hash(self, password: str) -> str:
        if not PASSWORD_CHARACTERS_MIN <= len(password) <= PASSWORD_CHARACTERS_MAX:
            raise UserError(f"a password has {PASSWORD_CHARACTERS_MIN} to {PASSWORD_CHARACTERS_MAX} characters")
        return self.passwords.hash(password)
