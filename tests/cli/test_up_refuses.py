"""`up` says in one line why it cannot start, exits with 1 and leaves nothing running."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.system import System, assert_nothing_left, short_directory

pytestmark = pytest.mark.integration


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_directory() as made:
        yield made


def refusal(system: System, state_directory: Path) -> str:
    """What `up` says; checks the manner of it."""
    answer = system.call("up")
    assert answer.returncode == 1, answer.stderr
    assert answer.stdout == ""
    lines = [line for line in answer.stderr.splitlines() if line.startswith("qt: ")]
    assert "Traceback" not in answer.stderr
    assert_nothing_left(state_directory)
    return lines[-1]


@pytest.mark.parametrize("variable", ["QT_WEB_PORT", "QT_HEALTH_PORT", "QT_FLOWER_PORT", "QT_EXCHANGE_PORT"])
def test_a_port_in_use_is_named_with_its_variable_and_its_holder(folder: Path, variable: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        system = System.of_checkout(folder / "state", **{variable: str(port)})
        said = refusal(system, folder)
    assert f"port {port} ({variable}) is in use by " in said
    assert f"(pid {os.getpid()})" in said


def test_one_port_for_two_processes_is_refused(folder: Path) -> None:
    system = System.of_checkout(folder / "state", QT_WEB_PORT="18123", QT_HEALTH_PORT="18123")
    assert "QT_HEALTH_PORT and QT_WEB_PORT are both 18123" in refusal(system, folder)


def test_a_value_that_is_no_port_is_named(folder: Path) -> None:
    assert "QT_WEB_PORT: " in refusal(System.of_checkout(folder / "state", QT_WEB_PORT="http"), folder)


def test_an_unreachable_database_is_named_by_its_variable_and_its_password_is_not_shown(folder: Path) -> None:
    url = "postgresql://someone:s3cret-w0rd@127.0.0.1:9/quantum"
    said = refusal(System.of_checkout(folder / "state", QT_DATABASE_URL=url), folder)
    assert "QT_DATABASE_URL: cannot use postgresql://someone:***@127.0.0.1:9/quantum: " in said
    assert "s3cret" not in said


def test_a_refused_password_is_said_without_showing_it(folder: Path, postgres_url: str) -> None:
    url = postgres_url.replace(postgres_url.split(":")[2].split("@")[0], "wr0ng-w0rd")
    said = refusal(System.of_checkout(folder / "state", QT_DATABASE_URL=url), folder)
    assert "QT_DATABASE_URL" in said
    assert "password authentication failed" in said
    assert "wr0ng" not in said


@pytest.mark.parametrize("url", ["redis://:s3cret@127.0.0.1:9/0", "http://127.0.0.1:9", "nonsense"])
def test_an_unusable_redis_is_named_by_its_variable(folder: Path, url: str) -> None:
    said = refusal(System.of_checkout(folder / "state", QT_REDIS_URL=url), folder)
    assert "QT_REDIS_URL" in said
    assert "s3cret" not in said


@pytest.mark.parametrize("url", ["mysql://someone@127.0.0.1/quantum", "nonsense"])
def test_a_database_url_of_another_kind_is_named_by_its_variable(folder: Path, url: str) -> None:
    assert "QT_DATABASE_URL" in refusal(System.of_checkout(folder / "state", QT_DATABASE_URL=url), folder)


def test_an_exchange_without_keys_is_refused(folder: Path) -> None:
    system = System.of_checkout(folder / "state", QT_EXCHANGE_URL="https://testnet.binancefuture.com")
    assert "QT_EXCHANGE_KEY" in refusal(system, folder)


def test_a_state_directory_that_cannot_be_written_to_is_named(folder: Path) -> None:
    (folder / "file").touch()
    said = refusal(System.of_checkout(folder / "file" / "state"), folder)
    assert f"cannot write to the state directory {folder}/file/state (QT_STATE_DIR): " in said


@pytest.mark.parametrize("size", ["64k", "32m"], ids=["full", "too-small"])
def test_a_full_disk_is_said_in_one_line(folder: Path, size: str) -> None:
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
    if os.geteuid() != 0 or not shutil.which("mount") or subprocess.run(mount, check=False, timeout=10).returncode != 0:
        pytest.skip("cannot mount a small disk here (needs root)")
    try:
        if size == "64k":
            with (disk / "filler").open("wb", buffering=0) as filler:
                fill(filler)
        said = refusal(System.of_checkout(disk / "state"), folder)
        assert "space left" in said
        assert str(disk / "state") in said
    finally:
        subprocess.run(["umount", disk], check=True, timeout=10)


def test_a_folder_of_candles_that_is_not_there_is_named(folder: Path) -> None:
    system = System.of_checkout(folder / "state")
    answer = system.call("up", "--market", "no/such/folder")
    assert answer.returncode == 1
    assert answer.stderr == "qt: --market no/such/folder: neither seed:N nor a folder\n"


def test_nothing_running_is_an_answer_not_an_error(folder: Path) -> None:
    system = System.of_checkout(folder / "state")
    assert system.status() == {
        "ready": False,
        "urls": {"web": None, "health": None, "flower": None, "exchange": None},
        "processes": [],
    }
    assert system.call("status").returncode == 1
    assert system.call("down").returncode == 0
    assert not (folder / "state").exists(), "asking must not leave traces"


def fill(file: object) -> None:
    """Write until the disk takes no more."""
    try:
        while True:
            file.write(b"x" * 4096)  # type: ignore[attr-defined]
    except OSError:
        return
