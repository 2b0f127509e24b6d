"""The engine's records on a database of their own, and the engine's use cases joined over made-up candles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.adapters.models.files import ModelFolder
from app.adapters.models.lightgbm_trees import LightgbmLearner
from app.adapters.models.xgboost_trees import XgboostLearner
from app.adapters.postgres import create_engine
from app.adapters.postgres.engine_records import PostgresEngineRecords
from app.adapters.postgres.model_registry import PostgresModelRegistry
from app.domain.ensemble.outcomes import MINUTE_MS
from app.ports.forecasting import Learner, Model, NotInstalled
from app.services.engine.ask_models import AskModels
from app.services.engine.candle_history import CandleHistory
from app.services.engine.infer_signals import Emission, InferSignals
from app.services.engine.record_outcomes import RecordOutcomes
from app.services.engine.serving import ServedVersions, moment
from app.services.engine.train_models import TrainModels
from tests.fakes.clock import FakeClock
from tests.fakes.engine import FakeCandles, FakeOutlet
from tests.support.markets import candles_of, market

HORIZON = 10
TREES = 10


@dataclass
class EngineDesk:
    """An engine over a made-up market whose clock the test holds."""

    records: PostgresEngineRecords
    registry: PostgresModelRegistry
    files: ModelFolder
    folder: Path
    candles: FakeCandles
    outlet: FakeOutlet
    clock: FakeClock
    train: TrainModels
    infer: InferSignals
    outcomes: RecordOutcomes

    def move(self, minutes: int) -> None:
        self.candles.at_ms += minutes * MINUTE_MS
        self.clock.advance(minutes * 60.0)

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def overview(self) -> Mapping[str, Any]:
        return self.registry.engine_overview(now=self.now)

    def status(self) -> dict[str, tuple[str, str | None]]:
        return {model["model"]: (model["status"], model["code"]) for model in self.overview()["models"]}


@pytest.fixture
def database(fresh_database: str) -> Iterator[sa.Engine]:
    engine = create_engine(fresh_database, application_name="test", pool_size=4)
    yield engine
    engine.dispose()


@pytest.fixture
def open_desk(database: sa.Engine, tmp_path: Path) -> Callable[..., EngineDesk]:
    def open_it(
        *,
        drift: float = 0.0006,
        minutes: int = 1_000,
        spare: int = 200,
        symbols: int = 2,
        emission: Emission = Emission.SKILLED,
        cost: str = "0.001",
        own_models: Sequence[Model] = (),
    ) -> EngineDesk:
        many = market(2, symbols=symbols, minutes=minutes + spare, drift=drift)
        names = [series.symbol for series in many]
        begins = int(many[0].open_ms[0])
        candles = FakeCandles({each.symbol: candles_of(each) for each in many}, begins + minutes * MINUTE_MS)
        clock = FakeClock(moment(candles.at_ms))
        records = PostgresEngineRecords(database)
        files = ModelFolder(tmp_path / "models")
        families: dict[str, Learner | NotInstalled] = {
            "xgboost": XgboostLearner(threads=1, trees=TREES),
            "lightgbm": LightgbmLearner(threads=1, trees=TREES),
            "nhits": NotInstalled("nhits", "not installed"),
        }
        served = ServedVersions(families, files=files, clock=clock, age_max=timedelta(hours=24))
        history = CandleHistory(candles)
        outlet = FakeOutlet()
        return EngineDesk(
            records=records,
            registry=PostgresModelRegistry(database),
            files=files,
            folder=tmp_path / "models",
            candles=candles,
            outlet=outlet,
            clock=clock,
            train=TrainModels(
                records=records,
                files=files,
                history=history,
                families=families,
                served=served,
                clock=clock,
                symbols=names,
                horizon_minutes=HORIZON,
                history_minutes=minutes,
                retrain_every=timedelta(hours=1),
                model_age_max=timedelta(hours=24),
            ),
            infer=InferSignals(
                records=records,
                history=history,
                served=served,
                families=tuple(families),
                own_models=own_models,
                ask=AskModels(deadline_seconds=10.0),
                outlet=outlet,
                clock=clock,
                symbols=names,
                horizon_minutes=HORIZON,
                emission=emission,
                cost=float(cost),
                signal_ttl_seconds=30,
            ),
            outcomes=RecordOutcomes(
                records=records,
                history=history,
                clock=clock,
                own_versions=[model.version for model in own_models if model.version is not None],
                horizon_minutes=HORIZON,
                cost=Decimal(cost),
            ),
        )

    return open_it
