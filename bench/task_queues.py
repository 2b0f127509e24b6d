"""An empty task there and back, one at a time and by the hundred: Celery, the bare list under it, and other queues.

Run: `./qt bench tasks`. All on one server, two worker processes each, started as their own documentation says; the task
answers by a datagram, so nobody's result backend is measured. What each queue promises differs: Celery
and taskiq here acknowledge after the work, huey before it; a figure alone is no advice.
"""

from __future__ import annotations

import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import psutil

from bench.peers import version_of
from bench.report.rows import Better, Contender, Missing, Row, Series, Told
from bench.run import Bench
from bench.task_peers.reply import REDIS_VARIABLE, SOCKET_VARIABLE

REPOSITORY = Path(__file__).resolve().parents[1]
ONE_BY_ONE = 40
AT_ONCE = 300
START_SECONDS_MAX = 60.0
REPLY_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Peer:
    """A queue: its package, its module under `bench.task_peers`, and the command of each of its worker processes."""

    package: str
    module: str
    workers: Sequence[Sequence[str]]


def _python(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", *arguments)


def _celery(name: str) -> tuple[str, ...]:
    return _python(
        *("celery", "--quiet", "-A", "bench.task_peers.celery_app", "worker", "--hostname", f"{name}@%h"),
        *("--pool", "threads", "--concurrency", "4", "--without-gossip", "--without-mingle", "--loglevel", "ERROR"),
    )


BARE = Peer("redis", "bare_list", (_python("bench.task_peers.bare_list"),) * 2)
CELERY = Peer("celery", "celery_app", (_celery("one"), _celery("two")))
OTHERS: Mapping[str, Peer] = {
    "huey": Peer(
        "huey",
        "huey_app",
        (_python("huey.bin.huey_consumer", "bench.task_peers.huey_app.huey", "-k", "process", "-w", "2", "-q"),),
    ),
    "dramatiq": Peer(
        "dramatiq",
        "dramatiq_app",
        (_python("dramatiq", "bench.task_peers.dramatiq_app", "--processes", "2", "--threads", "4"),),
    ),
    "rq": Peer("rq", "rq_app", (_python("bench.task_peers.rq_app"),) * 2),
    "taskiq": Peer(
        "taskiq",
        "taskiq_app",
        (_python("taskiq", "worker", "bench.task_peers.taskiq_app:broker", "--workers", "2", "--log-level", "ERROR"),),
    ),
}


class Replies:
    """The bench's end of the datagram socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(REPLY_SECONDS_MAX)

    def wait(self, how_many: int) -> None:
        """Return when so many tasks have run; `TimeoutError` when one does not within `REPLY_SECONDS_MAX`."""
        for _ in range(how_many):
            self._socket.recv(64)

    def wait_once(self, seconds: float) -> None:
        """One answer; `TimeoutError` when none comes within `seconds`."""
        self._socket.settimeout(seconds)
        try:
            self._socket.recv(64)
        finally:
            self._socket.settimeout(REPLY_SECONDS_MAX)

    def forget(self) -> None:
        """Throw away what came late."""
        self._socket.settimeout(0.0)
        try:
            while True:
                self._socket.recv(64)
        except BlockingIOError:
            self._socket.settimeout(REPLY_SECONDS_MAX)

    def close(self) -> None:
        self._socket.close()


def rows(bench: Bench) -> Iterator[Told]:
    """Milliseconds there and back of a lone task; tasks a second of many published at once."""
    with ExitStack() as stack:
        replies = Replies(bench.folder / "replies")
        stack.callback(replies.close)
        os.environ[REDIS_VARIABLE] = bench.valkey.url()
        publishers: dict[str, Callable[[int], None]] = {}
        absent: list[Missing] = []
        for name, peer in {"bare list": BARE, "Celery": CELERY, **OTHERS}.items():
            if version_of(peer.package) is None:
                absent.append(Missing(name, "not installed"))
                continue
            bench.tell(f"tasks: starting {name}")
            try:
                publishers[name] = stack.enter_context(
                    started(peer, replies, bench.folder / f"{name}.log", bench.valkey.url())
                )
            except RuntimeError as error:
                if name not in OTHERS:
                    raise
                absent.append(Missing(name, f"did not start: {error}"))
        lone = bench.in_turn(
            {name: one_by_one(publish, replies) for name, publish in publishers.items()},
            usual=9,
            quick=3,
        )
        yield row("tasks-round-trip", "an empty task there and back, alone", "ms", Better.LOWER, lone, absent)
        many = bench.in_turn(
            {name: at_once(publish, replies) for name, publish in publishers.items()}, usual=5, quick=2
        )
        yield row("tasks-throughput", f"{AT_ONCE} empty tasks at once", "tasks/s", Better.HIGHER, many, absent)


def row(name: str, what: str, unit: str, better: Better, taken: Mapping[str, Series], absent: Sequence[Missing]) -> Row:
    """Celery beside the bare list and the others; there is no target, for the queue was asked for."""
    peers: list[Contender] = [
        Series(f"{each} {version_of(OTHERS[each].package)}", taken[each].rounds) for each in OTHERS if each in taken
    ]
    return Row(
        name=name,
        what=f"Celery: {what}",
        unit=unit,
        better=better,
        ours=taken["Celery"],
        limit=taken["bare list"],
        peers=[*peers, *absent],
    )


def one_by_one(publish: Callable[[int], None], replies: Replies) -> Callable[[], float]:
    """The median in ms of so many, each published when the one before has answered."""

    def measure() -> float:
        replies.forget()
        taken = []
        for number in range(ONE_BY_ONE):
            began = time.perf_counter()
            publish(number)
            replies.wait(1)
            taken.append(time.perf_counter() - began)
        return 1000 * statistics.median(taken)

    return measure


def at_once(publish: Callable[[int], None], replies: Replies) -> Callable[[], float]:
    """Tasks a second from the first publication to the last answer."""

    def measure() -> float:
        replies.forget()
        began = time.perf_counter()
        for number in range(AT_ONCE):
            publish(number)
        replies.wait(AT_ONCE)
        return AT_ONCE / (time.perf_counter() - began)

    return measure


@contextmanager
def started(
    peer: Peer, replies: Replies, log_path: Path, redis_url: str, publish: Callable[[int], None] | None = None
) -> Iterator[Callable[[int], None]]:
    """A queue's workers, ready, and how to publish to them; every process of theirs is ended afterwards.

    By default the peer's own module publishes; it reads the server's URL from this process' environment when it is
    imported.
    """
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "QT_REDIS_URL": redis_url}
    environment |= {REDIS_VARIABLE: redis_url, SOCKET_VARIABLE: str(replies.path)}
    with log_path.open("wb") as log:
        processes = [
            subprocess.Popen(command, env=environment, cwd=REPOSITORY, stdout=log, stderr=log, start_new_session=True)
            for command in peer.workers
        ]
        try:
            if publish is None:
                publish = import_module(f"bench.task_peers.{peer.module}").publish
            assert publish is not None
            wait_ready(publish, replies, processes, log_path)
            yield publish
        finally:
            for process in processes:
                end(process)


def wait_ready(
    publish: Callable[[int], None], replies: Replies, processes: Sequence[subprocess.Popen[bytes]], log_path: Path
) -> None:
    """One task was answered; `RuntimeError` with the log's end when a worker died before."""
    publish(0)
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        try:
            return replies.wait_once(0.5)
        except TimeoutError:
            dead = [process.returncode for process in processes if process.poll() is not None]
            if dead or time.monotonic() > deadline:
                said = log_path.read_text(errors="replace")[-500:]
                raise RuntimeError(f"a worker did not answer (ended: {dead}): {said}") from None


def end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM to the worker, then SIGKILL to whatever of it is left."""
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.terminate()
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS_MAX)
    for each in family:
        if each.is_running():
            each.send_signal(signal.SIGKILL)
