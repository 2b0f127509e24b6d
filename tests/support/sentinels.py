"""A master, a replica and sentinels of a test's own, from the embedded Valkey; the master may be killed for good."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis

from app.adapters.embedded import valkey
from app.adapters.processes.free_ports import EMBEDDED_PORTS, free_port
from app.adapters.processes.spawn import signal_group, spawn
from tests.support.servers import server_home
from tests.support.waiting import wait_until

SERVICE = "mymaster"
SENTINELS = 3
QUORUM = 2
DOWN_AFTER_MS = 1_000
FAIL_OVER_MS = 5_000
READY_SECONDS_MAX = 30.0


class Watched:
    """The set of processes, and how to reach whoever is master."""

    def __init__(self, home: Path, stack: ExitStack) -> None:
        self._home = home
        self._stack = stack
        self.master = self._prepare("one")
        self.replica = self._prepare("two")
        self.password = self.master.password
        for server in (self.master, self.replica):
            # Either may be the other's replica one day.
            _append(server.configuration, [f"requirepass {self.password}", f"primaryauth {self.password}"])
        _append(self.replica.configuration, [f"replicaof 127.0.0.1 {self.master.port}"])
        self._processes = {
            server.port: self._start(server.command, f"valkey-{server.port}") for server in (self.master, self.replica)
        }
        wait_until(self._is_following, seconds=READY_SECONDS_MAX, what="the replica to follow its master")
        self.sentinel_ports = [self._start_sentinel(number) for number in range(SENTINELS)]
        wait_until(self._is_watched, seconds=READY_SECONDS_MAX, what="the sentinels to know each other and the replica")

    @property
    def url(self) -> str:
        places = ",".join(f"127.0.0.1:{port}" for port in self.sentinel_ports)
        return f"sentinel://:{self.password}@{places}/{SERVICE}/0"

    def ask(self, port: int) -> redis.Redis:
        return redis.Redis(port=port, password=self.password, socket_timeout=2, decode_responses=True)

    def kill_master(self) -> None:
        """SIGKILL, and it stays away."""
        process = self._processes[self.master.port]
        process.kill()
        process.wait(10)

    def start_old_master(self) -> None:
        """It comes back and believes to be master until a sentinel has told it better."""
        self._processes[self.master.port] = self._start(self.master.command, "again")

    def is_replica(self, port: int) -> bool:
        try:
            with self.ask(port) as client:
                return str(client.role()[0]) == "slave"
        except (redis.ConnectionError, redis.TimeoutError):
            return False

    def _prepare(self, name: str) -> valkey.ValkeyServer:
        folder = self._home / name
        folder.mkdir()
        return valkey.prepare_valkey(folder)

    def _start(self, command: Sequence[str], log: str) -> subprocess.Popen[bytes]:
        process = spawn(
            command,
            environment=os.environ,
            log_path=self._home / f"{log}.log",
            working_directory=Path("/"),
            death_signal=valkey.DEATH_SIGNAL,
        )
        self._stack.callback(_end, process)
        return process

    def _start_sentinel(self, number: int) -> int:
        port = free_port(EMBEDDED_PORTS)
        folder = self._home / f"sentinel{number}"
        folder.mkdir()
        configuration = folder / "sentinel.conf"
        monitor = f"sentinel monitor {SERVICE} 127.0.0.1 {self.master.port} {QUORUM}"
        lines = (
            *("bind 127.0.0.1", f"port {port}", f"dir {folder}", monitor),
            f"sentinel auth-pass {SERVICE} {self.password}",
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}",
            f"sentinel failover-timeout {SERVICE} {FAIL_OVER_MS}",
        )
        configuration.write_text("\n".join(lines) + "\n")
        self._start([str(self.master.binary), str(configuration), "--sentinel"], f"sentinel{number}")
        return port

    def _is_following(self) -> bool:
        try:
            with self.ask(self.replica.port) as client:
                return client.info("replication").get("master_link_status") == "up"
        except (redis.ConnectionError, redis.TimeoutError):
            return False

    def _is_watched(self) -> bool:
        try:
            for port in self.sentinel_ports:
                with redis.Redis(port=port, socket_timeout=2, decode_responses=True) as client:
                    state = client.sentinel_master(SERVICE)
                    if state["num-other-sentinels"] != SENTINELS - 1 or state["num-slaves"] != 1:
                        return False
        except (redis.ConnectionError, redis.TimeoutError):
            return False
        return True


@contextmanager
def watched_redis() -> Iterator[Watched]:
    with server_home("qt-sentinel-") as home, ExitStack() as stack:
        yield Watched(home, stack)


def _append(configuration: Path, lines: Sequence[str]) -> None:
    with configuration.open("a") as file:
        file.write("\n".join(lines) + "\n")


def _end(process: subprocess.Popen[bytes]) -> None:
    signal_group(process, signal.SIGKILL)
    process.wait(10)
