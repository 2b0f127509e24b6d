"""Controlling the system over HTTP: scopes, second confirmations, pointers to fields, and the real change behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.domain.policy import RiskMode, default_policy
from app.services.change_policy import ChangePolicy, Wish
from app.services.policy_answers import PolicyAnswer, policy_answer
from app.services.policy_cache import PolicyCache
from tests.fakes.clock import FakeClock
from tests.fakes.postgres import FakeDatabase, FakeUnitOfWorkFactory
from tests.fakes.redis import FakeEvents
from tests.web.fakes import FakeOutcome, FakeRefusal, FakeSystem
from tests.web.test_api import OPERATE, READ, document, fits

__all__ = ["document"]

LOOSENED = [{"field": "leverage_max", "before": "3", "after": "5"}]
CHANGES = [
    ("POST", "/api/policy/mode", {"mode": "DEFENSIVE", "reason": "careful"}),
    ("PUT", "/api/policy", {"changes": {"leverage_max": "2"}, "reason": "careful"}),
    ("POST", "/api/policy/rollback", {"version": 1, "reason": "careful"}),
    ("POST", "/api/ess/disable", {"reason": "maintenance"}),
    ("POST", "/api/throttles/enable", {"strategy": "momentum", "reason": "looked at it"}),
]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_controlling_needs_the_scope_to_operate(client: FlaskClient, method: str, path: str, body: Any) -> None:
    assert client.open(path, method=method, json=body).status_code == 401
    assert client.open(path, method=method, json=body, headers=READ).status_code == 403
    assert client.open(path, method=method, json=body, headers=OPERATE).status_code == 200


@pytest.mark.parametrize(("method", "path", "body"), CHANGES[:3])
def test_a_change_says_who_why_and_of_what(
    client: FlaskClient, document: dict[str, Any], system: FakeSystem, method: str, path: str, body: Any
) -> None:
    more = {**body, "confirm": "ab12", "base_version": 3}
    response = client.open(path, method=method, json=more, headers=OPERATE)
    fits(document, "PolicyVersionItem", response.get_json())
    ((_, _, wish),) = system.calls
    assert wish == {"actor": "operate", "reason": "careful", "confirmation": "ab12", "base_version": 3}


@pytest.mark.parametrize(("method", "path", "body"), CHANGES[:3])
def test_a_change_without_a_reason_is_refused(client: FlaskClient, method: str, path: str, body: Any) -> None:
    without = {name: value for name, value in body.items() if name != "reason"}
    response = client.open(path, method=method, json=without, headers=OPERATE)
    assert response.status_code == 422
    assert [error["pointer"] for error in response.get_json(force=True)["errors"]] == ["/reason"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"mode": "BRAVE", "reason": "r"}, "/mode"),
        ({"mode": "NORMAL", "reason": "r", "confirm": "not hex"}, "/confirm"),
        ({"mode": "NORMAL", "reason": "r", "base_version": 0}, "/base_version"),
        ({"mode": "NORMAL", "reason": "r", "force": True}, "/force"),
    ],
)
def test_a_field_that_cannot_be_used_is_pointed_at(client: FlaskClient, body: Any, pointer: str) -> None:
    response = client.post("/api/policy/mode", json=body, headers=OPERATE)
    assert response.status_code == 422
    assert [error["pointer"] for error in response.get_json(force=True)["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("outcome", "status", "type_", "members"),
    [
        (
            FakeOutcome(confirmation="ab", loosened=LOOSENED, base_version=3),
            409,
            "loosening-needs-confirmation",
            {"confirm": "ab", "loosened": LOOSENED, "base_version": 3},
        ),
        (
            FakeOutcome(refusal=FakeRefusal("POLICY_CHANGED_MEANWHILE", "base_version=1, current=2")),
            409,
            "policy-changed-meanwhile",
            {"code": "POLICY_CHANGED_MEANWHILE"},
        ),
        (FakeOutcome(refusal=FakeRefusal("POLICY_UNKNOWN", "none")), 409, "refused", {"code": "POLICY_UNKNOWN"}),
    ],
)  # fmt: skip
def test_what_was_not_done_says_why(
    client: FlaskClient,
    document: dict[str, Any],
    system: FakeSystem,
    outcome: FakeOutcome,
    status: int,
    type_: str,
    members: Mapping[str, Any],
) -> None:
    system.policy_outcome = outcome
    for method, path, body in CHANGES[:3]:
        response = client.open(path, method=method, json=body, headers=OPERATE)
        problem = response.get_json(force=True)
        fits(document, "Problem", problem)
        assert (response.status_code, problem["type"]) == (status, f"/problems/{type_}")
        assert {name: problem[name] for name in members} == members


class RealPolicy(FakeSystem):
    """A system whose policy is the real use case on a database in memory."""

    def __init__(self) -> None:
        super().__init__()
        clock = FakeClock()
        self.database = FakeDatabase(now=clock.now())
        begin = self.begin = FakeUnitOfWorkFactory(self.database, FakeEvents())
        with begin() as uow:
            uow.control.add_policy(default_policy(RiskMode.DEFENSIVE), author="ann", reason="start", now=clock.now())
            uow.commit()
        self.real = ChangePolicy(begin, clock, PolicyCache(begin, clock))

    def policy(self) -> Mapping[str, Any]:
        with self.begin() as uow:
            return uow.control.policy_versions(after=None, limit=1).items[0]

    def set_policy_mode(self, *, mode: RiskMode, **wish: Any) -> PolicyAnswer:  # type: ignore[override]
        return policy_answer(self.real.set_mode(mode, Wish(**wish)))

    def change_policy(self, *, changes: Mapping[str, Any], **wish: Any) -> PolicyAnswer:  # type: ignore[override]
        return policy_answer(self.real.set_fields(changes, Wish(**wish)))


class TestWithTheRealUseCase:
    @pytest.fixture
    def system(self) -> RealPolicy:
        return RealPolicy()

    def test_loosening_takes_two_requests(
        self, client: FlaskClient, document: dict[str, Any], system: RealPolicy
    ) -> None:
        body = {"mode": "NORMAL", "reason": "calm again"}
        first = client.post("/api/policy/mode", json=body, headers=OPERATE)
        problem = first.get_json(force=True)
        assert (first.status_code, problem["type"]) == (409, "/problems/loosening-needs-confirmation")
        assert {"field": "leverage_max", "before": "3", "after": "5"} in problem["loosened"]
        assert len(system.database.state.policies) == 1
        second = client.post("/api/policy/mode", json={**body, "confirm": problem["confirm"]}, headers=OPERATE)
        assert second.status_code == 200
        fits(document, "PolicyVersionItem", second.get_json())
        assert (second.get_json()["version"], second.get_json()["author"]) == (2, "operate")

    @pytest.mark.parametrize("value", ["2.5", 2.5])
    def test_a_number_is_read_exactly_however_it_is_written(
        self, client: FlaskClient, system: RealPolicy, value: Any
    ) -> None:
        changes = dict.fromkeys(("leverage_max", "gross_exposure_share_max", "net_exposure_share_max"), value)
        response = client.put("/api/policy", json={"changes": changes, "reason": "tighter"}, headers=OPERATE)
        assert response.get_json()["policy"]["leverage_max"] == "2.5"

    @pytest.mark.parametrize(
        ("changes", "pointer", "code"),
        [
            ({"leverage_max": "1000"}, "/changes/leverage_max", "out_of_range"),
            ({"leverage_max": "2"}, "/changes/gross_exposure_share_max", "contradiction"),
            ({"leverage/max": "2"}, "/changes/leverage~1max", "unknown_field"),
            ({"confidence_minimum": "1e-999999"}, "/changes/confidence_minimum", "out_of_range"),
        ],
    )
    def test_a_policy_that_cannot_be_taken_on_points_at_the_field(
        self, client: FlaskClient, changes: Any, pointer: str, code: str
    ) -> None:
        response = client.put("/api/policy", json={"changes": changes, "reason": "r"}, headers=OPERATE)
        problem = response.get_json(force=True)
        assert (response.status_code, problem["type"]) == (422, "/problems/invalid-policy")
        assert [(each["pointer"], each["code"]) for each in problem["errors"]] == [(pointer, code)]


def test_disabled_strategies_are_listed_and_enabled_with_a_reason(
    client: FlaskClient, document: dict[str, Any], system: FakeSystem
) -> None:
    page = client.get("/api/throttles", headers=READ).get_json()
    fits(document, "ThrottlePage", page)
    assert [(each["strategy"], each["is_disabled"]) for each in page["items"]] == [("momentum", True)]
    body = {"strategy": "momentum", "reason": "looked at it"}
    item = client.post("/api/throttles/enable", json=body, headers=OPERATE).get_json()
    fits(document, "ThrottleItem", item)
    assert item["is_disabled"] is False
    assert system.calls == [("enable_strategy", "momentum", "operate", "looked at it")]


@pytest.mark.parametrize(("strategy", "status", "type_"), [("quiet", 409, "refused"), ("unheard of", 404, "not-found")])
def test_a_strategy_that_is_not_disabled_is_not_enabled(
    client: FlaskClient, document: dict[str, Any], strategy: str, status: int, type_: str
) -> None:
    response = client.post("/api/throttles/enable", json={"strategy": strategy, "reason": "r"}, headers=OPERATE)
    problem = response.get_json(force=True)
    fits(document, "Problem", problem)
    assert (response.status_code, problem["type"]) == (status, f"/problems/{type_}")
