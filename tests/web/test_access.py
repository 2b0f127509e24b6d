"""Who gets the page's session, and what every answer carries."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.settings import Settings
from tests.web.fakes import FakeSystem
from web.application import create_app
from web.session_key import SessionKeyError, session_key

HERE = "http://127.0.0.1:5000"


@pytest.mark.parametrize("host", ["127.0.0.1:5000", "localhost:5000", "localhost", "[::1]:5000", "LOCALHOST:8080"])
def test_a_browser_on_this_machine_gets_a_session_that_reads(client: FlaskClient, host: str) -> None:
    response = client.get("/", base_url=f"http://{host}")
    assert response.status_code == 200
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("qt_dashboard_5000=")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert "Domain" not in cookie
    assert client.get("/api/ess", base_url=f"http://{host}").status_code == 200


@pytest.mark.parametrize(
    ("base_url", "options"),
    [
        ("http://rebound.example:5000", {}),
        ("http://127.0.0.1.evil.example", {}),
        ("http://192.168.1.5:5000", {}),
        (HERE, {"environ_base": {"REMOTE_ADDR": "192.168.1.7"}}),
        (HERE, {"headers": {"X-Forwarded-For": "203.0.113.9"}}),
        (HERE, {"headers": {"Forwarded": "for=203.0.113.9"}}),
        (HERE, {"headers": {"Via": "1.1 proxy"}}),
    ],
)
def test_anybody_else_gets_the_empty_page_and_nothing_to_fill_it_with(
    client: FlaskClient, base_url: str, options: dict[str, object]
) -> None:
    response = client.get("/", base_url=base_url, **options)
    assert response.status_code == 200
    assert "Set-Cookie" not in response.headers
    assert client.get("/api/ess", base_url=base_url, **options).status_code == 401


def test_a_session_taken_elsewhere_is_worth_nothing(client: FlaskClient) -> None:
    client.get("/", base_url=HERE)
    assert client.get("/api/ess", base_url=HERE).status_code == 200
    assert client.get("/api/ess", base_url=HERE, environ_base={"REMOTE_ADDR": "10.0.0.9"}).status_code == 401
    assert client.get("/api/ess", base_url=HERE, headers={"X-Forwarded-For": "10.0.0.9"}).status_code == 401


def test_on_a_public_address_nobody_is_let_in_without_a_token(system: FakeSystem, tmp_path: Path) -> None:
    application = create_app(system, Settings(state_dir=tmp_path, bind_host="0.0.0.0"))
    client = application.test_client()
    assert "Set-Cookie" not in client.get("/", base_url=HERE).headers
    assert client.get("/api/ess", base_url=HERE).status_code == 401


def test_a_wrong_token_is_not_saved_by_a_good_session(client: FlaskClient) -> None:
    client.get("/", base_url=HERE)
    assert client.get("/api/ess", base_url=HERE, headers={"Authorization": "Bearer wrong"}).status_code == 401


@pytest.mark.parametrize("value", ["eyJyZWFkcyI6dHJ1ZX0.aZZZZZ.AAAAAAAAAAAAAAAAAAAAAAAAAAA", "", "x"])
def test_a_forged_cookie_is_no_session(client: FlaskClient, value: str) -> None:
    client.set_cookie("qt_dashboard_5000", value, domain="127.0.0.1")
    assert client.get("/api/ess", base_url=HERE).status_code == 401


def test_a_restart_logs_nobody_out(application: Flask, system: FakeSystem, settings: Settings) -> None:
    client = application.test_client()
    client.get("/", base_url=HERE)
    cookie = client.get_cookie("qt_dashboard_5000", domain="127.0.0.1")
    assert cookie is not None
    restarted = create_app(system, settings).test_client()
    restarted.set_cookie(cookie.key, cookie.value, domain="127.0.0.1")
    assert restarted.get("/api/ess", base_url=HERE).status_code == 200


def test_the_key_is_its_owners_alone_and_stays(tmp_path: Path) -> None:
    key = session_key(tmp_path / "state")
    assert session_key(tmp_path / "state") == key
    [file] = (tmp_path / "state").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_bytes(b"short")
    with pytest.raises(SessionKeyError, match="remove it"):
        session_key(tmp_path / "state")


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
            assert "https://" not in text
            assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
            assert "innerHTML" not in text
            assert "insertAdjacentHTML" not in text
