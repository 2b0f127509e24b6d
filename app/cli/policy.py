"""`./qt policy`: the risk policy, over HTTP like everybody else; what loosens is asked for on the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click
import httpx

from app.cli.api_client import call, describe_problem, open_client
from app.cli.ess import connecting
from app.cli.failure import CommandFailure
from app.cli.policy_values import split_assignment, typed_value
from app.cli.what_if import whatif

CONFIRMATION_PROBLEM = "/problems/loosening-needs-confirmation"
MODES = ("AGGRESSIVE_SMALL_ACCOUNT", "NORMAL", "DEFENSIVE")
HISTORY_DEFAULT = 20

reason_option = click.option("--reason", "-m", required=True, help="Why; kept with the version.")
yes_option = click.option("--yes", is_flag=True, help="Loosen without asking.")


@click.group(name="policy")
def command() -> None:
    """The risk policy: what counts, and what counted before."""


@command.command(name="show")
@click.option("--json", "as_json", is_flag=True, help="As the API gives it.")
@connecting
def show(as_json: bool, url: str | None, token: str | None) -> None:
    """Every field of the policy in force."""
    with open_client(url=url, token=token) as client:
        policy = call(client, "GET", "/api/policy")
    if as_json:
        click.echo(json.dumps(policy))
        return
    if policy["version"] is None:
        raise CommandFailure(str(policy.get("reason", "there is no policy")))
    click.echo(f"version {policy['version']}, {policy['created_at']}, by {policy['author']}: {policy['reason']}")
    for name, value in policy["policy"].items():
        click.echo(f"  {name:<34}{_shown(value)}")


@command.command(name="mode")
@click.argument("mode", type=click.Choice(MODES, case_sensitive=False))
@reason_option
@yes_option
@connecting
def mode(mode: str, reason: str, yes: bool, url: str | None, token: str | None) -> None:
    """Choose a risk mode."""
    _change("POST", "/api/policy/mode", {"mode": mode.upper(), "reason": reason}, yes=yes, url=url, token=token)


@command.command(name="set")
@click.argument("assignments", nargs=-1, required=True, metavar="FIELD=VALUE...")
@reason_option
@yes_option
@connecting
def set_fields(assignments: Sequence[str], reason: str, yes: bool, url: str | None, token: str | None) -> None:
    """Change single fields, e.g. confidence_minimum=0.6 symbols_denied=XRPUSDT,ADAUSDT."""
    given = dict(split_assignment(each) for each in assignments)
    with open_client(url=url, token=token) as client:
        policy = call(client, "GET", "/api/policy")
    current = policy["policy"] or {}
    changes = {name: typed_value(name, text, current.get(name)) for name, text in given.items()}
    body = {"changes": changes, "reason": reason, "base_version": policy["version"]}
    _change("PUT", "/api/policy", body, yes=yes, url=url, token=token)


@command.command(name="rollback")
@click.argument("version", type=click.IntRange(min=1))
@reason_option
@yes_option
@connecting
def rollback(version: int, reason: str, yes: bool, url: str | None, token: str | None) -> None:
    """Make a new version equal to an old one."""
    _change("POST", "/api/policy/rollback", {"version": version, "reason": reason}, yes=yes, url=url, token=token)


@command.command(name="history")
@click.option("--limit", type=click.IntRange(1, 500), default=HISTORY_DEFAULT, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="As the API gives it.")
@connecting
def history(limit: int, as_json: bool, url: str | None, token: str | None) -> None:
    """Versions, newest first, each with what it changed."""
    with open_client(url=url, token=token) as client:
        page = call(client, "GET", f"/api/policy/versions?limit={limit}")
    if as_json:
        click.echo(json.dumps(page))
        return
    for each in page["items"]:
        click.echo(f"{each['version']:>5}  {each['created_at']}  {each['mode']}  by {each['author']}: {each['reason']}")
        for change in each["changes"] or ():
            click.echo(f"         {_line(change)}")


def _change(method: str, path: str, body: Mapping[str, Any], *, yes: bool, url: str | None, token: str | None) -> None:
    """Send the change; when it loosens, say what and send it again if that is meant."""
    with open_client(url=url, token=token) as client:
        answer = _send(client, method, path, body)
        if "confirm" in answer:
            click.echo("this permits more than before:", err=True)
            for each in answer["loosened"]:
                click.echo(f"  {_line(each)}", err=True)
            if not yes and not click.confirm("loosen the policy?", err=True):
                raise CommandFailure("nothing was changed")
            answer = _send(client, method, path, {**body, "confirm": answer["confirm"]})
            if "confirm" in answer:
                raise CommandFailure("the policy was changed by somebody else meanwhile; look at it and try again")
    if not answer["changes"]:
        click.echo(f"version {answer['version']}: it is like this already")
        return
    click.echo(f"version {answer['version']} counts now")
    for each in answer["changes"]:
        click.echo(f"  {_line(each)}")


def _send(client: httpx.Client, method: str, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        response = client.request(method, path, json=body)
    except httpx.HTTPError as error:
        raise CommandFailure(f"cannot reach {client.base_url}: {error}") from error
    try:
        answer: Mapping[str, Any] = response.json()
    except ValueError as error:
        raise CommandFailure(describe_problem(response)) from error
    if response.is_error and answer.get("type") != CONFIRMATION_PROBLEM:
        raise CommandFailure(describe_problem(response))
    return answer


def _line(change: Mapping[str, Any]) -> str:
    return f"{change['field']}: {_shown(change.get('before'))} -> {_shown(change.get('after'))}"


def _shown(value: Any) -> str:
    if value is None:
        return "(none)"
    if isinstance(value, list):
        return ",".join(value) or "(none)"
    return str(value).lower() if isinstance(value, bool) else str(value)


command.add_command(whatif)
