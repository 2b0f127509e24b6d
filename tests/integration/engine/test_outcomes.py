"""What came of forecasts and signals is recorded for every one, exactly, and measured."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from app.adapters.postgres import PostgresUnitOfWorkFactory
from app.domain.ensemble.opinions import Opinion, Vote
from app.domain.ensemble.outcomes import MINUTE_MS
from app.domain.ensemble.series import CandleSeries
from app.domain.signals import Side
from tests.contract.unit_of_work_values import signal
from tests.fakes.redis import FakeEvents
from tests.integration.engine.conftest import HORIZON, EngineDesk

pytestmark = pytest.mark.integration
OpenDesk = Callable[..., EngineDesk]


class Momentum:
    """A model of the user's: what rose goes on rising."""

    name = "momentum"
    version = "momentum-1"

    def predict(self, window: CandleSeries) -> Opinion:
        return Vote(
            model=self.name, version=self.version, probability=0.6 if window.closes[-1] > window.closes[-20] else 0.4
        )


def test_every_signal_has_its_outcome_after_costs_also_one_that_was_never_traded(
    open_desk: OpenDesk, database: sa.Engine
) -> None:
    desk = open_desk(cost="0.001")
    received = desk.now + timedelta(seconds=20)
    bought = signal("bought", symbol="S0USDT", side=Side.BUY, received_at=received)
    sold = signal("sold", symbol="S0USDT", side=Side.SELL, received_at=received)
    with PostgresUnitOfWorkFactory(database, FakeEvents())() as uow:
        uow.signals.add_many([bought, sold])
        uow.commit()
    desk.outcomes()
    assert desk.overview()["outcomes"]["signals"] == 0  # the horizon has not come yet
    desk.move(HORIZON + 2)
    desk.outcomes()
    desk.outcomes()
    opens = desk.candles.at_ms - (HORIZON + 1) * MINUTE_MS
    first = next(each for each in desk.candles.recorded["S0USDT"] if each.open_ms == opens)
    last = next(each for each in desk.candles.recorded["S0USDT"] if each.open_ms == opens + (HORIZON - 1) * MINUTE_MS)
    gross = ((last.close - first.open) / first.open).quantize(Decimal("1E-10"))
    with database.connect() as connection:
        rows = connection.execute(sa.text("SELECT * FROM signal_outcomes ORDER BY sequence")).all()
    assert [(row.signal_id, row.gross_return, row.net_return) for row in rows] == [
        ("bought", gross, gross - Decimal("0.001")),
        ("sold", -gross, -gross - Decimal("0.001")),
    ]
    told = desk.overview()["outcomes"]
    assert (told["signals"], told["unknown"], told["strategies"][0]["right_share"]) == (2, 0, 0.5)


def test_an_outcome_that_cannot_be_told_is_null_with_the_reason(open_desk: OpenDesk, database: sa.Engine) -> None:
    desk = open_desk()
    with PostgresUnitOfWorkFactory(database, FakeEvents())() as uow:
        uow.signals.add_many([signal("s", symbol="S0USDT", received_at=desk.now)])
        uow.commit()
    desk.candles.recorded = {**desk.candles.recorded, "S0USDT": desk.candles.recorded["S0USDT"][:100]}
    desk.move(HORIZON + 2)
    desk.outcomes()
    with database.connect() as connection:
        row = connection.execute(sa.text("SELECT * FROM signal_outcomes")).one()
    assert (row.net_return, row.gross_return, row.entry_price) == (None, None, None)
    assert row.reason == "the exchange has no candle for its first minute"
    assert desk.overview()["outcomes"]["strategies"] == []


def test_a_model_of_the_users_votes_at_once_and_earns_its_weight_by_what_comes(open_desk: OpenDesk) -> None:
    desk = open_desk(spare=420, own_models=[Momentum()])
    desk.train()
    desk.infer()
    assert desk.status()["momentum"] == ("LIVE", None)
    assert [m["weight"] for m in desk.overview()["models"] if m["model"] == "momentum"] == [0.0]
    for _ in range(40):
        desk.move(10)
        desk.infer()
    desk.move(2 * HORIZON - 10)
    assert desk.outcomes() > 0
    live = desk.records.live_skills()["momentum-1"]
    assert live.is_measured
    assert live.estimate > 0.3
    desk.move(1)
    desk.infer()
    (momentum,) = [model for model in desk.overview()["models"] if model["model"] == "momentum"]
    assert momentum["weight"] > 0.0
    assert momentum["skill"]["verdict"] == "PROVEN"
    (xgboost,) = [version for version in desk.overview()["registry"] if version["family"] == "xgboost"]
    assert xgboost["live"]["samples"] > 0


def test_old_forecasts_are_forgotten_and_the_registry_is_not(open_desk: OpenDesk, database: sa.Engine) -> None:
    desk = open_desk()
    desk.train()
    desk.infer()
    desk.records.forget(before=desk.now - timedelta(days=1))
    with database.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM forecasts")) == 4
    desk.records.forget(before=desk.now + timedelta(seconds=1))
    with database.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM forecasts")) == 0
        assert connection.scalar(sa.text("SELECT count(*) FROM model_versions")) == 2


def test_candles_that_the_exchange_does_not_tell_are_asked_for_again_before_they_are_given_up(
    open_desk: OpenDesk, database: sa.Engine
) -> None:
    desk = open_desk()
    with PostgresUnitOfWorkFactory(database, FakeEvents())() as uow:
        uow.signals.add_many([signal("s", symbol="S0USDT", received_at=desk.now)])
        uow.commit()
    desk.move(HORIZON + 2)
    desk.candles.away = True
    assert desk.outcomes() == 0  # not even the time is known
    desk.candles.away = False
    desk.candles.silent = {"S0USDT"}
    assert desk.outcomes() == 0
    desk.candles.silent = set()
    assert desk.outcomes() == 1
    assert desk.overview()["outcomes"]["unknown"] == 0
