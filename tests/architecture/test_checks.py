"""Style that runs as a test: ruff, mypy, and the house rules neither of them knows."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = ("app", "tasks", "web", "migrations")
FORBIDDEN_IN_DOMAIN = {"os", "time", "random", "logging", "structlog", "socket", "threading", "requests", "httpx"}


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def test_ruff_finds_nothing():
    done = run(sys.executable, "-m", "ruff", "check", ".")
    assert done.returncode == 0, done.stdout


def test_every_file_is_formatted():
    done = run(sys.executable, "-m", "ruff", "format", "--check", ".")
    assert done.returncode == 0, done.stdout


@pytest.mark.timeout(300)
def test_types_hold_strictly():
    done = run(sys.executable, "-m", "mypy")
    assert done.returncode == 0, done.stdout


def test_every_module_opens_with_a_sentence():
    silent = [
        str(path.relative_to(ROOT))
        for path in python_files(*CODE)
        if path.read_text().strip() and ast.get_docstring(ast.parse(path.read_text())) is None
    ]
    assert silent == []


def test_the_domain_reads_no_clock_no_environment_and_no_randomness():
    offenders = []
    for path in python_files("app/domain"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            offenders += [f"{path.name}: import {name}" for name in names if name.split(".")[0] in FORBIDDEN_IN_DOMAIN]
            if (
                isinstance(node, ast.Attribute)
                and node.attr in ("now", "utcnow", "today")
                and isinstance(node.value, ast.Name)
                and node.value.id in ("datetime", "date")
            ):
                offenders.append(f"{path.name}:{node.lineno}: reads the clock")
    assert offenders == []


def test_no_binary_float_in_the_money_path():
    offenders = []
    for path in python_files("app/domain", "app/services", "app/adapters/postgres"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float":
                offenders.append(f"{path.relative_to(ROOT)}:{node.lineno}: float()")
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "Decimal"
                and any(
                    isinstance(argument, ast.Constant) and isinstance(argument.value, float) for argument in node.args
                )
            ):
                offenders.append(f"{path.relative_to(ROOT)}:{node.lineno}: Decimal of a binary float")
    assert offenders == []


def test_no_handler_catches_everything_in_silence():
    offenders = []
    for path in python_files(*CODE):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler):
                if node.type is None:
                    offenders.append(f"{path.relative_to(ROOT)}:{node.lineno}: bare except")
                elif all(isinstance(statement, ast.Pass) for statement in node.body):
                    offenders.append(f"{path.relative_to(ROOT)}:{node.lineno}: error swallowed")
    assert offenders == []
