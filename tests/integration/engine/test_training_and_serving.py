"""Training, registry, serving, rollback: on a real Postgres, with real learners over a made-up market."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import sqlalchemy as sa
from jsonschema import Draft202012Validator

from app.adapters.postgres.engine_records import PostgresEngineRecords
from app.domain.ensemble.skill import SkillVerdict
from app.domain.ensemble.versions import Role
from app.services.engine.infer_signals import Emission
from tests.integration.engine.conftest import EngineDesk
from web.engine_shapes import EngineOverview

pytestmark = pytest.mark.integration
OpenDesk = Callable[..., EngineDesk]


def fits_its_shape(overview: Mapping[str, Any]) -> None:
    schema = EngineOverview.model_json_schema(mode="serialization")
    Draft202012Validator(schema).validate(overview)


def test_from_nothing_to_signals_that_the_api_would_take(open_desk: OpenDesk) -> None:
    desk = open_desk(cost="0.0001")
    before = desk.overview()
    assert (before["state"], before["models"], before["training"]) == ("UNAVAILABLE", [], None)
    assert "./qt up --engine" in before["reason"]

    run = desk.train.when_due()
    assert run is not None
    assert run.skill.verdict is SkillVerdict.PROVEN
    assert "skill beyond chance" in run.sentence
    assert desk.train.when_due() is None  # trained just now

    done = desk.infer()
    assert done is not None
    assert desk.infer() is None  # that minute is done
    overview = desk.overview()
    fits_its_shape(overview)
    assert overview["state"] == "LIVE"
    assert desk.status() == {
        "xgboost": ("LIVE", None),
        "lightgbm": ("LIVE", None),
        "nhits": ("UNAVAILABLE", "NOT_INSTALLED"),
    }
    assert {version["role"] for version in overview["registry"]} == {"CHAMPION"}
    for verdict in overview["symbols"]:
        assert verdict["probability"] is not None
        assert sum(vote["weight"] for vote in verdict["votes"]) == pytest.approx(1.0)
    assert [signal["signal_id"] for signal in desk.outlet.sent] == [
        verdict["signal_id"] for verdict in overview["symbols"] if verdict["signal_id"] is not None
    ]
    assert desk.outlet.sent
    for signal in desk.outlet.sent:
        assert set(signal["models"]) == {"xgboost", "lightgbm"}  # who abstained has no number here either
        assert signal["models"]["xgboost"]["source"].startswith("xgboost-")


def test_on_a_random_walk_no_signal_is_sent_and_the_page_says_why(open_desk: OpenDesk) -> None:
    desk = open_desk(drift=0.0, cost="0")
    run = desk.train()
    assert run is not None
    assert run.skill.verdict is SkillVerdict.INDISTINGUISHABLE_FROM_ZERO
    desk.infer()
    assert desk.outlet.sent == []
    overview = desk.overview()
    assert "indistinguishable from zero" in overview["training"]["sentence"]
    assert all("skill" in verdict["reason"] for verdict in overview["symbols"])


def test_an_engine_that_is_gone_is_stale_with_words_and_without_numbers(open_desk: OpenDesk) -> None:
    desk = open_desk()
    desk.train()
    desk.infer()
    desk.move(5)
    overview = desk.overview()
    fits_its_shape(overview)
    assert overview["state"] == "STALE"
    assert "does not run" in overview["reason"]
    assert set(desk.status().values()) == {("STALE", "STALE")}
    for verdict in overview["symbols"]:
        assert (verdict["side"], verdict["probability"], verdict["agreement"], verdict["votes"]) == (
            None, None, None, [],
        )  # fmt: skip
    for model in overview["models"]:
        assert (model["weight"], model["votes"]) == (None, None)


@pytest.mark.parametrize(
    ("harm", "code"), [("corrupt", "FILE_CORRUPT"), ("cut", "FILE_CORRUPT"), ("remove", "FILE_MISSING")]
)
def test_a_harmed_model_file_takes_the_model_out_and_nobody_else(open_desk: OpenDesk, harm: str, code: str) -> None:
    desk = open_desk(cost="0.0001")
    desk.train()
    desk.infer()
    desk.outlet.sent.clear()
    (path,) = desk.folder.glob("xgboost-*")
    content = path.read_bytes()
    if harm == "remove":
        path.unlink()
    else:
        path.write_bytes(content[:-9] if harm == "cut" else content[:200] + b"\xff" + content[201:])
    desk.move(1)
    desk.infer()
    assert desk.status()["xgboost"] == ("UNAVAILABLE", code)
    assert desk.status()["lightgbm"] == ("LIVE", None)
    for verdict in desk.overview()["symbols"]:
        assert [vote["model"] for vote in verdict["votes"]] == ["lightgbm"]
        assert verdict["agreement"] == 1.0
    assert all(set(signal["models"]) == {"lightgbm"} for signal in desk.outlet.sent)
    path.write_bytes(content)
    desk.move(1)
    desk.infer()
    assert desk.status()["xgboost"] == ("LIVE", None)
    desk.clock.advance(3700)
    path.write_bytes(b"")
    run = desk.train.when_due()
    assert run is not None
    assert "cannot be used" in run.families["xgboost"]["reason"]
    assert run.families["xgboost"]["role"] == "CHAMPION"


def test_starved_of_history_every_model_abstains_with_the_reason(open_desk: OpenDesk) -> None:
    desk = open_desk()
    desk.train()
    starved = open_desk()
    starved.candles.recorded = {symbol: candles[970:] for symbol, candles in starved.candles.recorded.items()}
    starved.infer()
    assert starved.status()["xgboost"] == ("UNAVAILABLE", "TOO_LITTLE_HISTORY")
    assert all(verdict["probability"] is None for verdict in starved.overview()["symbols"])
    assert "30 candles" in starved.overview()["models"][0]["reason"]


def test_old_candles_are_no_basis_for_a_forecast(open_desk: OpenDesk) -> None:
    desk = open_desk(spare=0)
    desk.train()
    desk.move(3)  # time goes on, and no candle comes
    desk.infer()
    assert desk.status()["xgboost"] == ("UNAVAILABLE", "STALE_CANDLES")


def test_a_model_too_old_abstains(open_desk: OpenDesk) -> None:
    desk = open_desk()
    desk.train()
    desk.clock.advance(25 * 3600)
    desk.candles.at_ms += 60_000
    desk.infer()
    (said,) = {each["code"] for verdict in desk.overview()["symbols"] for each in verdict["abstentions"]} - {
        "NOT_INSTALLED"
    }
    assert said == "TOO_OLD"


def test_an_exchange_that_does_not_answer_stops_the_pass_and_nothing_else(open_desk: OpenDesk) -> None:
    desk = open_desk()
    desk.candles.away = True
    assert desk.infer() is None
    run = desk.train()
    assert run is not None
    assert {key: run.families["xgboost"][key] for key in ("version",)} == {"version": None}
    assert "too little history" in run.families["xgboost"]["reason"]


def test_signals_that_are_not_taken_are_not_sent_again_later(open_desk: OpenDesk) -> None:
    desk = open_desk(emission=Emission.ALWAYS)
    desk.train()
    desk.outlet.away = True
    assert desk.infer() is not None
    desk.outlet.away = False
    assert desk.infer() is None
    assert desk.outlet.sent == []


def test_a_challenger_serves_only_after_it_beat_the_champion_and_a_rollback_brings_back(open_desk: OpenDesk) -> None:
    desk = open_desk()
    first = desk.train()
    desk.move(61)
    second = desk.train.when_due()
    assert first is not None
    assert second is not None
    # The same market and the same recipe: no better, so the first goes on serving.
    assert second.families["xgboost"]["role"] == "CHALLENGER"
    assert "not better than xgboost-" in second.families["xgboost"]["reason"]
    desk.infer()
    served = {vote["version"] for verdict in desk.overview()["symbols"] for vote in verdict["votes"]}
    assert first.families["xgboost"]["version"] in served
    challenger = second.families["xgboost"]["version"]
    assert challenger not in served

    item = desk.registry.roll_back_model(challenger, reason="I prefer it", actor="op", now=desk.now)
    assert item is not None
    assert (item["role"], item["reason"]) == ("CHAMPION", "I prefer it")
    desk.move(1)
    desk.infer()
    served = {vote["version"] for verdict in desk.overview()["symbols"] for vote in verdict["votes"]}
    assert challenger in served
    back = desk.registry.roll_back_model(first.families["xgboost"]["version"], reason="back", actor="op", now=desk.now)
    assert back is not None
    assert back["role"] == "CHAMPION"
    assert desk.registry.roll_back_model("xgboost-never", reason="?", actor="op", now=desk.now) is None
    champions = [v for v in desk.records.versions(roles=[Role.CHAMPION], limit=10) if v.family == "xgboost"]
    assert [champion.version for champion in champions] == [first.families["xgboost"]["version"]]


def test_the_database_itself_refuses_a_second_champion(open_desk: OpenDesk, database: sa.Engine) -> None:
    desk = open_desk()
    desk.train()
    desk.move(61)
    desk.train.when_due()
    with pytest.raises(sa.exc.IntegrityError, match="one_champion"), database.begin() as connection:
        connection.execute(sa.text("UPDATE model_versions SET role = 'CHAMPION'"))


def test_only_one_trains_at_a_time(database: sa.Engine) -> None:
    records = PostgresEngineRecords(database)
    with records.training_turn() as mine, records.training_turn() as theirs:
        assert (mine, theirs) == (True, False)
    with records.training_turn() as again:
        assert again
