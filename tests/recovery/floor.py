"""A trading floor of real processes: Postgres, Valkey, the paper exchange, market data, Celery workers, beat."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import redis
from celery import Celery

from app.bootstrap import System, open_streams, open_system, prepare_database
from app.chaos.books import Books, read_books
from app.chaos.flowing_policy import flowing_policy
from app.chaos.promises import Ledger, check_promises
from app.domain.ess import EssState
from app.domain.signals import Signal, SignalEvent
from app.flow import QUEUES, Queue
from app.settings import Settings
from tests.recovery.nursery import signal_of
from tests.support.api import broken
from tests.support.paper_exchange import PaperExchange, start_paper_exchange
from tests.support.slowness import Slowness, measured_slowness
from tests.support.waiting import wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
# Deadlines, not claims: what a starved machine may take for what a quiet one does in a second or two.
START_SECONDS_MAX = 240.0
DEATH_SECONDS_MAX = 240.0
REST_SECONDS_MAX = 240.0
STOP_SECONDS_MAX = 30.0
ANSWER_SECONDS_MAX = 30.0
LATE_SECONDS_MAX = 300
REST_POLL_SECONDS = 0.2
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT", "ADAUSDT", "DOGEUSDT", "LINKUSDT", "AVAXUSDT")


@dataclass
class Child:
    """A process of the floor. `name` is also its queue, if it is a doomed worker."""

    name: str
    process: subprocess.Popen[bytes]
    log_path: Path
    frozen_seconds: float = 0.0  # over all times it was frozen

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        self.signal(signal.SIGSTOP)
        began = time.monotonic()
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)
            self.frozen_seconds += time.monotonic() - began

    def end(self) -> None:
        """Whatever it does: gone, now."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(STOP_SECONDS_MAX)


class Nursery:
    """Forks doomed processes that are ready in a moment, and tells how they ended."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.recovery.nursery", str(folder)],
            env=dict(environment),
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(folder / "nursery.log").open("ab"),
        )
        self._ends: dict[str, int] = {}
        self.pids: dict[str, int] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            if "pid" in told:
                self.pids[told["name"]] = told["pid"]
            else:
                self._ends[told["name"]] = told["signal"]

    def start(self, name: str, *, doom: str, role: str = "worker", **more: Any) -> None:
        """Fork; a worker listens on the queue of its name."""
        assert self._process.stdin is not None
        order = {"name": name, "doom": doom, "role": role, **more}
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()

    def wait_ready(self, names: Sequence[str]) -> None:
        wait_until(
            lambda: all((self.folder / f"{name}.ready").exists() for name in names),
            seconds=START_SECONDS_MAX,
            what=f"doomed {', '.join(names)} to be ready",
        )

    def wait_death(self, name: str) -> datetime:
        """When it was seen to have been killed by its own hand; an end of another kind fails the test."""
        try:
            wait_until(lambda: name in self._ends, seconds=DEATH_SECONDS_MAX, what=f"{name} to die at its point")
        except AssertionError as error:
            raise AssertionError(f"{error}:\n{self.log(name)}") from None
        assert self._ends[name] == signal.SIGKILL, f"{name} ended with {self._ends[name]}:\n{self.log(name)}"
        return datetime.now(UTC)

    def log(self, name: str) -> str:
        path = self.folder / f"{name}.log"
        return path.read_text()[-4000:] if path.exists() else "no log"

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(STOP_SECONDS_MAX)


class Floor:
    """Everything a test needs to stage a death and to see what became of it."""

    def __init__(
        self,
        folder: Path,
        exchange: PaperExchange,
        environment: dict[str, str],
        system: System,
        slowness: Slowness,
    ) -> None:
        self.slowness = slowness
        self.folder = folder
        self.exchange = exchange
        self.environment = environment
        self.system = system
        self.celery = celery_of(environment)
        self.promised: list[str] = []
        self._children: list[Child] = []
        self._nurseries: list[Nursery] = []

    # ------------------------------------------------------------------------------------------------ processes

    def nursery(self) -> Nursery:
        nursery = Nursery(self.folder, self.environment)
        self._nurseries.append(nursery)
        return nursery

    def consume(self, child: Child, queue_name: str, *, whether: bool) -> None:
        """Let a running worker begin or end to take messages from a queue."""
        call = self.celery.control.add_consumer if whether else self.celery.control.cancel_consumer
        answers = call(
            queue_name,
            destination=[f"{child.name}@{socket.gethostname()}"],
            reply=True,
            timeout=ANSWER_SECONDS_MAX,
            limit=1,
        )
        assert answers, f"{child.name} does not answer"

    @contextmanager
    def stillness(self, worker: Child, beat: Child) -> Iterator[None]:
        """Nobody works but whom the test makes work: no sweep is hinted, and the worker has nothing left to do."""
        with beat.frozen():
            try:
                for queue in Queue:
                    self.consume(worker, queue.value, whether=False)
                    self.forget(queue.value)
                wait_until(
                    lambda: not self._in_hand(worker),
                    seconds=REST_SECONDS_MAX,
                    what=f"{worker.name} to have done what it had",
                )
                yield
            finally:
                for queue in Queue:
                    self.consume(worker, queue.value, whether=True)

    def _in_hand(self, worker: Child) -> list[object]:
        """What a worker has taken and not done yet, and what it keeps for a later moment."""
        name = f"{worker.name}@{socket.gethostname()}"
        ask = self.celery.control.inspect(destination=[name], timeout=ANSWER_SECONDS_MAX, limit=1)
        answers = [ask.active(), ask.reserved(), ask.scheduled()]
        assert all(answers), f"{worker.name} does not answer"
        return [task for answer in answers if answer for task in answer[name]]

    def waiting(self, queue_name: str) -> int:
        """Messages of a queue that no worker has taken, over all priorities."""
        with redis.Redis.from_url(self.environment["QT_REDIS_URL"]) as client:
            return sum(client.llen(key) for key in _keys_of(queue_name))

    def forget(self, queue_name: str) -> None:
        """Throw away the messages that no worker has taken."""
        with redis.Redis.from_url(self.environment["QT_REDIS_URL"]) as client:
            client.delete(*_keys_of(queue_name))

    def worker(self, name: str, *queues: str, threads: int = 8) -> Child:
        """A normal Celery worker, started as the system starts its own."""
        return self._python(
            name,
            # With the rate budget's share of the worker that it stands for: the whole flood is its business.
            {"QT_PROCESS_NAME": "worker-orders"},
            *("celery", "-A", "tasks.app", "worker", "--queues", ",".join(queues), "--hostname", f"{name}@%h"),
            *("--pool", "threads", "--concurrency", str(threads), "--without-gossip", "--without-mingle"),
            *("--loglevel", "INFO"),
        )

    def beat(self) -> Child:
        schedule = str(self.folder / "beat-schedule")
        return self._python("beat", {}, "celery", "-A", "tasks.app", "beat", "--schedule", schedule, "--pidfile", "")

    def listener(self) -> Child:
        return self._python("listener", {}, "app.listener")

    def _python(self, name: str, more: Mapping[str, str], *arguments: str) -> Child:
        log_path = self.folder / f"{name}.log"
        ready = {"QT_READY_FILE": str(self.folder / f"{name}.ready"), "QT_PROCESS_NAME": name, **more}
        with log_path.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                env={**self.environment, **ready},
                cwd=REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        child = Child(name, process, log_path)
        self._children.append(child)
        return child

    def wait_ready(self, *children: Child) -> None:
        for child in children:
            wait_until(
                (self.folder / f"{child.name}.ready").exists,
                seconds=START_SECONDS_MAX,
                what=f"{child.name} to be ready",
            )

    def end(self, *children: Child) -> None:
        for child in children or tuple(self._children):
            child.end()
            (self.folder / f"{child.name}.ready").unlink(missing_ok=True)
            if child in self._children:
                self._children.remove(child)

    def end_all(self) -> None:
        for nursery in self._nurseries:
            nursery.end()
        self.end()

    # ------------------------------------------------------------------------------------------------ signals and hints

    def signal(self, signal_id: str, symbol: str = "BTCUSDT", **more: str) -> Signal:
        self.promised.append(signal_id)
        return signal_of({"signal_id": signal_id, "symbol": symbol, **more})

    def dispatched(self, signal_id: str, symbol: str = "BTCUSDT", **more: str) -> str:
        """A signal that was popped and marked; nobody has been told yet."""
        chosen = self.signal(signal_id, symbol, **more)
        with self.system.unit_of_work() as uow:
            uow.signals.add_many([chosen])
            uow.signals.advance([signal_id], SignalEvent.DISPATCHED, now=datetime.now(UTC))
            uow.commit()
        return signal_id

    def send(self, task: str, queue_name: str | None = None, **arguments: str) -> None:
        """A hint, to its own queue or to that of a doomed worker."""
        self.celery.send_task(task, kwargs=arguments, queue=queue_name or QUEUES[task].value, priority=5)

    def order_id_of(self, signal_id: str) -> str:
        with self.system.unit_of_work() as uow:
            order = uow.orders.by_signal(signal_id)
        assert order is not None, f"{signal_id} has no order"
        return str(order.order_id)

    # ------------------------------------------------------------------------------------------------ records

    def books(self) -> Books:
        return read_books(self.environment["QT_DATABASE_URL"])

    def ledger(self) -> Ledger:
        return Ledger(self.exchange.ledger())

    def is_settled(self, signal_id: str) -> bool:
        """Whether the signal and everything of its order has ended."""
        with self.system.unit_of_work() as uow:
            stored = uow.signals.get(signal_id)
            order = uow.orders.by_signal(signal_id)
            attempts = [] if order is None else uow.orders.attempts(order.order_id)
        return (
            stored is not None
            and stored.state.is_terminal
            and not any(attempt.state.is_open for attempt in attempts)
            and (order is None or (order.state.is_terminal and order.executed_quantity == order.booked_quantity))
        )

    def wait_at_rest(self, *, seconds: float = REST_SECONDS_MAX) -> None:
        """Until nothing is under way any more; what still is, when it takes longer."""
        deadline = time.monotonic() + seconds
        while (what := self.books().under_way()) is not None:
            if time.monotonic() > deadline:
                raise AssertionError(f"not at rest after {seconds:g} s: {what}\n{self.said()}")
            time.sleep(REST_POLL_SECONDS)

    def assert_promises_hold(self) -> None:
        """Every promise, on both records, once nothing is under way; and nothing was so odd that it stopped trading."""
        with self.system.unit_of_work() as uow:
            stop = uow.control.ess()
        assert stop is not None
        assert (stop.state, stop.trip_reason) == (EssState.ARMED, None)
        promises = check_promises(self.books(), self.ledger(), promised_signals=self.promised)
        found = broken(promises)
        assert found == {}, found

    def accepted(self, signal_id: str) -> list[Mapping[str, Any]]:
        """What the exchange took on for a signal."""
        with self.system.unit_of_work() as uow:
            order = uow.orders.by_signal(signal_id)
            ids = set() if order is None else {each.client_order_id for each in uow.orders.attempts(order.order_id)}
        return [order for order in self.ledger().ours() if order["client_order_id"] in ids]

    def said(self) -> str:
        """The ends of all logs, for a failure."""
        return "\n".join(f"--- {path.name}\n{path.read_text()[-1500:]}" for path in sorted(self.folder.glob("*.log")))


def _keys_of(queue_name: str) -> list[str]:
    return [f"qt:celery:{queue_name}", *(f"qt:celery:{queue_name}:{step}" for step in range(10))]


def celery_of(environment: Mapping[str, str]) -> Celery:
    """A publisher on the floor's own broker (the configuration file reads the environment of its process)."""
    application = Celery("recovery-tests")
    application.config_from_object("celeryconfig")
    application.conf.broker_url = environment["QT_REDIS_URL"]
    return application


def settings_of(environment: Mapping[str, str]) -> Settings:
    return Settings.from_environment(environment)


@contextmanager
def open_floor(folder: Path, *, database_url: str, redis_url: str, seed: int = 7) -> Iterator[Floor]:
    """Servers given, exchange started, policy that lets orders flow, market data flowing; no worker yet."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    exchange = start_paper_exchange(folder, "--market", f"seed:{seed}")
    state = folder / "state"
    state.mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("QT_")},
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONUNBUFFERED": "1",
        "QT_STATE_DIR": str(state),
        "QT_DATABASE_URL": database_url,
        "QT_REDIS_URL": redis_url,
        "QT_EXCHANGE_URL": exchange.url,
        "QT_EXCHANGE_WS_URL": exchange.ws,
        "QT_EXCHANGE_KEY": exchange.key,
        "QT_EXCHANGE_SECRET": exchange.secret,
        "QT_MAX_SIGNALS_IN_FLIGHT": "200",
        "QT_MAX_SIGNALS_PER_CYCLE": "50",
    }
    stop = threading.Event()
    settings = settings_of(environment)
    try:
        prepare_database(settings)
        with open_system(settings, celery=celery_of(environment)) as system, measured_slowness() as slowness:
            floor = Floor(folder, exchange, environment, system, slowness)
            _let_orders_flow(system)
            streams = open_streams(system, symbols=SYMBOLS)
            market = threading.Thread(target=streams.market.run, args=(system.market_sink, stop), daemon=True)
            market.start()
            try:
                wait_until(
                    lambda: all(system.market.quote(symbol) for symbol in SYMBOLS),
                    seconds=START_SECONDS_MAX,
                    what="quotes of every symbol",
                )
                yield floor
            finally:
                floor.end_all()
                stop.set()
                market.join(STOP_SECONDS_MAX)
    finally:
        exchange.stop()


def _let_orders_flow(system: System) -> None:
    with system.unit_of_work() as uow:
        # A busy machine is late with everything; what is judged here is that nothing is lost.
        ages = ("market_data_age_seconds_max", "signal_age_seconds_max", "account_age_seconds_max")
        policy = replace(flowing_policy(), **dict.fromkeys(ages, LATE_SECONDS_MAX))
        uow.control.add_policy(policy, author="test", reason="let orders flow", now=system.clock.now())
        uow.commit()
    system.refresh_symbols()
    # A budget that begins with nothing makes everything that can wait wait a moment.
    wait_until(lambda: system.refresh_account() is not None, seconds=START_SECONDS_MAX, what="the account to be known")
    wait_until(lambda: _knows_regimes(system), seconds=START_SECONDS_MAX, what="the regime of every symbol to be known")


def _knows_regimes(system: System) -> bool:
    system.refresh_regimes()
    with system.unit_of_work() as uow:
        return set(SYMBOLS) <= set(uow.protection.regimes())
