"""How other commands reach the running system's servers: a private file that `up` writes and `down` takes away."""

from __future__ import annotations

import json

from app.adapters.embedded.private_file import write_private
from app.cli.failure import CommandFailure
from app.cli.processes import Exchange
from app.cli.servers import Servers
from app.cli.state_directory import StateDirectory
from app.domain.policy import Stage
from app.settings import Settings


def write_connection(state: StateDirectory, servers: Servers, exchange: Exchange) -> None:
    """Keep what the environment of our processes says where commands of the same user find it."""
    values = {
        "database_url": servers.database_url,
        "redis_url": servers.redis_url,
        "broker_url": servers.broker_url or None,
        "exchange_url": exchange.rest_url,
        "exchange_ws_url": exchange.stream_url,
        "exchange_key": exchange.key,
        "exchange_secret": exchange.secret,
    }
    write_private(state.connection, json.dumps(values))


def settings_of_running_system(settings: Settings, state: StateDirectory) -> Settings:
    """`settings` completed by the running system's connection; ends the command when there is nothing to reach.

    A command decides nothing and sends nothing: it looks on, whatever the stage of the system is.
    """
    settings = settings.model_copy(update={"stage": Stage.OBSERVATION})
    if settings.database_url is not None and settings.redis_url is not None:
        return settings
    record = state.read_record()
    if record is None or not record.is_running or not state.connection.exists():
        raise CommandFailure(f"nothing runs on the state directory {state.root}; start it with ./qt up")
    values = json.loads(state.connection.read_text())
    return Settings.model_validate(settings.model_dump() | values)
