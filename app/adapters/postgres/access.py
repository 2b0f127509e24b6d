"""Users, sessions, login links and login attempts in Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from app.adapters.postgres.access_tables import login_attempts, login_links, sessions, users
from app.adapters.postgres.column_types import Moment
from app.adapters.postgres.transaction import Row, Transaction
from app.domain.access import LoginAttempt, LoginLink, Role, Session, User
from app.ports import AccessRepository


def _text(name: str) -> sa.BindParameter[str]:
    return sa.bindparam(name, type_=sa.Text)


def _moment(name: str) -> sa.BindParameter[datetime]:
    return sa.bindparam(name, type_=Moment)


def _values(table: sa.Table, *left_out: str) -> dict[str, sa.BindParameter[Any]]:
    return {
        column.name: sa.bindparam(column.name, type_=column.type) for column in table.c if column.name not in left_out
    }


_ADD_USER = pg.insert(users).values(_values(users)).on_conflict_do_nothing().returning(users.c.name)
_USER = sa.select(users).where(users.c.name == _text("of_name"))
_USERS = sa.select(users).order_by(users.c.name)
_SAVE_PASSWORD = (
    sa.update(users)
    .where(users.c.name == _text("of_name"))
    .values(password_hash=_text("new_hash"), password_changed_at=_moment("now"))
)
_REMOVE_USER = sa.delete(users).where(users.c.name == _text("of_name"))
_ADD_LINK = sa.insert(login_links).values(_values(login_links))
# Deleting is using: of two who come at once, the second finds nothing.
_USE_LINK = (
    sa.delete(login_links)
    .where(login_links.c.link_hash == _text("of_hash"), login_links.c.expires_at > _moment("now"))
    .returning(login_links)
)
_ADD_SESSION = sa.insert(sessions).values(_values(sessions))
_SESSION = sa.select(sessions).where(sessions.c.session_hash == _text("of_hash"))
_SEE_SESSION = sa.update(sessions).where(sessions.c.session_hash == _text("of_hash")).values(seen_at=_moment("now"))
_END_SESSION = sa.delete(sessions).where(sessions.c.session_hash == _text("of_hash"))
_END_SESSIONS_OF = sa.delete(sessions).where(sessions.c.name == _text("of_name")).returning(sessions.c.session_hash)
_END_LINKS_OF = sa.delete(login_links).where(login_links.c.name == _text("of_name"))
_ADD_ATTEMPT = sa.insert(login_attempts).values(_values(login_attempts, "number")).returning(login_attempts.c.number)
_FORGET_ATTEMPT = sa.delete(login_attempts).where(
    login_attempts.c.number == sa.bindparam("of_number", type_=sa.BigInteger)
)
_IS_NAME = login_attempts.c.name == _text("the_name")
_IS_ADDRESS = login_attempts.c.address == _text("the_address")
_ATTEMPTS = sa.select(
    sa.func.count().filter(sa.and_(_IS_NAME, _IS_ADDRESS)).label("of_both"),
    sa.func.count().filter(_IS_ADDRESS).label("from_address"),
    sa.func.count().filter(_IS_NAME).label("of_name"),
).where(login_attempts.c.at > _moment("since"))
_FORGET = (
    sa.delete(sessions).where(sa.or_(sessions.c.expires_at <= _moment("now"), sessions.c.seen_at <= _moment("seen"))),
    sa.delete(login_links).where(login_links.c.expires_at <= _moment("now")),
    sa.delete(login_attempts).where(login_attempts.c.at <= _moment("attempts")),
)


class PostgresAccess(AccessRepository):
    """`app.ports.AccessRepository` on one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def add_user(self, user: User) -> bool:
        return self._transaction.row(_ADD_USER, asdict(user) | {"role": user.role.value}) is not None

    def user(self, name: str) -> User | None:
        row = self._transaction.row(_USER, {"of_name": name})
        return None if row is None else _user(row)

    def users(self) -> Sequence[User]:
        """By name."""
        return [_user(row) for row in self._transaction.rows(_USERS)]

    def save_password(self, name: str, password_hash: str, *, now: datetime) -> bool:
        done = self._transaction.run(_SAVE_PASSWORD, {"of_name": name, "new_hash": password_hash, "now": now})
        return done.rowcount == 1

    def remove_user(self, name: str) -> bool:
        return self._transaction.run(_REMOVE_USER, {"of_name": name}).rowcount == 1

    def add_link(self, link: LoginLink) -> None:
        self._transaction.run(_ADD_LINK, asdict(link) | {"role": link.role.value})

    def use_link(self, link_hash: str, *, now: datetime) -> LoginLink | None:
        """The link, which is gone from now on."""
        row = self._transaction.row(_USE_LINK, {"of_hash": link_hash, "now": now})
        return None if row is None else LoginLink(**_named(row))

    def add_session(self, session: Session) -> None:
        self._transaction.run(_ADD_SESSION, asdict(session) | {"role": session.role.value})

    def session(self, session_hash: str) -> Session | None:
        row = self._transaction.row(_SESSION, {"of_hash": session_hash})
        return None if row is None else Session(**_named(row))

    def see_session(self, session_hash: str, *, now: datetime) -> None:
        self._transaction.run(_SEE_SESSION, {"of_hash": session_hash, "now": now})

    def end_session(self, session_hash: str) -> bool:
        return self._transaction.run(_END_SESSION, {"of_hash": session_hash}).rowcount == 1

    def end_access_of(self, name: str) -> Sequence[str]:
        """Every session of that name, and every unused link to one."""
        self._transaction.run(_END_LINKS_OF, {"of_name": name})
        return [row.session_hash for row in self._transaction.rows(_END_SESSIONS_OF, {"of_name": name})]

    def add_login_attempt(self, attempt: LoginAttempt) -> int:
        return int(self._transaction.value(_ADD_ATTEMPT, asdict(attempt)))

    def forget_login_attempt(self, number: int) -> None:
        self._transaction.run(_FORGET_ATTEMPT, {"of_number": number})

    def login_attempts(self, *, name: str, address: str, since: datetime) -> tuple[int, int, int]:
        """Of this name from this address; from this address; of this name."""
        [row] = self._transaction.rows(_ATTEMPTS, {"the_name": name, "the_address": address, "since": since})
        return row.of_both, row.from_address, row.of_name

    def forget_access_before(self, *, now: datetime, seen_before: datetime, attempts_before: datetime) -> None:
        sessions_over, links_over, attempts_over = _FORGET
        self._transaction.run(sessions_over, {"now": now, "seen": seen_before})
        self._transaction.run(links_over, {"now": now})
        self._transaction.run(attempts_over, {"attempts": attempts_before})


def _user(row: Row) -> User:
    return User(**_named(row))


def _named(row: Row) -> dict[str, Any]:
    return {**row._mapping, "role": Role(row.role)}
