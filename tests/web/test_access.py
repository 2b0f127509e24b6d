"""Who gets in by a browser, what other sites can make it do, and what every answer carries."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from app.settings import Settings
from tests.web.fakes import LINK, PASSWORD, FakeSystem
from web.application import create_app

HERE = "http://127.0.0.1:5000"
COOKIE = "qt_session_5000"
TRIP = {"reason": "a test"}


def log_in(client: FlaskClient, name: str = "olga", **options: Any) -> TestResponse:
    body = {"name": name, "password": PASSWORD}
    return client.post("/api/session", json=body, base_url=HERE, **options)


def csrf_of(client: FlaskClient) -> dict[str, str]:
    return {"X-CSRF-Token": client.get("/api/session", base_url=HERE).get_json()["csrf_token"]}


def problem_of(response: TestResponse) -> tuple[int, str]:
    return response.status_code, response.get_json(force=True)["type"].rpartition("/")[2]


@pytest.mark.parametrize(
    "path",
    [
        *("/api/signals", "/api/signals/s-1", "/api/orders", "/api/positions", "/api/portfolio", "/api/equity"),
        *("/api/ess", "/api/policy", "/api/policy/versions", "/api/snapshot", "/api/session"),
    ],
)
def test_without_credentials_nothing_is_told_also_on_this_machine(client: FlaskClient, path: str) -> None:
    page = client.get("/", base_url=HERE)
    assert (page.status_code, "Set-Cookie" in page.headers) == (200, False)
    answer = client.get(path, base_url=HERE)
    assert problem_of(answer) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_password_opens_a_session_whose_cookie_no_script_and_no_other_site_gets(client: FlaskClient) -> None:
    answer = log_in(client)
    assert answer.status_code == 200
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert "Domain" not in cookie
    told = client.get("/api/session", base_url=HERE).get_json()
    assert told == answer.get_json()
    assert (told["name"], told["role"], told["scopes"]) == ("olga", "operate", ["operate", "read", "signals"])
    assert client.get("/api/ess", base_url=HERE).status_code == 200


def test_https_makes_the_cookie_secure(client: FlaskClient) -> None:
    answer = client.post("/api/session", json={"name": "olga", "password": PASSWORD}, base_url="https://desk.example")
    assert "Secure" in answer.headers["Set-Cookie"].split("; ")


def test_two_systems_on_one_host_do_not_share_a_cookie(system: FakeSystem, tmp_path: Path) -> None:
    other = create_app(system, Settings(state_dir=tmp_path, web_port=5001)).test_client()
    assert log_in(other).headers["Set-Cookie"].startswith("qt_session_5001=")


def test_a_login_link_opens_a_session_and_leads_to_the_page(client: FlaskClient) -> None:
    answer = client.get(f"/login/{LINK}", base_url=HERE)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert client.get("/api/session", base_url=HERE).get_json()["name"] == "operator"


def test_looking_ahead_does_not_spend_a_login_link(client: FlaskClient) -> None:
    for answer in (
        client.head(f"/login/{LINK}", base_url=HERE),
        client.get(f"/login/{LINK}", base_url=HERE, headers={"Sec-Purpose": "prefetch;prerender"}),
    ):
        assert "Set-Cookie" not in answer.headers
    assert problem_of(client.get("/api/session", base_url=HERE)) == (401, "unauthenticated")


@pytest.mark.parametrize("link", ["spent", "x" * 300, "%C3%A4"])
def test_a_login_link_that_was_never_made_is_gone(client: FlaskClient, link: str) -> None:
    assert problem_of(client.get(f"/login/{link}", base_url=HERE)) == (410, "login-link-spent")
    person = client.get(f"/login/{link}", base_url=HERE, headers={"Accept": "text/html,*/*;q=0.8"})
    assert (person.status_code, person.headers["Location"]) == (303, "/#login-link-spent")


def test_a_login_link_and_a_password_stay_out_of_the_log(client: FlaskClient) -> None:
    with capture_logs() as lines:
        client.get(f"/login/{LINK}", base_url=HERE)
        client.get("/login/another-secret", base_url=HERE)
        log_in(client)
        client.post("/api/session", json={"name": "olga", "password": "not-this-one"}, base_url=HERE)
    assert [line["path"] for line in lines] == ["/login/***", "/login/***", "/api/session", "/api/session"]
    said = repr(lines)
    assert not [secret for secret in (LINK, "another-secret", PASSWORD, "not-this-one", "secret-of-") if secret in said]


@pytest.mark.parametrize("body", [{"name": "olga", "password": "wrong"}, {"name": "nobody", "password": PASSWORD}])
def test_a_wrong_name_and_a_wrong_password_look_the_same(client: FlaskClient, body: dict[str, str]) -> None:
    answer = client.post("/api/session", json=body, base_url=HERE)
    assert problem_of(answer) == (401, "invalid-credentials")
    assert answer.get_json(force=True)["detail"] == "the name or the password is wrong"
    assert "Set-Cookie" not in answer.headers


def test_too_many_tries_have_to_wait(client: FlaskClient, system: FakeSystem) -> None:
    system.tries_left = 0
    answer = log_in(client)
    assert problem_of(answer) == (429, "too-many-logins")
    assert answer.headers["Retry-After"] == "300"


@pytest.mark.parametrize("value", ["forged", "", "x" * 1000, "secret-of-nobody", "\u00e4"])
def test_a_forged_cookie_is_no_session(client: FlaskClient, value: str) -> None:
    client.set_cookie(COOKIE, value, domain="127.0.0.1")
    assert problem_of(client.get("/api/ess", base_url=HERE)) == (401, "unauthenticated")


def test_a_session_that_was_planted_is_neither_taken_on_nor_kept(client: FlaskClient, system: FakeSystem) -> None:
    client.set_cookie(COOKIE, "planted-by-somebody", domain="127.0.0.1")
    log_in(client)
    assert set(system.sessions) == {"secret-of-olga"}
    # Whoever logs in again leaves no session behind.
    log_in(client, "reader")
    assert set(system.sessions) == {"secret-of-reader"}


def test_logging_out_ends_the_session_itself(client: FlaskClient, system: FakeSystem) -> None:
    log_in(client)
    answer = client.delete("/api/session", base_url=HERE, headers=csrf_of(client))
    assert answer.get_json() == {"logged_out": True}
    assert system.sessions == {}
    client.set_cookie(COOKIE, "secret-of-olga", domain="127.0.0.1")
    assert client.get("/api/ess", base_url=HERE).status_code == 401


@pytest.mark.parametrize("given", [{}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "0" * 64}, {"X-CSRF-Token": "ä"}])
def test_a_change_by_cookie_without_the_sessions_token_is_refused(
    client: FlaskClient, system: FakeSystem, given: dict[str, str]
) -> None:
    log_in(client)
    answer = client.post("/api/ess/trip", json=TRIP, base_url=HERE, headers=given)
    assert problem_of(answer) == (403, "csrf-token-missing")
    assert system.calls == []


def test_an_operator_changes_things_by_cookie_and_in_their_own_name(client: FlaskClient, system: FakeSystem) -> None:
    log_in(client)
    answer = client.post("/api/ess/trip", json=TRIP, base_url=HERE, headers=csrf_of(client))
    assert answer.status_code == 200
    assert system.calls == [("trip", "olga", "a test", False)]


def test_a_reader_reads_and_nothing_more(client: FlaskClient, system: FakeSystem) -> None:
    log_in(client, "reader")
    assert client.get("/api/ess", base_url=HERE).status_code == 200
    for method, path in (("POST", "/api/ess/trip"), ("PUT", "/api/policy"), ("POST", "/api/signals")):
        answer = client.open(path, method=method, json=TRIP, base_url=HERE, headers=csrf_of(client))
        assert problem_of(answer) == (403, "forbidden"), path
    assert system.calls == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},  # same site, so the cookie comes along
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_other_sites_get_nothing_out_of_a_browser_that_is_logged_in(
    client: FlaskClient, system: FakeSystem, headers: dict[str, str]
) -> None:
    log_in(client)
    csrf = csrf_of(client)
    assert problem_of(client.get("/api/ess", base_url=HERE, headers=headers)) == (403, "foreign-origin")
    answer = client.post("/api/ess/trip", json=TRIP, base_url=HERE, headers={**headers, **csrf})
    assert problem_of(answer) == (403, "foreign-origin")
    assert problem_of(log_in(client, headers=headers)) == (403, "foreign-origin")
    assert system.calls == []


def test_a_wrong_token_is_not_saved_by_a_good_session(client: FlaskClient) -> None:
    log_in(client)
    assert client.get("/api/ess", base_url=HERE, headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_a_token_says_who_it_is_and_cannot_be_logged_out(client: FlaskClient) -> None:
    token = {"Authorization": "Bearer read-token"}
    told = client.get("/api/session", headers=token).get_json()
    assert (told["name"], told["via"], told["scopes"], told["csrf_token"]) == ("read", "token", ["read"], None)
    assert client.delete("/api/session", headers=token).get_json() == {"logged_out": False}
    assert client.get("/api/ess", headers=token).status_code == 200


def test_a_database_that_is_away_is_said_so_and_logs_nobody_out(client: FlaskClient, system: FakeSystem) -> None:
    log_in(client)
    system.database_away = True
    for answer in (client.get("/api/session", base_url=HERE), log_in(client)):
        assert problem_of(answer) == (503, "unavailable")
        assert answer.get_json(force=True)["reason"] == "DatabaseUnavailableError"
    system.database_away = False
    assert client.get("/api/ess", base_url=HERE).status_code == 200


def test_a_restart_logs_nobody_out(client: FlaskClient, system: FakeSystem, settings: Settings) -> None:
    log_in(client)
    restarted = create_app(system, settings).test_client()
    restarted.set_cookie(COOKIE, "secret-of-olga", domain="127.0.0.1")
    assert restarted.get("/api/ess", base_url=HERE).status_code == 200


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/api/openapi.json", "/api/ess", "/nothing"])
def test_every_answer_carries_the_headers_that_keep_a_browser_in_bounds(client: FlaskClient, path: str) -> None:
    headers = client.get(path, base_url=HERE).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Access-Control-Allow-Origin" not in headers


def test_the_page_brings_no_inline_script_or_style_and_nothing_from_other_hosts() -> None:
    static = Path(__file__).resolve().parents[2] / "web" / "static"
    page = (static / "index.html").read_text()
    assert "<script>" not in page
    assert "style=" not in page
    assert " on" not in "".join(part.partition(">")[0] for part in page.split("<")[1:]).replace(" on this", "")
    for file in static.rglob("*"):
        if file.suffix in (".html", ".js", ".css"):
            text = file.read_text()
            # A link that a person may follow, as the chart library's licence asks; nothing is loaded from there.
            assert "https://" not in text.replace('href: "https://www.tradingview.com/"', "")
            assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
            assert "innerHTML" not in text
            assert "insertAdjacentHTML" not in text


def test_the_chart_library_is_held_to_its_hash_and_to_no_registry() -> None:
    lock = json.loads((Path(__file__).resolve().parents[2] / "web" / "package-lock.json").read_text())
    packages = {name: each for name, each in lock["packages"].items() if name}
    assert "node_modules/lightweight-charts" in packages
    for name, each in packages.items():
        assert each["integrity"].startswith("sha512-"), name
        assert "resolved" not in each, name


FORWARDED = {"X-Forwarded-For": "198.51.100.7, 203.0.113.9", "X-Forwarded-Proto": "http, https"}


@pytest.mark.parametrize(
    ("hops", "address", "is_secure"), [(0, "127.0.0.1", False), (1, "203.0.113.9", True), (2, "198.51.100.7", False)]
)
def test_a_visitors_address_comes_from_as_many_proxies_as_are_trusted(
    system: FakeSystem, tmp_path: Path, hops: int, address: str, is_secure: bool
) -> None:
    browser = create_app(system, Settings(state_dir=tmp_path, trusted_proxies=hops)).test_client()
    answer = log_in(browser, headers=FORWARDED)
    assert answer.status_code == 200
    assert system.addresses == [address]
    assert ("Secure" in answer.headers["Set-Cookie"].split("; ")) is is_secure


def test_a_proxy_does_not_say_which_site_we_are(system: FakeSystem, tmp_path: Path) -> None:
    browser = create_app(system, Settings(state_dir=tmp_path, trusted_proxies=1)).test_client()
    lie = {"Origin": "http://evil.example", "X-Forwarded-Host": "evil.example", **FORWARDED}
    assert problem_of(log_in(browser, headers=lie)) == (403, "foreign-origin")


# What says nothing of the system, or carries its own secret.
OPEN = {
    *("page", "static", "charts", "favicon", "openapi", "live", "problem_type"),
    *("log_in", "login_link", "tradingview"),
}


def test_every_other_route_there_is_refuses_whoever_brings_nothing(client: FlaskClient) -> None:
    refused = set()
    for rule in client.application.url_map.iter_rules():
        if rule.endpoint in OPEN or rule.websocket:
            continue
        path = re.sub(r"<[^>]+>", "x", rule.rule)
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            answer = client.open(path, method=method, base_url=HERE, json={} if method != "GET" else None)
            assert problem_of(answer) == (401, "unauthenticated"), (method, path)
            refused.add((method, path))
    assert len(refused) > 20
