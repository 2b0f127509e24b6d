"""Fixtures for every test: the recorded data and real servers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from xdist.scheduler import LoadFileScheduling

pytest_plugins = ["tests.support.server_fixtures"]

REPOSITORY = Path(__file__).resolve().parents[1]
# Begun first, in this order: files whose tests wait for seconds of real servers, or fill a process for long.
FIRST = (
    "tests/system/one_system/test_told",  # what a new system says
    "tests/system/one_system/test_pages",  # a few signals
    "tests/system/one_system/test_main_path",  # thousands
    "tests/system/one_system",  # and everything that breaks
    # What fills a core, and what waits for minutes of an exchange, in turn.
    "tests/system/test_fresh_clone",
    "tests/integration/redis",
    "tests/system/test_chaos",
    "tests/integration/outages",
    "tests/system",
    "tests/architecture",
    "tests/integration/postgres",
    "tests/web",
    "tests/integration",
    "tests/contract",
    "tests/recovery",
)
SHARED = ("tests/system/one_system/", "tests/recovery/")


class SharedSetUps(LoadFileScheduling):
    """A file a process; a folder a process where its tests share what takes long to set up."""

    def _split_scope(self, nodeid: str) -> str:
        scope: str = super()._split_scope(nodeid)
        return str(Path(scope).parent) if scope.startswith(SHARED) else scope


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first: a short one at the end keeps no other process waiting."""
    items.sort(key=lambda item: next((at for at, each in enumerate(FIRST) if item.nodeid.startswith(each)), len(FIRST)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> SharedSetUps | None:
    """In place of `--dist loadfile`."""
    return SharedSetUps(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly when the dashboard was not looked at: a skipped browser test is no proof."""
    skipped = [each for each in terminalreporter.stats.get("skipped", []) if "Chromium" in str(each.longrepr)]
    if skipped:
        words = f"{len(skipped)} browser tests SKIPPED: there is no Chromium on this machine"
        terminalreporter.write_sep("!", words, red=True, bold=True)


@pytest.fixture(scope="session")
def recorded_data() -> Path:
    """The folder of recorded signals and candles: `QT_TEST_DATA`, else beside the checkout; skips when absent."""
    folder = recorded_folder()
    if folder is None:
        pytest.skip("no recorded data beside the checkout (set QT_TEST_DATA)")
    return folder


def recorded_folder() -> Path | None:
    """Where recorded data lies, if it does."""
    given = os.environ.get("QT_TEST_DATA")
    folder = Path(given) if given else REPOSITORY.parent / "shared" / "data"
    return folder if folder.is_dir() else None
