"""Users, sessions and links: what the use cases rely on, for the fake and for Postgres."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain.access import LoginAttempt, LoginLink, Role, Session, User
from app.ports import UnitOfWorkFactory
from tests.contract.unit_of_work_values import NOW

HOUR = timedelta(hours=1)


def user(name: str = "olga") -> User:
    return User(name=name, role=Role.OPERATE, password_hash="hash", created_at=NOW, password_changed_at=NOW)


def session(key: str, name: str = "olga") -> Session:
    return Session(session_hash=key, name=name, role=Role.READ, created_at=NOW, seen_at=NOW, expires_at=NOW + 2 * HOUR)


def link(key: str, name: str = "olga") -> LoginLink:
    return LoginLink(link_hash=key, name=name, role=Role.READ, created_at=NOW, expires_at=NOW + HOUR)


def test_a_user_is_there_once_and_can_change_and_go(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        assert uow.access.add_user(user("rita"))
        assert uow.access.add_user(user())
        uow.commit()
    with begin() as uow:
        assert not uow.access.add_user(user())
        assert uow.access.users() == [user(), user("rita")]
        assert uow.access.save_password("olga", "new", now=NOW + HOUR)
        assert not uow.access.save_password("nobody", "new", now=NOW)
        uow.commit()
    with begin() as uow:
        changed = uow.access.user("olga")
        assert changed is not None
        assert (changed.password_hash, changed.password_changed_at) == ("new", NOW + HOUR)
        assert uow.access.remove_user("olga")
        assert not uow.access.remove_user("olga")
        assert uow.access.user("olga") is None


def test_a_session_is_seen_and_ends(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        uow.access.add_session(session("a"))
        uow.commit()
    with begin() as uow:
        assert uow.access.session("a") == session("a")
        assert uow.access.session("b") is None
        uow.access.see_session("a", now=NOW + HOUR)
        seen = uow.access.session("a")
        assert seen is not None
        assert seen.seen_at == NOW + HOUR
        assert uow.access.end_session("a")
        assert not uow.access.end_session("a")
        assert uow.access.session("a") is None


def test_a_link_is_used_once_and_not_after_its_time(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        uow.access.add_link(link("a"))
        uow.access.add_link(link("b"))
        uow.commit()
    with begin() as uow:
        assert uow.access.use_link("a", now=NOW) == link("a")
        assert uow.access.use_link("a", now=NOW) is None
        assert uow.access.use_link("b", now=NOW + HOUR) is None
        assert uow.access.use_link("never", now=NOW) is None


def test_all_access_of_a_name_ends_at_once_and_nobody_elses(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        for each in (session("a"), session("b"), session("c", "rita")):
            uow.access.add_session(each)
        uow.access.add_link(link("a"))
        uow.access.add_link(link("b", "rita"))
        assert sorted(uow.access.end_access_of("olga")) == ["a", "b"]
        assert uow.access.session("c") is not None
        assert uow.access.use_link("a", now=NOW) is None
        assert uow.access.use_link("b", now=NOW) is not None


def test_attempts_are_counted_by_name_and_by_address(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        for name, address, at in (
            ("olga", "1.1.1.1", NOW - HOUR),
            ("olga", "1.1.1.1", NOW),
            ("olga", "2.2.2.2", NOW),
            ("rita", "1.1.1.1", NOW),
            ("rita", "3.3.3.3", NOW),
        ):
            number = uow.access.add_login_attempt(LoginAttempt(name=name, address=address, at=at))
        since = NOW - timedelta(minutes=5)
        assert uow.access.login_attempts(name="olga", address="1.1.1.1", since=since) == (1, 2, 2)
        assert uow.access.login_attempts(name="rita", address="3.3.3.3", since=since) == (1, 1, 2)
        uow.access.forget_login_attempt(number)
        assert uow.access.login_attempts(name="rita", address="3.3.3.3", since=since) == (0, 0, 1)


@pytest.mark.parametrize(("now", "left"), [(NOW + HOUR / 2, (1, 1)), (NOW + HOUR, (1, 0)), (NOW + 2 * HOUR, (0, 0))])
def test_what_is_over_is_forgotten(begin: UnitOfWorkFactory, now: object, left: tuple[int, int]) -> None:
    with begin() as uow:
        uow.access.add_session(session("a"))
        uow.access.add_link(link("a"))
        uow.access.add_login_attempt(LoginAttempt(name="olga", address="1.1.1.1", at=NOW))
        uow.access.forget_access_before(now=now, seen_before=NOW - HOUR, attempts_before=NOW)  # type: ignore[arg-type]
        assert (uow.access.session("a") is not None, uow.access.use_link("a", now=NOW) is not None) == tuple(
            map(bool, left)
        )
        assert uow.access.login_attempts(name="olga", address="1.1.1.1", since=NOW - HOUR) == (0, 0, 0)


def test_a_session_that_nobody_used_is_forgotten(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        uow.access.add_session(session("a"))
        uow.access.forget_access_before(now=NOW, seen_before=NOW, attempts_before=NOW)
        assert uow.access.session("a") is None
