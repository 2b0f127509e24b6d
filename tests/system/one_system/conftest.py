"""One system for every test of this folder, in the order of `tests/conftest.py`; each begins with what the last left.

What counts a whole history counts from where it began; whoever sets a fault takes it away again. Any file runs alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import recorded_folder
from tests.support.api import Api, api_of
from tests.support.system import RunningSystem, System, assert_nothing_left, short_directory


@pytest.fixture(scope="package")
def running() -> Iterator[RunningSystem]:
    """Started as a user would, on recorded candles where there are any, and ended by `down` in good order."""
    recorded = recorded_folder()
    market = "seed:7" if recorded is None else str(recorded / "klines")
    with short_directory() as folder:
        state = folder / "state"
        with System.of_checkout(state).up("--market", market) as started:
            yield started
            answer = started.system.call("down")
            assert (answer.returncode, answer.stdout) == (0, "stopped\n")
            assert started.process.wait(10) == 0
            assert_nothing_left(folder, seconds=0)
            assert not (state / "postgres" / "data" / "postmaster.pid").exists(), "Postgres did not shut down by itself"
            assert "database system is shut down" in (state / "logs" / "postgres.log").read_text()
            assert started.system.status()["ready"] is False


@pytest.fixture
def api(running: RunningSystem) -> Iterator[Api]:
    with api_of(running) as opened:
        yield opened


@pytest.fixture
def folder() -> Iterator[Path]:
    """For a system beside this one."""
    with short_directory() as made:
        yield made
