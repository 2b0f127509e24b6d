"""Logging in: what a session is worth, how often one may try, and what is left when it ends."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import pytest

from app.domain.access import LoggedIn, LoginRefused, Role
from app.ports import DatabaseUnavailableError
from app.services.log_in import (
    ATTEMPT_WINDOW_SECONDS,
    ATTEMPTS_FROM_ADDRESS_MAX,
    ATTEMPTS_OF_NAME_FROM_ADDRESS_MAX,
    LogIn,
)
from app.services.manage_users import LINK_SECONDS_MAX, ManageUsers, UserError
from app.services.sessions import (
    CACHE_SECONDS,
    OUTAGE_SECONDS_MAX,
    SESSION_IDLE_SECONDS_MAX,
    SESSION_SECONDS_MAX,
    Sessions,
)
from tests.fakes.access import FakePasswords
from tests.fakes.clock import FakeClock
from tests.fakes.postgres import FakeDatabase, FakeUnitOfWorkFactory
from tests.fakes.redis import FakeEvents

PASSWORD = "correct horse battery"
HERE = "127.0.0.1"


@dataclass
class Door:
    """The use cases over one database."""

    database: FakeDatabase = field(default_factory=FakeDatabase)
    clock: FakeClock = field(default_factory=FakeClock)
    passwords: FakePasswords = field(default_factory=FakePasswords)

    def __post_init__(self) -> None:
        begin = FakeUnitOfWorkFactory(self.database, FakeEvents())
        numbers = itertools.count(1)
        self.sessions = Sessions(begin, self.clock)

        def draw() -> str:
            return f"secret-{next(numbers)}"

        self.users = ManageUsers(unit_of_work=begin, clock=self.clock, passwords=self.passwords, random_text=draw)
        self.log_in = LogIn(
            unit_of_work=begin,
            clock=self.clock,
            passwords=self.passwords,
            random_text=draw,
            forget_session=self.sessions.forget,
        )

    def enter(self, name: str = "olga", password: str = PASSWORD, address: str = HERE) -> LoggedIn | LoginRefused:
        return self.log_in.with_password(name=name, password=password, address=address)

    def secret(self) -> str:
        entered = self.enter()
        assert isinstance(entered, LoggedIn)
        return entered.secret

    @property
    def audited(self) -> list[tuple[str, str]]:
        return [(line["actor"], line["action"]) for line in self.database.state.audit]


@pytest.fixture
def door() -> Door:
    made = Door()
    made.users.add(name="olga", role=Role.OPERATE, password=PASSWORD)
    return made


def test_a_password_becomes_a_session_and_is_audited(door: Door) -> None:
    session = door.sessions(door.secret())
    assert session is not None
    assert (session.name, session.role.scopes) == ("olga", {"read", "signals", "operate"})
    assert door.audited == [("cli", "user_added"), ("olga", "login")]


def test_neither_passwords_nor_secrets_are_stored(door: Door) -> None:
    secret = door.secret()
    link = door.users.make_link()
    stored = repr(door.database.state)
    assert secret not in stored
    assert link not in stored
    assert PASSWORD not in stored


@pytest.mark.parametrize(("name", "password"), [("olga", "wrong"), ("nobody", PASSWORD)])
def test_wrong_credentials_are_refused_and_audited(door: Door, name: str, password: str) -> None:
    assert door.enter(name, password) == LoginRefused()
    assert door.audited[-1] == (name, "login_failed")
    assert door.database.state.access.sessions == {}


def test_after_some_wrong_passwords_even_the_right_one_has_to_wait(door: Door) -> None:
    for _ in range(ATTEMPTS_OF_NAME_FROM_ADDRESS_MAX):
        assert door.enter(password="wrong") == LoginRefused()
    looked_at = door.passwords.verified
    for _ in range(3):
        assert door.enter() == LoginRefused(retry_after_seconds=ATTEMPT_WINDOW_SECONDS)
    assert door.passwords.verified == looked_at
    # Somebody else's guesses do not keep the owner out who comes from elsewhere.
    assert isinstance(door.enter(address="10.0.0.7"), LoggedIn)
    door.clock.advance(ATTEMPT_WINDOW_SECONDS)
    assert isinstance(door.enter(), LoggedIn)


def test_one_address_may_not_try_many_names(door: Door) -> None:
    for number in range(ATTEMPTS_FROM_ADDRESS_MAX):
        assert door.enter(f"name-{number}") == LoginRefused()
    assert door.enter() == LoginRefused(retry_after_seconds=ATTEMPT_WINDOW_SECONDS)


def test_logging_in_does_not_count_against_oneself(door: Door) -> None:
    for _ in range(3 * ATTEMPTS_OF_NAME_FROM_ADDRESS_MAX):
        assert isinstance(door.enter(), LoggedIn)


def test_a_link_works_once(door: Door) -> None:
    link = door.users.make_link()
    entered = door.log_in.with_link(link, address=HERE)
    assert isinstance(entered, LoggedIn)
    assert (entered.session.name, entered.session.role) == ("operator", Role.OPERATE)
    assert door.log_in.with_link(link, address=HERE) == LoginRefused()
    assert door.log_in.with_link("secret-0", address=HERE) == LoginRefused()


def test_a_link_of_a_user_is_worth_what_the_user_is(door: Door) -> None:
    door.users.add(name="rita", role=Role.READ, password=PASSWORD)
    entered = door.log_in.with_link(door.users.make_link("rita"), address=HERE)
    assert isinstance(entered, LoggedIn)
    assert (entered.session.name, entered.session.role) == ("rita", Role.READ)
    with pytest.raises(UserError):
        door.users.make_link("nobody")


def test_a_link_has_an_end(door: Door) -> None:
    link = door.users.make_link()
    door.clock.advance(LINK_SECONDS_MAX)
    assert door.log_in.with_link(link, address=HERE) == LoginRefused()


def test_the_first_link_is_made_only_while_nobody_can_log_in(door: Door) -> None:
    assert door.users.make_first_link() is None
    door.users.remove("olga")
    assert door.users.make_first_link() is not None


def test_a_login_ends_the_session_that_the_browser_had(door: Door) -> None:
    old = door.secret()
    assert door.sessions(old) is not None
    new = door.log_in.with_password(name="olga", password=PASSWORD, address=HERE, previous=old)
    assert isinstance(new, LoggedIn)
    assert door.sessions(old) is None
    assert door.sessions(new.secret) is not None


def test_a_session_in_use_lasts_a_day_and_an_idle_one_two_hours(door: Door) -> None:
    idle, used = door.secret(), door.secret()
    for _ in range(SESSION_SECONDS_MAX // 3600 - 1):
        door.clock.advance(3600)
        assert door.sessions(used) is not None
    assert door.sessions(idle) is None
    door.clock.advance(3600)
    assert door.sessions(used) is None
    door.clock.advance(SESSION_IDLE_SECONDS_MAX)
    door.secret()
    assert len(door.database.state.access.sessions) == 1, "sessions that are over are forgotten"


def test_logging_out_ends_the_session_at_once(door: Door) -> None:
    secret = door.secret()
    assert door.sessions(secret) is not None
    door.sessions.end(secret)
    door.sessions.end(secret)
    assert door.sessions(secret) is None
    assert [line for line in door.audited if line[1] == "logout"] == [("olga", "logout")]


@pytest.mark.parametrize("change", ["removed", "password"])
def test_whoever_is_removed_or_gets_a_new_password_is_logged_out(door: Door, change: str) -> None:
    secret, link = door.secret(), door.users.make_link("olga")
    assert door.sessions(secret) is not None
    if change == "removed":
        door.users.remove("olga")
    else:
        door.users.set_password(name="olga", password="another good one")
    door.clock.advance(CACHE_SECONDS)
    assert door.sessions(secret) is None
    assert door.log_in.with_link(link, address=HERE) == LoginRefused()
    assert door.enter() == LoginRefused()


def test_an_outage_logs_nobody_out_for_a_while_and_is_told_to_everybody_else(door: Door) -> None:
    known, unknown = door.secret(), door.secret()
    assert door.sessions(known) is not None
    door.database.is_away = True
    door.clock.advance(CACHE_SECONDS)
    assert door.sessions(known) is not None
    with pytest.raises(DatabaseUnavailableError):
        door.sessions(unknown)
    with pytest.raises(DatabaseUnavailableError):
        door.enter()
    door.clock.advance(OUTAGE_SECONDS_MAX)
    with pytest.raises(DatabaseUnavailableError):
        door.sessions(known)
    door.database.is_away = False
    assert door.sessions(known) is not None


def test_an_outdated_hash_is_made_anew_at_the_next_login(door: Door) -> None:
    door.passwords.generation = 2
    assert isinstance(door.enter(), LoggedIn)
    assert door.database.state.access.users["olga"].password_hash.startswith("2:")
    assert isinstance(door.enter(), LoggedIn)


@pytest.mark.parametrize("name", ["", "operator", "Operator", "cli", "a b", "x" * 65, "-dash", "olga"])
def test_names_that_cannot_be_users(door: Door, name: str) -> None:
    with pytest.raises(UserError):
        door.users.add(name=name, role=Role.READ, password=PASSWORD)


@pytest.mark.parametrize("password", ["", "short", "x" * 1025])
def test_passwords_that_are_none(door: Door, password: str) -> None:
    with pytest.raises(UserError):
        door.users.add(name="rita", role=Role.READ, password=password)
    with pytest.raises(UserError):
        door.users.set_password(name="olga", password=password)


def test_who_is_not_there_cannot_be_removed(door: Door) -> None:
    with pytest.raises(UserError):
        door.users.remove("nobody")
    with pytest.raises(UserError):
        door.users.set_password(name="nobody", password=PASSWORD)
