"""The one settings object: everything the environment may say, read once, typed, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from app.domain.policy import Stage

Port = Annotated[int, Field(ge=1, le=65535)]
DEFAULT_ENGINE_SYMBOLS = (
    "BTCUSDT,ETHUSDT,BNBUSDT,SOLUSDT,XRPUSDT,ADAUSDT,DOGEUSDT,AVAXUSDT,LINKUSDT,SUIUSDT,NEARUSDT,UNIUSDT,ARBUSDT,"
    "HBARUSDT,ALGOUSDT"
)


class SettingsError(Exception):
    """The environment holds a value that cannot be used; the message names the variable, never its secret."""


class Settings(BaseModel):
    """Read with `Settings.from_environment`; field names are the variables' names without `QT_`, in lower case."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state_dir: Path
    bind_host: str = "127.0.0.1"
    web_port: Port = 5000
    health_port: Port = 8005
    flower_port: Port = 5555
    exchange_port: Port = 9080

    # Given: used as they are. Not given: `./qt up` starts embedded servers and fills these in for its processes.
    database_url: SecretStr | None = None  # postgresql://user:password@host:port/name
    redis_url: SecretStr | None = (
        None  # redis://:password@host:port/0, or sentinel://:password@host:26379,host:26379/SERVICE/0
    )
    broker_url: SecretStr | None = None  # amqp://user:password@host:5672/vhost: RabbitMQ carries the hints, not Redis

    exchange_url: str | None = None  # REST base, e.g. https://fapi.binance.com
    exchange_ws_url: str | None = None  # stream base, e.g. wss://fstream.binance.com
    exchange_key: SecretStr | None = None
    exchange_secret: SecretStr | None = None

    stage: Stage = Stage.PAPER
    # Where the health service answers; this machine's when not given.
    health_url: Annotated[str, Field(pattern=r"^https?://[^/]+$")] | None = None
    # How many proxies stand in front of the dashboard and tell the visitor's address; 0: nobody is believed.
    trusted_proxies: Annotated[int, Field(ge=0, le=8)] = 0

    live_word: str | None = None  # `LIVE host`: said by whoever means stage LIVE at that exchange

    signal_queue_max: Annotated[int, Field(ge=1, le=100_000)] = 100
    max_signals_per_cycle: Annotated[int, Field(ge=1, le=1_000)] = 10
    max_signals_in_flight: Annotated[int, Field(ge=1, le=1_000)] = 10
    signal_ttl_seconds: Annotated[int, Field(ge=1, le=3_600)] = 30  # when the producer names none
    # How many sets of processes share one exchange account: each keeps to its part while Redis is away.
    rate_budget_machines: Annotated[int, Field(ge=1, le=64)] = 1
    signal_ttl_seconds_max: Annotated[int, Field(ge=1, le=3_600)] = 300

    # Whom alerts are told to; each channel is on once its address is given.
    alert_webhook_url: SecretStr | None = None  # a POST of JSON; chat systems read its `text`
    alert_webhook_secret: SecretStr | None = None  # signs the body: X-QT-Signature: sha256=HEX
    alert_smtp_url: SecretStr | None = None  # smtp://user:password@host:587 (STARTTLS where offered) or smtps://
    alert_email_from: str | None = None
    alert_email_to: str | None = None  # several with commas

    flower_password: SecretStr | None = None  # of the user `operator`; not given: made once, in the state directory

    # The AI engine (`./qt up --engine`).
    engine: bool = False  # whether it runs: beat then hints its tasks
    engine_symbols: str = DEFAULT_ENGINE_SYMBOLS  # separated by commas; those the exchange does not trade are left out
    engine_horizon_minutes: Annotated[int, Field(ge=1, le=240)] = 15
    engine_history_minutes: Annotated[int, Field(ge=240, le=20_000)] = 3_000
    engine_retrain_minutes: Annotated[int, Field(ge=5, le=10_080)] = 60
    engine_model_age_hours_max: Annotated[int, Field(ge=1, le=720)] = 24
    engine_deadline_seconds: Annotated[float, Field(gt=0, le=30)] = 2.0  # for one model, over all symbols
    engine_threads: Annotated[int, Field(ge=1, le=64)] = 1  # a model may use
    engine_cost: Annotated[Decimal, Field(ge=0, le=Decimal("0.1"))] = Decimal("0.001")  # in and out, taker fees
    engine_emits: Annotated[str, Field(pattern="^(skilled|always)$")] = "skilled"
    engine_models: str = ""  # models of your own: package.module:Class or a path to an .onnx file, separated by commas
    engine_api_url: str | None = None  # where signals go; the web process of this machine when not given

    metrics_dir: Path | None = None  # shared by the containers of one machine: each process counts in its own folder

    log_level: str = "INFO"
    ready_file: Path | None = None  # a process touches it once it works, and again at every heartbeat

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Settings from `QT_*` variables; empty values count as not given; `SettingsError` names what is wrong.

        Each may come from a file instead, as container secrets do: `QT_DATABASE_URL_FILE=/run/secrets/database_url`.
        """
        given = {name: _value(f"QT_{name.upper()}", environ) for name in cls.model_fields}
        values = {name: value for name, value in given.items() if value != ""}
        values.setdefault("state_dir", str(default_state_dir(environ)))
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            variable = "QT_" + ".".join(str(part) for part in first["loc"]).upper()
            raise SettingsError(f"{variable}: {first['msg']}") from None


def _value(variable: str, environ: Mapping[str, str]) -> str:
    direct, path = environ.get(variable, ""), environ.get(f"{variable}_FILE", "")
    if direct and path:
        raise SettingsError(f"{variable}: given twice, by itself and by {variable}_FILE")
    if not path:
        return direct
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise SettingsError(f"{variable}_FILE: cannot read {path}: {reason}") from error


def default_state_dir(environ: Mapping[str, str]) -> Path:
    """`$XDG_STATE_HOME/quantum-trader`, else `~/.local/state/quantum-trader`."""
    base = environ.get("XDG_STATE_HOME") or str(Path(environ.get("HOME") or Path.home()) / ".local" / "state")
    return Path(base) / "quantum-trader"
