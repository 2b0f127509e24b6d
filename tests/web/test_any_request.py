"""Requests that nobody here thought of, made from the OpenAPI document: no 5xx, and no answer it does not tell of."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.domain.access import HOOK, SCOPES
from app.settings import Settings
from tests.web.fakes import NOW, FakePrincipal, FakeSystem
from web.application import create_app

EXAMPLES_PER_ROUTE = int(os.environ.get("QT_TEST_EXAMPLES", "6"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


class OpenSystem(FakeSystem):
    """Lets everybody in with every scope, so that requests get past the door; the door has tests of its own."""

    def authenticate(self, token: str) -> FakePrincipal:
        return FakePrincipal("anybody", SCOPES | {HOOK})


application = create_app(OpenSystem(tries_left=10**9), Settings(state_dir=Path("/nonexistent")), now=lambda: NOW)
document = schemathesis.openapi.from_wsgi("/api/openapi.json", application)


@document.parametrize()
@settings(
    max_examples=EXAMPLES_PER_ROUTE,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@pytest.mark.timeout(120)
def test_whatever_is_asked_the_answer_is_one_that_was_promised(case: Case) -> None:
    case.call_and_validate(headers={"Authorization": "Bearer any-token"}, checks=CHECKS)
