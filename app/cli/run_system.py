"""From nothing to `ready` and back: the sequence behind `./qt up`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import click

from app.adapters.processes.leftovers import end_leftovers
from app.adapters.processes.records import Identity, ProcessRecord, SystemRecord, write_record
from app.adapters.processes.specification import ProcessSpec
from app.adapters.processes.supervisor import StartError, Supervisor
from app.cli.connection import write_connection
from app.cli.exchange_choice import choose_exchange
from app.cli.failure import CommandFailure
from app.cli.ports import require_free_ports
from app.cli.processes import LOOPBACK, Exchange, process_table, system_urls
from app.cli.servers import choose_servers
from app.cli.state_directory import StateDirectory
from app.settings import Settings


async def run_system(
    settings: Settings, state: StateDirectory, *, market: str | None, speed: float | None, producer: bool, engine: bool
) -> None:
    """Start everything, print `ready`, stay until SIGINT or SIGTERM, stop everything. Holds the state directory."""
    began = time.monotonic()
    for name in end_leftovers(state.read_record()):
        _say(f"ended {name}, left behind by a run that was killed")
    exchange = choose_exchange(settings, state, market=market, speed=speed)
    require_free_ports(_wanted_ports(settings, exchange))
    servers = await choose_servers(settings, state)
    for notice in servers.notices:
        _say(notice)
    write_connection(state, servers, exchange)
    state.begin_metrics()
    table = process_table(settings, state, servers, exchange, producer=producer, engine=engine)
    try:
        await _supervise(state, table, system_urls(settings, exchange), began)
    finally:
        state.connection.unlink(missing_ok=True)


async def _supervise(state: StateDirectory, table: Sequence[ProcessSpec], urls: dict[str, str], began: float) -> None:
    journal = Journal(state, urls)
    supervisor = Supervisor(table, on_change=lambda: journal.note(supervisor))
    stop_asked = asyncio.Event()
    _handle_signals(stop_asked, supervisor)
    supervisor.start()
    try:
        if await _first(stop_asked, supervisor.wait_until_ready()):
            journal.announces = True
            _say(f"all {len(supervisor.records)} processes ready after {time.monotonic() - began:.1f} s")
            click.echo("ready " + " ".join(f"{name}={url}" for name, url in urls.items()))
            _show_first_link(state, urls["web"])
            await _first(stop_asked, supervisor.watch())
    except StartError as error:
        raise CommandFailure(str(error)) from error
    finally:
        journal.announces = False
        began_stop = time.monotonic()
        await supervisor.stop()
        journal.note(supervisor)
        _say(f"stopped after {time.monotonic() - began_stop:.1f} s")


class Journal:
    """Keeps the record on disk and tells the terminal what changes once the system has been ready."""

    def __init__(self, state: StateDirectory, urls: dict[str, str]) -> None:
        self._state = state
        self._urls = urls
        me = Identity.of(os.getpid())
        assert me is not None
        self._me = me
        self._known: dict[str, ProcessRecord] = {}
        self._write_failed = False
        self.announces = False

    def note(self, supervisor: Supervisor) -> None:
        """Called at every change of a process' state."""
        try:
            write_record(
                self._state.record, SystemRecord(self._me, self._urls, supervisor.is_ready, supervisor.records)
            )
            self._write_failed = False
        except OSError as error:
            # The system itself goes on; what suffers is `status`, and it must be seen.
            if not self._write_failed:
                _say(f"cannot write {self._state.record}: {error.strerror}")
            self._write_failed = True
        for record in supervisor.records:
            before = self._known.get(record.name)
            if self.announces and before is not None and before.state is not record.state:
                why = f": {record.detail}" if record.detail else ""
                again = f" (restarts: {record.restarts})" if record.restarts else ""
                _say(f"{record.name} is {record.state}{why}{again}")
            self._known[record.name] = record


def _show_first_link(state: StateDirectory, web_url: str) -> None:
    """On the terminal alone, and once: nobody can log in to a new system in any other way."""
    try:
        secret = state.first_link.read_text().strip()
    except FileNotFoundError:
        return
    state.first_link.unlink()
    click.echo(f"log in at {web_url}/login/{secret} (works once, within the hour; ./qt login-link prints another)")


async def _first(stop_asked: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do `work` unless the operator asks for the end first; whether it was done. Its errors are raised."""
    doing = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop_asked.wait())
    await asyncio.wait([doing, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if doing.done():
        doing.result()
        return True
    doing.cancel()
    await asyncio.gather(doing, return_exceptions=True)
    return False


def _handle_signals(stop_asked: asyncio.Event, supervisor: Supervisor) -> None:
    """The first SIGINT, SIGTERM or SIGHUP stops, the second one stops at once."""

    def on_signal(name: str) -> None:
        if stop_asked.is_set():
            _say("killing what still runs")
            supervisor.hurry()
            return
        stop_asked.set()
        _say(f"{name}: stopping; once more to kill")

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Under nohup a hang-up is to be ignored, and stays so.
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, on_signal, number.name)


def _wanted_ports(settings: Settings, exchange: Exchange) -> dict[str, tuple[str, int]]:
    wanted = {
        "QT_WEB_PORT": (settings.bind_host, settings.web_port),
        "QT_HEALTH_PORT": (settings.bind_host, settings.health_port),
        "QT_FLOWER_PORT": (settings.bind_host, settings.flower_port),
    }
    if exchange.is_paper:
        wanted["QT_EXCHANGE_PORT"] = (LOOPBACK, settings.exchange_port)
    return wanted


def _say(message: str) -> None:
    try:
        click.echo(f"qt: {message}", err=True)
    except OSError:
        # Whoever read it is gone, a terminal or a `tee`: that neither ends a system nor keeps it from being ended. From
        # now on nothing is said; what was left unsaid would otherwise make a good end look like a bad one.
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stderr.fileno())
