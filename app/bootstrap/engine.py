"""The AI engine joined: only its worker and its commands import this, so nobody else loads what computes forecasts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from app.adapters.binance.conversation import Conversation
from app.adapters.binance.minute_candles import MinuteCandles
from app.adapters.embedded.private_file import write_private
from app.adapters.models.catalogue import FAMILIES, open_families
from app.adapters.models.files import ModelFolder
from app.adapters.models.own import open_own_models
from app.adapters.postgres.engine import create_engine
from app.adapters.postgres.engine_records import PostgresEngineRecords
from app.adapters.signal_api import SignalApi
from app.bootstrap.exchange import credentials_of
from app.bootstrap.system import System
from app.ports.forecasting import EngineRecords
from app.services.engine.ask_models import AskModels
from app.services.engine.candle_history import CandleHistory
from app.services.engine.infer_signals import Emission, ForgetOldPasses, InferSignals
from app.services.engine.record_outcomes import RecordOutcomes
from app.services.engine.serving import ServedVersions
from app.services.engine.train_models import TrainModels
from app.settings import Settings, SettingsError

MODELS_FOLDER = "models"
TOKEN_FILE = "engine.token"
TOKEN_NAME = "engine"
CONNECTIONS = 4
SIGNAL_TTL_SECONDS = 30
EVERY_ADDRESS = {"0.0.0.0", "::"}


@dataclass(frozen=True, slots=True)
class Engine:
    """Everything the engine's worker does."""

    records: EngineRecords
    train: TrainModels
    infer: InferSignals
    record_outcomes: RecordOutcomes
    forget: ForgetOldPasses
    close: Callable[[], None]


def open_engine(system: System) -> Engine:
    """Joined on an open system, whose exchange, budget and clock it shares. Make it once per process."""
    settings = system.settings
    if settings.database_url is None or settings.exchange_url is None:
        raise SettingsError("QT_DATABASE_URL, QT_EXCHANGE_URL: both are needed")
    database = create_engine(
        settings.database_url.get_secret_value(), application_name="quantum-trader engine", pool_size=CONNECTIONS
    )
    candles = MinuteCandles(
        conversation=Conversation(
            base_url=settings.exchange_url, credentials=credentials_of(settings), budget=system.budget
        ),
        budget=system.budget,
        clock_ms=system.exchange.now_ms,
    )
    records = PostgresEngineRecords(database)
    files = ModelFolder(settings.state_dir / MODELS_FOLDER)
    families = open_families(threads=settings.engine_threads)
    own = open_own_models(settings.engine_models, taken=FAMILIES)
    served = ServedVersions(
        families,
        files=files,
        clock=system.clock,
        age_max=timedelta(hours=settings.engine_model_age_hours_max),
    )
    history = CandleHistory(candles)
    outlet = SignalApi(url=_api_url(settings), token=_token(system))
    symbols = _symbols(system)

    def close() -> None:
        outlet.close()
        candles.close()
        database.dispose()

    return Engine(
        records=records,
        train=TrainModels(
            records=records,
            files=files,
            history=history,
            families=families,
            served=served,
            clock=system.clock,
            symbols=symbols,
            horizon_minutes=settings.engine_horizon_minutes,
            history_minutes=settings.engine_history_minutes,
            retrain_every=timedelta(minutes=settings.engine_retrain_minutes),
            model_age_max=timedelta(hours=settings.engine_model_age_hours_max),
        ),
        infer=InferSignals(
            records=records,
            history=history,
            served=served,
            families=tuple(families),
            own_models=own,
            ask=AskModels(deadline_seconds=settings.engine_deadline_seconds),
            outlet=outlet,
            clock=system.clock,
            symbols=symbols,
            horizon_minutes=settings.engine_horizon_minutes,
            emission=Emission(settings.engine_emits),
            cost=float(settings.engine_cost),
            signal_ttl_seconds=SIGNAL_TTL_SECONDS,
        ),
        record_outcomes=RecordOutcomes(
            records=records,
            history=history,
            clock=system.clock,
            own_versions=[model.version for model in own if model.version is not None],
            horizon_minutes=settings.engine_horizon_minutes,
            cost=settings.engine_cost,
        ),
        forget=ForgetOldPasses(records, system.clock),
        close=close,
    )


def _symbols(system: System) -> Sequence[str]:
    """Those asked for that the exchange trades; all that were asked for while it has not told yet."""
    asked = [symbol.strip() for symbol in system.settings.engine_symbols.split(",") if symbol.strip()]
    with system.unit_of_work() as uow:
        known = uow.control.symbols()
    return [symbol for symbol in asked if symbol in known] if known else asked


def _api_url(settings: Settings) -> str:
    if settings.engine_api_url is not None:
        return settings.engine_api_url
    host = "127.0.0.1" if settings.bind_host in EVERY_ADDRESS else settings.bind_host
    return f"http://{host}:{settings.web_port}"


def _token(system: System) -> str:
    """The engine is a producer like any other and holds a token of its own, for signals and nothing else."""
    path = system.settings.state_dir / TOKEN_FILE
    if path.exists():
        token = path.read_text().strip()
        if system.authenticate(token) is not None:
            return token
    token = system.issue_token(name=TOKEN_NAME, scopes=["signals"])
    write_private(path, token + "\n")
    return token
