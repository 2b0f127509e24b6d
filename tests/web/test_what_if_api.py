"""Trying a policy over HTTP: for operators, bounded, told with pointers to the field, and the real thing behind it."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from app.services.try_policy import TryPolicy
from app.services.what_if import Wanted, WhatIf
from tests.unit.services.test_what_if import desk_with_history
from tests.web.fakes import FakeOutcome, FakeRefusal, FakeSystem
from tests.web.test_api import OPERATE, READ, document, fits

__all__ = ["document"]

PATH = "/api/policy/whatif"


def test_it_is_for_operators(client: FlaskClient) -> None:
    assert client.post(PATH, json={}).status_code == 401
    assert client.post(PATH, json={}, headers=READ).status_code == 403
    assert client.post(PATH, json={}, headers=OPERATE).status_code == 200


def test_nothing_given_is_the_policy_that_counts_and_a_bounded_number(client: FlaskClient, system: FakeSystem) -> None:
    client.post(PATH, json={}, headers=OPERATE)
    ((_, asked),) = system.calls
    assert (asked["mode"], asked["version"], asked["changes"], asked["decisions_max"]) == (None, None, {}, 500)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"limit": 2_001}, "/limit"),
        ({"mode": "BRAVE"}, "/mode"),
        ({"since": "yesterday"}, "/since"),
        ({"changes": []}, "/changes"),
        ({"reason": "none needed"}, "/reason"),
    ],
)
def test_a_field_that_cannot_be_used_is_pointed_at(client: FlaskClient, body: Any, pointer: str) -> None:
    response = client.post(PATH, json=body, headers=OPERATE)
    assert response.status_code == 422
    assert [error["pointer"] for error in response.get_json(force=True)["errors"]] == [pointer]


def test_a_policy_that_could_not_be_taken_on_and_a_refusal_are_told_apart(
    client: FlaskClient, system: FakeSystem
) -> None:
    fault = {"field": "leverage_max", "code": "out_of_range", "detail": "must be from 1 to 125"}
    system.what_if_outcome = FakeOutcome(faults=[fault])
    response = client.post(PATH, json={"changes": {"leverage_max": "999"}}, headers=OPERATE)
    assert response.status_code == 422
    assert response.get_json(force=True)["errors"][0]["pointer"] == "/changes/leverage_max"
    system.what_if_outcome = FakeOutcome(refusal=FakeRefusal("NO_SUCH_VERSION", "version=9"))
    response = client.post(PATH, json={"version": 9}, headers=OPERATE)
    assert (response.status_code, response.get_json(force=True)["code"]) == (409, "NO_SUCH_VERSION")


def test_what_is_really_found_has_the_shape_that_is_promised(document: dict[str, Any]) -> None:
    desk = desk_with_history()
    trying = TryPolicy(WhatIf(unit_of_work=desk.unit_of_work, clock=desk.clock), desk.clock)
    desk.clock.advance(1)  # the last decision was made before now
    answer = trying(Wanted(changes={"confidence_minimum": "0.85"}), since=None, until=None, decisions_max=500)
    assert answer.item is not None
    assert answer.item["decisions"]["changed"] >= 1
    fits(document, "WhatIf", dict(answer.item))


def test_one_at_a_time() -> None:
    desk = desk_with_history()

    class AsksAgain(WhatIf):
        def __call__(self, *arguments: Any, **options: Any) -> Any:
            refused.append(trying(Wanted(), since=None, until=None, decisions_max=1).refusal)
            return super().__call__(*arguments, **options)

    refused: list[Any] = []
    trying = TryPolicy(AsksAgain(unit_of_work=desk.unit_of_work, clock=desk.clock), desk.clock)
    assert trying(Wanted(), since=None, until=None, decisions_max=1).item is not None
    assert [each.code for each in refused] == ["WHAT_IF_IN_PROGRESS"]
    assert trying(Wanted(), since=None, until=None, decisions_max=1).item is not None
