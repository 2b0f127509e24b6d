"""Tokens: Postgres says who is who; while it is away this machine remembers, for a while, whom it accepted."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from app.adapters.disk.token_file import TokenFile
from app.ports import DatabaseUnavailableError
from app.services import authenticate
from app.services.authenticate import Authenticator, Principal
from app.services.issue_token import IssueToken
from tests.fakes.clock import FakeClock
from tests.fakes.disk import FakeTokenMemory
from tests.fakes.postgres import FakeDatabase, FakeUnitOfWorkFactory
from tests.fakes.redis import FakeEvents

PRODUCER = Principal("producer", frozenset({"signals"}))


class Door:
    """One machine's door; `restart` makes the next process of it."""

    def __init__(self) -> None:
        self.database = FakeDatabase()
        self.begin = FakeUnitOfWorkFactory(self.database, FakeEvents())
        self.clock = FakeClock()
        self.memory = FakeTokenMemory()
        self.token = IssueToken(self.begin, self.clock, lambda: "0" * 43)(name="producer", scopes=["signals"])
        self.restart()

    def restart(self) -> None:
        self.authenticate = Authenticator(self.begin, self.clock, self.memory)

    def revoke(self) -> None:
        self.database.state.tokens.clear()


def test_a_process_restarted_during_an_outage_knows_whom_its_predecessor_knew():
    door = Door()
    assert door.authenticate(door.token) == PRODUCER
    door.database.is_away = True
    door.restart()
    assert door.authenticate(door.token) == PRODUCER
    with pytest.raises(DatabaseUnavailableError):
        door.authenticate("qt_never-seen")


def test_what_is_remembered_of_a_token_does_not_contain_it():
    door = Door()
    door.authenticate(door.token)
    assert door.memory.tokens
    assert door.token not in repr(door.memory.tokens)


def test_the_memory_of_an_outage_ends():
    door = Door()
    door.authenticate(door.token)
    door.database.is_away = True
    door.restart()
    door.clock.advance(authenticate.OUTAGE_SECONDS_MAX - 1)
    assert door.authenticate(door.token) == PRODUCER
    door.clock.advance(1)
    with pytest.raises(DatabaseUnavailableError):
        door.authenticate(door.token)


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("is_away", [False, True])
def test_a_token_ends_with_its_time_in_an_outage_too(tmp_path: Path, restarts: bool, is_away: bool):
    door = Door()
    door.memory = TokenFile(tmp_path / "known.json")  # type: ignore[assignment]
    door.restart()
    token = IssueToken(door.begin, door.clock, lambda: "1" * 43)(
        name="guest", scopes=["read"], lifetime=timedelta(seconds=3)
    )
    door.clock.advance(1)
    assert door.authenticate(token) == Principal("guest", frozenset({"read"}))
    door.database.is_away = is_away
    door.clock.advance(1)
    if restarts:
        door.restart()
    assert door.authenticate(token) == Principal("guest", frozenset({"read"}))
    door.clock.advance(1)
    assert [door.authenticate(token) for _ in range(2)] == [None, None]


def test_a_revoked_token_is_forgotten_at_once_and_does_not_come_back_with_the_next_outage():
    door = Door()
    door.authenticate(door.token)
    door.revoke()
    door.clock.advance(authenticate.CACHE_SECONDS)
    assert door.authenticate(door.token) is None
    door.database.is_away = True
    door.restart()
    with pytest.raises(DatabaseUnavailableError):
        door.authenticate(door.token)


def test_a_busy_token_is_written_down_once_a_minute_and_a_stranger_never():
    door = Door()
    for _ in range(130):
        door.authenticate(door.token)
        door.authenticate("qt_stranger")
        door.clock.advance(1)
    assert door.memory.writes == 3


def test_a_memory_from_the_future_is_not_believed():
    door = Door()
    door.authenticate(door.token)
    door.database.is_away = True
    door.restart()
    door.clock.advance(-60)
    with pytest.raises(DatabaseUnavailableError):
        door.authenticate(door.token)


def test_the_file_gives_back_what_it_was_given_and_is_the_owners_alone(tmp_path: Path):
    door = Door()
    door.memory = TokenFile(tmp_path / "deep" / "known.json")  # type: ignore[assignment]
    door.restart()
    door.authenticate(door.token)
    path = tmp_path / "deep" / "known.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [path.name] == [each.name for each in path.parent.iterdir()]
    door.database.is_away = True
    door.restart()
    assert door.authenticate(door.token) == PRODUCER


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"a": {"name": "x"}}', b'{"a": 3}', b"\xff"])
def test_a_damaged_file_is_an_empty_memory(tmp_path: Path, content: bytes):
    path = tmp_path / "known.json"
    path.touch(mode=0o600)
    path.write_bytes(content)
    assert TokenFile(path).recall() == {}


def test_a_file_that_others_may_write_is_not_believed(tmp_path: Path):
    door = Door()
    door.authenticate(door.token)
    path = tmp_path / "known.json"
    TokenFile(path).keep(door.memory.tokens)
    assert TokenFile(path).recall() == door.memory.tokens
    path.chmod(0o666)
    assert TokenFile(path).recall() == {}


def test_a_disk_that_fails_refuses_nobody(tmp_path: Path):
    (tmp_path / "file").touch()
    door = Door()
    door.memory = TokenFile(tmp_path / "file" / "known.json")  # type: ignore[assignment]
    door.restart()
    assert door.authenticate(door.token) == PRODUCER
