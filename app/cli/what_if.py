"""`./qt policy whatif`: recorded decisions taken again under another policy; changes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from app.cli.connection import settings_of_running_system
from app.cli.failure import CommandFailure
from app.cli.policy_values import split_assignment, typed_value
from app.cli.settings import read_settings, state_directory

MODES = ("AGGRESSIVE_SMALL_ACCOUNT", "NORMAL", "DEFENSIVE")
DECISIONS_DEFAULT = 100_000
SHOWN_DEFAULT = 20
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_SPAN = re.compile(r"([0-9]{1,6})([smhdw])")


@click.command(name="whatif")
@click.option("--policy", "file", type=click.File(), help="Fields as JSON, or a whole policy (policy show --json).")
@click.option("--mode", type=click.Choice(MODES, case_sensitive=False), help="The numbers of a risk mode.")
@click.option("--version", type=click.IntRange(min=1), help="Start from this version instead of the one that counts.")
@click.option("--set", "assignments", multiple=True, metavar="FIELD=VALUE", help="A single field; may be given again.")
@click.option("--since", default="1d", show_default=True, help="How long ago (30m, 12h, 1d, 2w), or a moment.")
@click.option("--until", help="Likewise; default: now.")
@click.option("--limit", type=click.IntRange(1, 10_000_000), default=DECISIONS_DEFAULT, show_default=True)
@click.option("--show", type=click.IntRange(0, 1_000), default=SHOWN_DEFAULT, show_default=True, help="Changed ones.")
@click.option("--json", "as_json", is_flag=True, help="As the API gives it.")
def whatif(
    file: Any,
    mode: str | None,
    version: int | None,
    assignments: Sequence[str],
    since: str,
    until: str | None,
    limit: int,
    show: int,
    as_json: bool,
) -> None:
    """What another policy would have decided: every recorded decision taken again, with the facts recorded with it.

    Each by itself: what an entry let in, or kept out, would have left to those after it is not played through.
    """
    from app.bootstrap import open_system
    from app.domain.policy import RiskMode
    from app.services.what_if import Period, Wanted
    from app.services.what_if_answers import what_if_answer

    now = datetime.now(UTC)
    changes = {**_fields_of(file), **dict(map(_assigned, assignments))}
    wanted = Wanted(mode=None if mode is None else RiskMode(mode.upper()), version=version, changes=changes)
    period = Period(
        since=_moment(since, now=now), until=now if until is None else _moment(until, now=now), decisions_max=limit
    )
    settings = read_settings()
    with open_system(settings_of_running_system(settings, state_directory(settings))) as system:
        answer = what_if_answer(system.what_if(wanted, period, details_max=show))
    if answer.refusal is not None:
        raise CommandFailure(answer.refusal.reason)
    if answer.item is None:
        raise CommandFailure("; ".join(f"{each['field']}: {each['detail']}" for each in answer.faults))
    if as_json:
        click.echo(json.dumps(answer.item))
    else:
        print_what_if(answer.item, Console())


def _fields_of(file: Any) -> Mapping[str, Any]:
    if file is None:
        return {}
    try:
        # Numbers exactly as they are written: a share is no binary fraction.
        given = json.load(file, parse_float=Decimal)
    except ValueError as error:
        raise CommandFailure(f"{Path(file.name).name} is not JSON: {error}") from error
    whole = given.get("policy", given) if isinstance(given, dict) else given
    if not isinstance(whole, dict):
        raise CommandFailure(f"{Path(file.name).name} holds no fields of a policy")
    return whole


def _assigned(assignment: str) -> tuple[str, Any]:
    from app.domain.policy import RiskMode, default_policy
    from app.domain.policy_fields import FIELDS, write_field

    name, text = split_assignment(assignment)
    example = write_field(name, getattr(default_policy(RiskMode.NORMAL), name)) if name in FIELDS else None
    return name, typed_value(name, text, example)


def _moment(text: str, *, now: datetime) -> datetime:
    span = _SPAN.fullmatch(text)
    if span is not None:
        return now - timedelta(seconds=int(span[1]) * _UNITS[span[2]])
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandFailure(f"neither a span such as 30m, 12h or 1d nor a moment: {text}") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


# ------------------------------------------------------------------------------------------------ for people


def print_what_if(item: Mapping[str, Any], console: Console) -> None:
    """What was tried, what it would have done, gate by gate and symbol by symbol, and the newest that changed."""
    console.print(_tried(item), highlight=False)
    counts = item["decisions"]
    console.print(
        f"{counts['compared']:,} decisions taken again, {counts['changed']:,} would have been different",
        highlight=False,
    )
    for name, why in (
        ("not_reproduced", "do not come out as recorded under their own policy either (another release): left out"),
        ("unreadable", "hold facts that this release cannot read: left out"),
    ):
        if counts[name]:
            console.print(f"{counts[name]:,} {why}, e.g. {', '.join(item[f'{name}_signals'][:3])}", highlight=False)
    if not item["is_complete"]:
        console.print(f"only the newest {counts['read']:,}: those before {item['oldest']} were not looked at")
    console.print(_entered_table(item))
    if any(each["denied_before"] or each["denied_after"] for each in item["gates"]):
        console.print(_gate_table(item))
    if item["changed"]:
        console.print(_changed_table(item))


def _tried(item: Mapping[str, Any]) -> str:
    if not item["changes"]:
        return f"version {item['base_version']} as it is"
    changes = ", ".join(
        f"{each['field']} {_shown(each['before'])} -> {_shown(each['after'])}" for each in item["changes"]
    )
    return f"version {item['base_version']} with {changes}"


def _shown(value: Any) -> str:
    return ",".join(value) or "(none)" if isinstance(value, list) else str(value)


def _entered_table(item: Mapping[str, Any]) -> Table:
    table = Table("entered", "entries", "bought", "sold", "gross", "net", title="before -> after, in USDT")
    rows = [("all", item["entered"]), *((each["symbol"], each) for each in item["symbols"])]
    for name, sides in rows:
        before, after = sides["before"], sides["after"]
        money = (f"{_money(before[key])} -> {_money(after[key])}" for key in ("bought", "sold", "gross", "net"))
        table.add_row(name, f"{before['entries']:,} -> {after['entries']:,}", *money)
    return table


def _money(text: str) -> str:
    from app.domain.money import for_display

    return f"{for_display(Decimal(text)):,}"


def _gate_table(item: Mapping[str, Any]) -> Table:
    table = Table("gate", "denied before", "denied after", "denies now", "passes now")
    for each in item["gates"]:
        if each["denied_before"] or each["denied_after"]:
            table.add_row(each["gate"], *(f"{each[name]:,}" for name in _GATE_COUNTS))
    return table


_GATE_COUNTS = ("denied_before", "denied_after", "denies_now", "passes_now")


def _changed_table(item: Mapping[str, Any]) -> Table:
    title = f"the newest {len(item['changed']):,} of {item['decisions']['changed']:,} that changed"
    table = Table("signal", "symbol", "confidence", "before", "after", "gates", title=title)
    for each in item["changed"]:
        gates = ", ".join(f"{gate['gate']} {'denies' if gate['after'] else 'passes'}" for gate in each["gates"])
        table.add_row(
            each["signal_id"] + (f" #{each['attempt_number']}" if each["attempt_number"] > 1 else ""),
            f"{each['side']} {each['symbol']}",
            each["confidence"],
            _outcome(each["before"]),
            _outcome(each["after"]),
            gates or "size",
        )
    return table


def _outcome(decision: Mapping[str, Any]) -> str:
    return decision["code"] or f"{decision['outcome']} {decision['quantity']} ({_money(decision['notional'])})"
