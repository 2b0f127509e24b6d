"""The process table: everything that `./qt up` runs beside the servers, one entry each."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.adapters.processes.probes import answers_http, touched
from app.adapters.processes.specification import ProcessSpec
from app.cli.flower_access import flower_environment
from app.cli.servers import Servers
from app.cli.state_directory import StateDirectory
from app.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"

# queue -> threads of its worker. Cancels, exits and the emergency stop never wait behind orders.
WORKERS = {"critical": 4, "orders": 8, "default": 4}
ENGINE_WORKER = {"ai": 3}  # one may train while one infers and one records outcomes
SIGN_OF_LIFE_SECONDS_MAX = 10.0  # every process touches its ready file each 2 s; one that is frozen does not
HEALTH_THREADS = 8
METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # the name is prometheus-client's


@dataclass(frozen=True, slots=True)
class Exchange:
    """How to reach the exchange; `market` and `speed` only matter for the paper exchange that we run ourselves."""

    rest_url: str
    stream_url: str
    key: str = field(repr=False)
    secret: str = field(repr=False)
    is_paper: bool
    market: str | None = None
    speed: float | None = None


def process_table(
    settings: Settings,
    state: StateDirectory,
    servers: Servers,
    exchange: Exchange,
    *,
    producer: bool = False,
    engine: bool = False,
) -> tuple[ProcessSpec, ...]:
    """Every process of the system, servers first; the order is the order of display."""
    engine = engine or settings.engine
    common = {
        **child_environment(settings, servers, exchange),
        METRICS_VARIABLE: str(state.metrics),
        "QT_ENGINE": "1" if engine else "",
    }
    server_names = tuple(spec.name for spec in servers.specs)
    before = ("database", "exchange") if exchange.is_paper else ("database",)
    urls = system_urls(settings, exchange)

    def python(name: str, *arguments: str, **options: object) -> ProcessSpec:
        ready_file = state.run / f"{name}.ready"
        values: dict[str, object] = {
            "name": name,
            "command": (sys.executable, "-m", *arguments),
            "probe": touched(ready_file, seconds_max=SIGN_OF_LIFE_SECONDS_MAX),
            "log_path": state.log(name),
            "environment": {**common, "QT_READY_FILE": str(ready_file), "QT_PROCESS_NAME": name},
            "working_directory": REPOSITORY,
            "after": before,
            "ready_file": ready_file,
        }
        return ProcessSpec(**(values | options))  # type: ignore[arg-type]

    return (
        *servers.specs,
        # Migrations, the first rows and the operator token.
        python("database", "app.cli.prepare_database", after=server_names, runs_once=True, probe=None, ready_file=None),
        *([_paper_exchange(settings, state, exchange)] if exchange.is_paper else []),
        *(
            python(
                f"worker-{queue}",
                *("celery", "--quiet", "-A", "tasks.app", "worker", "--queues", queue, "--hostname", f"{queue}@%h"),
                *("--pool", "threads", "--concurrency", str(threads), "--without-gossip", "--without-mingle"),
                *("--loglevel", settings.log_level),
            )
            for queue, threads in (WORKERS | (ENGINE_WORKER if engine else {})).items()
        ),
        python(
            "beat",
            *(
                "celery",
                "--quiet",
                "-A",
                "tasks.app",
                "beat",
                "--schedule",
                str(state.run / "beat-schedule"),
                "--pidfile",
                "",
            ),
            *("--loglevel", settings.log_level),
        ),
        python("listener", "app.listener"),
        python(
            "web",
            # Its address, threads and time-outs are its own business: they follow from how many dashboards it lets in.
            *("gunicorn", "--config", "python:web.gunicorn_conf"),
            probe=answers_http(f"{urls['web']}/live"),
        ),
        python(
            "health",
            *_gunicorn("app.health.wsgi:app", settings.bind_host, settings.health_port, HEALTH_THREADS, state),
            probe=answers_http(f"{urls['health']}/live"),
            after=(),  # it is what tells that nothing else starts
        ),
        python(
            "flower",
            *(
                "celery",
                "-A",
                "tasks.app",
                "flower",
                f"--port={settings.flower_port}",
                f"--address={settings.bind_host}",
            ),
            probe=answers_http(f"{urls['flower']}/healthcheck"),
            after=server_names,
            environment={
                # What Flower counts for itself is not ours to add up.
                **{name: value for name, value in common.items() if name != METRICS_VARIABLE},
                **flower_environment(settings, state),
                "QT_PROCESS_NAME": "flower",
                "QT_READY_FILE": str(state.run / "flower.ready"),
            },
        ),
        *([python("producer", "app.cli.run_demo_producer", after=("web",))] if producer else []),
    )


def system_urls(settings: Settings, exchange: Exchange) -> dict[str, str]:
    """Where people find the system."""
    host = LOOPBACK if settings.bind_host in {"0.0.0.0", "::"} else settings.bind_host
    return {
        "web": f"http://{host}:{settings.web_port}",
        "health": f"http://{host}:{settings.health_port}",
        "flower": f"http://{host}:{settings.flower_port}",
        "exchange": exchange.rest_url,
    }


def child_environment(settings: Settings, servers: Servers, exchange: Exchange) -> Mapping[str, str]:
    """Our environment with the settings of this system: the only way by which secrets reach its processes."""
    explicit = {
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONUNBUFFERED": "1",
        "QT_STATE_DIR": str(settings.state_dir),
        "QT_BIND_HOST": settings.bind_host,
        "QT_WEB_PORT": str(settings.web_port),
        "QT_HEALTH_PORT": str(settings.health_port),
        "QT_FLOWER_PORT": str(settings.flower_port),
        "QT_EXCHANGE_PORT": str(settings.exchange_port),
        "QT_DATABASE_URL": servers.database_url,
        "QT_REDIS_URL": servers.redis_url,
        "QT_BROKER_URL": servers.broker_url,
        "QT_EXCHANGE_URL": exchange.rest_url,
        "QT_EXCHANGE_WS_URL": exchange.stream_url,
        "QT_EXCHANGE_KEY": exchange.key,
        "QT_EXCHANGE_SECRET": exchange.secret,
        "QT_STAGE": settings.stage.value,
        "QT_LIVE_WORD": settings.live_word or "",
    }
    # What was read from a file must not be given twice.
    files = {f"{name}_FILE" for name in explicit}
    return {name: value for name, value in os.environ.items() if name not in files} | explicit


def _gunicorn(application: str, host: str, port: int, threads: int, state: StateDirectory) -> tuple[str, ...]:
    """One process with threads, for an application without a configuration file of its own."""
    return (
        *("gunicorn", application, "--worker-class", "gthread", "--workers", "1", "--threads", str(threads)),
        *("--bind", f"{host}:{port}", "--graceful-timeout", "5", "--keep-alive", "75"),
        *("--log-level", "warning"),
        *("--worker-tmp-dir", str(state.run)),
        # By default every gunicorn of a user shares one in the home directory.
        "--no-control-socket",
    )


def _paper_exchange(settings: Settings, state: StateDirectory, exchange: Exchange) -> ProcessSpec:
    arguments = ["--port", str(settings.exchange_port), "--state-dir", str(state.paper_exchange)]
    arguments += ["--market", exchange.market] if exchange.market else []
    arguments += ["--speed", str(exchange.speed)] if exchange.speed is not None else []
    return ProcessSpec(
        name="exchange",
        command=(sys.executable, "-m", "app.cli.run_paper_exchange", *arguments),
        probe=answers_http(f"{exchange.rest_url}/fapi/v1/ping"),
        log_path=state.log("exchange"),
        environment={
            **{name: value for name, value in os.environ.items() if not name.startswith("QT_")},
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONUNBUFFERED": "1",
            "QT_EXCHANGE_KEY": exchange.key,
            "QT_EXCHANGE_SECRET": exchange.secret,
        },
        working_directory=REPOSITORY,
    )
