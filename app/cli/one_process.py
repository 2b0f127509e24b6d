"""One process of the system on its own: what containers, systemd and other machines run instead of `./qt up`."""

from __future__ import annotations

from dataclasses import replace

from app.adapters.processes.specification import ProcessSpec
from app.cli.exchange_choice import choose_exchange
from app.cli.failure import CommandFailure
from app.cli.processes import process_table
from app.cli.servers import Servers
from app.cli.state_directory import StateDirectory
from app.settings import Settings

PAPER_EXCHANGE = "exchange"
ENGINE_WORKER = "worker-ai"  # beat hints it where QT_ENGINE is set


def process_specification(
    name: str, settings: Settings, state: StateDirectory, *, market: str | None = None, speed: float | None = None
) -> ProcessSpec:
    """The entry `name` of the process table, for servers that run elsewhere; ends the command when one is not named."""
    is_exchange = name == PAPER_EXCHANGE
    if is_exchange:
        # It is the exchange that the others' setting names: where it is reached from does not matter to itself.
        settings = settings.model_copy(update={"exchange_url": None})
    elif settings.exchange_url is None:
        raise CommandFailure("QT_EXCHANGE_URL: not set; one process alone starts no exchange of its own")
    servers = _given_servers(settings, needed=not is_exchange)
    exchange = choose_exchange(settings, state, market=market, speed=speed)
    table = {
        spec.name: spec
        for spec in process_table(settings, state, servers, exchange, producer=True, engine=name == ENGINE_WORKER)
    }
    if name not in table:
        raise CommandFailure(f"no process {name!r}; there are {', '.join(sorted({*table, PAPER_EXCHANGE}))}")
    spec = table[name]
    return replace(spec, command=(*spec.command, "--host", settings.bind_host)) if is_exchange else spec


def _given_servers(settings: Settings, *, needed: bool) -> Servers:
    urls = {"QT_DATABASE_URL": settings.database_url, "QT_REDIS_URL": settings.redis_url}
    for variable, url in urls.items():
        if needed and url is None:
            raise CommandFailure(f"{variable}: not set; one process alone starts no servers of its own")
    database, redis = ("" if url is None else url.get_secret_value() for url in urls.values())
    broker = "" if settings.broker_url is None else settings.broker_url.get_secret_value()
    return Servers(database, redis, (), (), broker)
