"""`./qt policy whatif` on a database of its own: decisions as they were really stored, taken again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app.adapters.postgres import PostgresUnitOfWorkFactory, create_engine
from app.cli import policy
from app.domain.policy import RiskMode, default_policy
from app.domain.policy_fields import FIELDS, write_field
from tests.fakes.redis import FakeEvents
from tests.unit.services.test_what_if import desk_with_history

pytestmark = pytest.mark.integration

SINCE = ("--since", "2026-11-22T00:00:00")  # the desk's clock stands on this day


@pytest.fixture
def recorded(fresh_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A desk's decisions in Postgres, and the environment that leads there; nothing else is there to be reached."""
    desk = desk_with_history()
    engine = create_engine(fresh_database, application_name="test", pool_size=1)
    state = desk.database.state
    with PostgresUnitOfWorkFactory(engine, FakeEvents())() as uow:
        for each in state.policies:
            uow.control.add_policy(each.policy, author=each.author, reason=each.reason, now=each.created_at)
        uow.signals.add_many([stored.signal for stored in state.signals.values()])
        for decision in state.decisions:
            uow.control.add_decision(decision)
        uow.commit()
    engine.dispose()
    for name, value in {
        "QT_STATE_DIR": str(tmp_path),
        "QT_DATABASE_URL": fresh_database,
        "QT_REDIS_URL": "redis://127.0.0.1:1/0",
        "QT_EXCHANGE_URL": "http://127.0.0.1:1",
        "QT_EXCHANGE_KEY": "k",
        "QT_EXCHANGE_SECRET": "s",
    }.items():
        monkeypatch.setenv(name, value)


def what_if(*arguments: str) -> Result:
    return CliRunner().invoke(policy.command, ["whatif", *SINCE, *arguments])


def item_of(*arguments: str) -> Any:
    result = what_if("--json", *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.output.splitlines()[-1])


def test_what_was_stored_is_decided_the_same_and_other_policies_tell_what_changes(
    recorded: None, tmp_path: Path
) -> None:
    same = item_of()
    assert same["decisions"]["compared"] == same["decisions"]["read"] > 4
    assert (same["decisions"]["changed"], same["changes"], same["is_complete"]) == (0, [], True)

    stricter = item_of("--set", "confidence_minimum=0.85", "--version", "1")
    assert [each["field"] for each in stricter["changes"]] == ["confidence_minimum"]
    assert "chased" in {each["signal_id"] for each in stricter["changed"]}

    whole = default_policy(RiskMode.DEFENSIVE)
    file = tmp_path / "defensive.json"
    file.write_text(json.dumps({"policy": {name: write_field(name, getattr(whole, name)) for name in FIELDS}}))
    by_file, by_mode = item_of("--policy", str(file)), item_of("--mode", "defensive")
    assert by_file["policy"] == by_mode["policy"]
    assert by_file["entered"] == by_mode["entered"] != by_file["entered"]["before"]

    told = what_if("--mode", "defensive")
    assert told.exit_code == 0, told.output
    assert "decisions taken again" in told.output
    assert "version 1 with mode NORMAL -> DEFENSIVE" in told.output
    assert "were not looked at" in " ".join(what_if("--limit", "2").output.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--version", "9"), "version=9"),
        (("--set", "leverage_max=999"), "leverage_max: must be from 1 to 125"),
        (("--set", "ess_reset_permitted=maybe"), "true or false"),
        (("--set", "nonsense"), "not FIELD=VALUE"),
        (("--until", "tomorrow"), "neither a span"),
        (("--policy", "broken.json"), "is not JSON"),
        (("--policy", "list.json"), "holds no fields"),
    ],
)
def test_what_cannot_be_tried_ends_with_one_line_that_says_why(
    recorded: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.json").write_text("{")
    Path("list.json").write_text("[]")
    result = what_if(*arguments)
    assert result.exit_code == 1
    assert said in result.output
