"""The application over an in-memory system."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.settings import Settings
from tests.web.fakes import NOW, FakeSystem
from web.application import create_app


@pytest.fixture
def system() -> FakeSystem:
    return FakeSystem()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path)


@pytest.fixture
def application(system: FakeSystem, settings: Settings) -> Flask:
    return create_app(system, settings, now=lambda: NOW)


@pytest.fixture
def client(application: Flask) -> FlaskClient:
    return application.test_client()
