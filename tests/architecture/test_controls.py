"""The table of controls names files that exist, and every gate and trigger is in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.domain.gates.rule_book import RULE_BOOK
from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs" / "controls.md").read_text()
GATE_TESTS = REPOSITORY / "tests" / "unit" / "domain" / "gates"
# Of an order's size the sizing speaks; the stage and the stop itself are what the page is about.
NOT_A_CONTROL = {"stage", "emergency_stop", "confidence", "size"}


def named(pattern: str) -> set[str]:
    return set(re.findall(pattern, PAGE))


@pytest.mark.parametrize("path", sorted(named(r"`((?:app|tests)/[\w/]+\.py)`")))
def test_a_file_named_by_its_path_exists(path: str) -> None:
    assert (REPOSITORY / path).is_file()


@pytest.mark.parametrize("name", sorted(named(r"`(test_\w+\.py)`")))
def test_a_test_named_without_a_folder_is_a_gates(name: str) -> None:
    assert (GATE_TESTS / name).is_file()


def test_every_gate_is_in_the_table() -> None:
    gates = {name for name, _ in RULE_BOOK} - NOT_A_CONTROL
    spoken_of = {each for group in named(r"gates/\{?([\w,]+)") for each in group.split(",")}
    assert gates <= spoken_of


def test_every_trigger_that_stands_for_a_control_exists() -> None:
    folder = Path(REPOSITORY / "app" / "domain" / "triggers")
    for name in ("repeated_rejections", "daily_drawdown", "open_loss", "ledger_mismatch"):
        assert name in PAGE
        assert (folder / f"{name}.py").is_file()
