"""Fixtures for every test: the recorded data and real servers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest_plugins = ["tests.support.servers"]

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def recorded_data() -> Path:
    """The folder of recorded signals and candles: `QT_TEST_DATA`, else beside the checkout; skips when absent."""
    given = os.environ.get("QT_TEST_DATA")
    folder = Path(given) if given else REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no recorded data in {folder} (set QT_TEST_DATA)")
    return folder
