"""Talking to the running system as any other producer would: HTTP with a token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from app.cli.failure import CommandFailure
from app.cli.settings import read_settings, state_directory

TIMEOUT_SECONDS = 10.0
CONNECT_TIMEOUT_SECONDS = 3.0


def open_client(*, url: str | None, token: str | None) -> httpx.Client:
    """A keep-alive client of the web process; the operator's own token file stands in when no token is given."""
    settings = read_settings()
    state = state_directory(settings)
    record = state.read_record()
    if url is None:
        running = record is not None and record.is_running
        url = record.urls["web"] if record is not None and running else f"http://127.0.0.1:{settings.web_port}"
    if token is None:
        try:
            token = state.operator_token.read_text().strip()
        except FileNotFoundError:
            raise CommandFailure(
                f"no token: give --token or QT_TOKEN, or start the system ({state.operator_token} is made by ./qt up)"
            ) from None
        except PermissionError:
            raise CommandFailure(f"{state.operator_token} is not ours to read; give --token or QT_TOKEN") from None
    return httpx.Client(
        base_url=url,
        headers={"Authorization": f"Bearer {token}"},
        timeout=httpx.Timeout(TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS),
        trust_env=False,  # the web process is not behind the machine's proxy
    )


def call(client: httpx.Client, method: str, path: str, body: object = None) -> Mapping[str, Any]:
    """One request; the JSON object of a good answer, else the command ends with the problem in one line."""
    try:
        response = client.request(method, path, json=body)
    except httpx.HTTPError as error:
        raise CommandFailure(f"cannot reach {client.base_url}: {error}") from error
    if response.is_error:
        raise CommandFailure(describe_problem(response))
    answer: Mapping[str, Any] = response.json()
    return answer


def describe_problem(response: httpx.Response) -> str:
    """One line of an RFC 9457 problem: status, title, detail, and the field it points at."""
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    parts = [f"{response.request.url.path} answers {response.status_code}"]
    if isinstance(problem, dict):
        parts += [str(problem[key]) for key in ("title", "detail", "pointer") if problem.get(key)]
        parts += [f"{one.get('pointer', '')} {one.get('detail', '')}".strip() for one in problem.get("errors", [])]
    return ": ".join(parts)
