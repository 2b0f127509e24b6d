"""The reading and operating routes: scopes, pages, cursors, ETags, and answers that fit their published shapes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator

from tests.web.fakes import FakeSystem

READ = {"Authorization": "Bearer read-token"}
OPERATE = {"Authorization": "Bearer operate-token"}

READABLE = {
    "/api/ensemble": "Ensemble",
    "/api/system": "SystemState",
    "/api/audit": "AuditPage",
    "/api/orders/0195500a-0000-7000-8000-000000000001": "OrderExplanation",
    "/api/signals": "SignalPage",
    "/api/signals/s-1": "SignalExplanation",
    "/api/orders": "OrderPage",
    "/api/alerts": "AlertPage",
    "/api/engine": "EngineOverview",
    "/api/positions": "PositionPage",
    "/api/portfolio": "Portfolio",
    "/api/equity": "EquityPage",
    "/api/ess": "EmergencyStop",
    "/api/policy": "Policy",
    "/api/policy/versions": "PolicyVersionPage",
    "/api/snapshot": "Snapshot",
}


# Cursors of a list; equity goes on by time.
PAGED = ["/api/signals", "/api/orders", "/api/positions", "/api/alerts", "/api/audit", "/api/policy/versions"]


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    response = client.get("/api/openapi.json")
    assert response.status_code == 200
    return response.get_json()  # type: ignore[no-any-return]


def fits(document: dict[str, Any], shape: str, value: Any) -> None:
    schema = {"$ref": f"#/components/schemas/{shape}", "components": document["components"]}
    Draft202012Validator(schema).validate(value)


@pytest.mark.parametrize(("path", "shape"), READABLE.items())
def test_an_answer_fits_the_shape_it_is_published_with(
    client: FlaskClient, document: dict[str, Any], path: str, shape: str
) -> None:
    response = client.get(path, headers=READ)
    assert (response.status_code, response.content_type) == (200, "application/json")
    assert response.headers["Cache-Control"] == "no-store"
    fits(document, shape, response.get_json())


@pytest.mark.parametrize("path", READABLE)
def test_reading_needs_the_scope_to_read_which_operators_have(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 401
    assert client.get(path, headers={"Authorization": "Bearer signals-token"}).status_code == 403
    assert client.get(path, headers=OPERATE).status_code == 200


# What tells how things are answers also while something is away: that is when it is asked.
@pytest.mark.parametrize("path", sorted(set(READABLE) - {"/api/system"}))
def test_a_database_that_is_away_is_503_for_what_needs_it(
    client: FlaskClient, document: dict[str, Any], system: FakeSystem, path: str
) -> None:
    system.database_away = True
    response = client.get(path, headers=READ)
    assert (response.status_code, response.content_type) == (503, "application/problem+json")
    fits(document, "Problem", response.get_json(force=True))
    assert client.get("/live").status_code == 200


def test_an_event_stream_that_is_away_is_503_for_what_cannot_do_without(
    client: FlaskClient, system: FakeSystem
) -> None:
    system.events.failing = True  # this system's snapshot insists on a sequence
    response = client.get("/api/snapshot", headers=READ)
    assert (response.status_code, response.get_json(force=True)["reason"]) == (503, "EventsUnavailableError")


@pytest.mark.parametrize("path", READABLE)
def test_an_unknown_parameter_is_refused_not_ignored(client: FlaskClient, path: str) -> None:
    response = client.get(f"{path}?stat=EXECUTED", headers=READ)
    document = response.get_json(force=True)
    assert (response.status_code, document["type"]) == (400, "/problems/invalid-query")
    assert [(error["parameter"], error["code"]) for error in document["errors"]] == [("stat", "unknown_parameter")]


def test_filters_cursor_and_limit_reach_the_use_case(client: FlaskClient, system: FakeSystem) -> None:
    response = client.get("/api/signals?state=DENIED&state=EXPIRED,FAILED&after=17&limit=3", headers=READ)
    assert response.get_json()["next"] == "17"
    assert system.calls == [("list_signals", ("DENIED", "EXPIRED", "FAILED"), "17", 3)]


def test_equity_starts_where_it_is_asked_to(client: FlaskClient, system: FakeSystem) -> None:
    client.get("/api/equity?since=2026-03-01T12:00:00%2B01:00", headers=READ)
    assert system.calls == [("equity", datetime(2026, 3, 1, 11, tzinfo=UTC), 500, None)]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=ten", "limit"),
        ("limit=1&limit=2", "limit"),
        ("limit=", "limit"),
        ("after=", "after"),
        ("after=%00", "after"),
        ("after=" + "9" * 201, "after"),
        ("after=not-ours", "after"),
        ("state=GONE", "state"),
    ],
)
def test_an_unusable_parameter_is_named(client: FlaskClient, query: str, parameter: str) -> None:
    response = client.get(f"/api/signals?{query}", headers=READ)
    assert response.status_code == 400
    assert {error["parameter"] for error in response.get_json(force=True)["errors"]} == {parameter}


def test_only_open_alerts_are_asked_for_by_name(client: FlaskClient, system: FakeSystem) -> None:
    assert client.get("/api/alerts?open=true&limit=5", headers=READ).status_code == 200
    assert system.calls == [("alerts", True, None, 5)]


def test_a_signal_that_does_not_exist_is_404(client: FlaskClient) -> None:
    response = client.get("/api/signals/s-2", headers=READ)
    assert (response.status_code, response.get_json(force=True)["type"]) == (404, "/problems/not-found")


def test_the_snapshots_tag_stays_while_only_time_passes(
    client: FlaskClient, system: FakeSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = client.get("/api/snapshot", headers=READ).headers["ETag"]
    snapshot = {**system.snapshot(), "at": "2026-03-01T12:00:09Z"}
    snapshot["portfolio"] = {**snapshot["portfolio"], "age_seconds": 9.5}
    monkeypatch.setattr(system, "snapshot", lambda: snapshot)
    again = client.get("/api/snapshot", headers={**READ, "If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")
    snapshot["portfolio"]["equity"] = "1"
    assert client.get("/api/snapshot", headers={**READ, "If-None-Match": tag}).status_code == 200


def test_an_operator_trips_in_their_own_name(client: FlaskClient, system: FakeSystem, document: dict[str, Any]) -> None:
    response = client.post("/api/ess/trip", json={"reason": "odd fills", "flatten": True}, headers=OPERATE)
    assert (response.status_code, response.get_json()["state"]) == (200, "TRIPPED")
    assert system.calls == [("trip", "operate", "odd fills", True)]
    fits(document, "EmergencyStop", response.get_json())


def test_a_reset_that_is_declined_says_why(client: FlaskClient) -> None:
    response = client.post("/api/ess/reset", json={"reason": "all clear"}, headers=OPERATE)
    document = response.get_json(force=True)
    assert (response.status_code, document["type"], document["code"]) == (409, "/problems/refused", "NOT_TRIPPED")


@pytest.mark.parametrize("path", ["/api/ess/trip", "/api/ess/reset"])
@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "x" * 501}, {"reason": "x", "force": True}, [], "x"])
def test_an_operators_wish_without_a_usable_reason_is_refused(
    client: FlaskClient, system: FakeSystem, path: str, body: Any
) -> None:
    response = client.post(path, json=body, headers=OPERATE)
    assert (response.status_code, response.get_json(force=True)["type"]) == (422, "/problems/invalid-body")
    assert system.calls == []


@pytest.mark.parametrize("path", ["/api/ess/trip", "/api/ess/reset"])
def test_only_operators_operate(client: FlaskClient, system: FakeSystem, path: str) -> None:
    assert client.post(path, json={"reason": "x"}, headers=READ).status_code == 403
    assert client.post(path, json={"reason": "x"}).status_code == 401
    assert system.calls == []


# ------------------------------------------------------------------------------------------- the document


def test_every_route_is_in_the_document(application: Flask, document: dict[str, Any]) -> None:
    ours = {
        (rule.rule.replace("<", "{").replace(">", "}"), method.lower())
        for rule in application.url_map.iter_rules()
        for method in rule.methods or ()
        if rule.rule.startswith("/api/") and method not in ("HEAD", "OPTIONS")
    }
    told = {(path, method) for path, methods in document["paths"].items() for method in methods}
    assert ours
    assert ours - told == set()
    assert {path for path, _ in told - ours} <= {"/live", "/problems/{name}"}


def test_the_document_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert {"title", "version"} <= document["info"].keys()
    names = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(names) == len(set(names))
    for path, methods in document["paths"].items():
        for operation in methods.values():
            parameters = [each for each in operation.get("parameters", []) if each["in"] == "path"]
            assert {f"{{{each['name']}}}" for each in parameters} == {
                part for part in path.split("/") if part.startswith("{")
            }
            assert all(each["required"] for each in parameters)
            assert all("description" in each for each in operation["responses"].values())
            assert any(status.startswith("2") for status in operation["responses"])


def test_every_schema_is_a_schema_and_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if "schema" in value:
                Draft202012Validator.check_schema(value["schema"])
            if isinstance(reference := value.get("$ref"), str):
                assert reference.removeprefix("#/components/schemas/") in schemas
            for each in value.values():
                walk(each)
        elif isinstance(value, list):
            for each in value:
                walk(each)

    walk(document)
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("method", ["get", "post"])
def test_every_answer_is_one_the_document_tells_of(client: FlaskClient, document: dict[str, Any], method: str) -> None:
    for path, methods in document["paths"].items():
        if method not in methods:
            continue
        concrete = path.replace("{signal_id}", "nope").replace("{name}", "not-found")
        for headers in ({}, READ, OPERATE):
            response = getattr(client, method)(concrete, headers=headers)
            told = methods[method]["responses"][str(response.status_code)]
            assert response.content_type in told["content"]


def test_the_intake_schema_takes_what_the_intake_takes(document: dict[str, Any]) -> None:
    body = document["paths"]["/api/signals"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    validator = Draft202012Validator({**body, "components": document["components"]})
    good = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "confidence": 0.5,
        "strategy": "s",
        "generated_at": "2026-03-01T12:00:00Z",
        "reference_price": "1.5",
        "models": {"a": {"action": "BUY", "confidence": "0.5"}},
    }
    validator.validate(good)
    validator.validate([good] * 500)
    for bad in ([], [good] * 501, {**good, "confidence": 1.1}, {**good, "side": "HOLD"}, {**good, "more": 1}):
        assert not validator.is_valid(bad)


def test_a_problems_type_can_be_fetched(client: FlaskClient, document: dict[str, Any]) -> None:
    fits(document, "ProblemDescription", client.get("/problems/invalid-signal").get_json())
    assert client.get("/problems/nonsense").status_code == 404


@pytest.mark.parametrize("path", ["/api/nothing", "/nothing", "/static/../application.py", "/static/nothing.js"])
def test_what_does_not_exist_is_a_problem_document(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.content_type) == (404, "application/problem+json")


def test_a_model_is_rolled_back_by_operators_alone(client: FlaskClient, system: FakeSystem) -> None:
    wish = {"version": "xgboost-20261122T120000", "reason": "the new one is worse"}
    assert client.post("/api/engine/rollback", headers=READ, json=wish).status_code == 403
    answered = client.post("/api/engine/rollback", headers=OPERATE, json=wish)
    assert (answered.status_code, answered.get_json()["role"]) == (200, "CHAMPION")
    assert system.calls == [("roll_back_model", "xgboost-20261122T120000", "operate", "the new one is worse")]
    unknown = client.post("/api/engine/rollback", headers=OPERATE, json={**wish, "version": "none"})
    assert unknown.status_code == 404


def test_every_list_comes_in_pages(document: dict[str, Any]) -> None:
    found = {}
    for path, methods in document["paths"].items():
        answers = methods.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        shape = answers.get("application/json", {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
        members = document["components"]["schemas"].get(shape, {}).get("properties", {})
        if "items" in members:
            assert "next" in members, path
            found[path] = {each["name"] for each in methods["get"].get("parameters", [])}
    assert found.pop("/api/equity") >= {"since", "limit"}
    assert found.pop("/api/throttles") == set()  # a strategy that somebody has to look at each: told whole
    assert sorted(found) == sorted(PAGED)
    assert all(parameters >= {"after", "limit"} for parameters in found.values())


def test_a_page_of_positions_is_asked_for_by_cursor(client: FlaskClient, system: FakeSystem) -> None:
    assert client.get("/api/positions?after=bjpBQVZF&limit=7", headers=READ).status_code == 200
    assert system.calls == [("positions", "bjpBQVZF", 7)]
    answer = client.get("/api/positions?after=foreign", headers=READ)
    assert (answer.status_code, answer.get_json()["errors"][0]["parameter"]) == (400, "after")
