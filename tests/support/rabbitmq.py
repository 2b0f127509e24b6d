"""A RabbitMQ of a test's own, from the machine's package: own node, ports, user, directories; may be killed.

`rabbitmq` skips at once where the package is not installed; `QT_TEST_RABBITMQ=install` lets root install it first.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pwd
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import amqp
import psutil
import pytest
from kombu import Connection

from app.adapters.embedded.service_user import ServiceUser
from app.adapters.processes.free_ports import EMBEDDED_PORTS, free_port
from app.adapters.processes.spawn import signal_group, spawn
from tests.support.servers import server_home
from tests.support.waiting import wait_until

PACKAGE = "rabbitmq-server"
SCRIPT = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
START_SECONDS_MAX = 240.0
INSTALL_SECONDS_MAX = 600.0
STOP_SECONDS_MAX = 20.0
USER, VHOST = "qt", "/"


@functools.cache
def missing_rabbitmq() -> str | None:
    """Why there is none; None when there is one."""
    if not SCRIPT.exists() and os.environ.get("QT_TEST_RABBITMQ") == "install" and os.geteuid() == 0:
        subprocess.run(
            ["apt-get", "install", "--yes", "--no-install-recommends", PACKAGE],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            check=False,
            capture_output=True,
            timeout=INSTALL_SECONDS_MAX,
        )
    if not SCRIPT.exists() or shutil.which("epmd") is None:
        return f"no RabbitMQ on this machine (apt-get install {PACKAGE}, or QT_TEST_RABBITMQ=install as root)"
    return None


rabbitmq = pytest.mark.skipif(missing_rabbitmq() is not None, reason=missing_rabbitmq() or "")
# Whatever starts a node: it takes a minute, and where the programs are not it skips.
on_rabbitmq = [
    pytest.mark.long,
    pytest.mark.integration,
    pytest.mark.rabbitmq,
    rabbitmq,
    pytest.mark.timeout(3 * START_SECONDS_MAX),
]


class Rabbit:
    """One node, which keeps what it wrote to its disk when it is killed."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._user = _service_user(home)
        self._ports = {name: free_port(EMBEDDED_PORTS) for name in ("amqp", "epmd", "distribution")}
        self._password = secrets.token_urlsafe(16)
        (home / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self._ports['amqp']}\n"
            f"default_user = {USER}\ndefault_pass = {self._password}\n"
            "disk_free_limit.absolute = 50MB\n"
        )
        (home / "enabled_plugins").write_text("[].\n")
        (home / "empty.conf").touch()
        # Erlang nodes find each other through it; ours is not the machine's, and ends with us.
        self._epmd = self._spawn(["epmd", "-port", str(self._ports["epmd"])], "epmd.log")
        self.process = self._start()

    @property
    def url(self) -> str:
        return f"amqp://{USER}:{self._password}@127.0.0.1:{self._ports['amqp']}/{VHOST.replace('/', '%2F')}"

    @property
    def version(self) -> tuple[int, ...]:
        with Connection(self.url) as connection:
            version: str = connection.connection.server_properties["version"]
        return tuple(int(part) for part in version.split("."))

    def answers(self) -> bool:
        if self.process.poll() is not None:
            log = (self._home / "rabbitmq.log").read_text()
            raise AssertionError(f"RabbitMQ ended with {self.process.returncode}:\n{log[-2000:]}")
        try:
            with Connection(self.url, connect_timeout=2, transport_options={"read_timeout": 2}) as connection:
                connection.connect()
        except (OSError, amqp.AMQPError):
            return False
        return True

    def wait(self) -> None:
        wait_until(self.answers, seconds=START_SECONDS_MAX, what="RabbitMQ to answer")

    def kill(self) -> None:
        """SIGKILL, as the kernel does it when memory is short."""
        self.process.kill()
        self.process.wait(10)

    def start_again(self) -> None:
        self.process = self._start()
        self.wait()

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        children = []
        for process in (self.process, self._epmd):
            with contextlib.suppress(psutil.NoSuchProcess):
                children += psutil.Process(process.pid).children(recursive=True)
        for process in (self.process, self._epmd):
            signal_group(process, signal.SIGKILL)
            process.wait(STOP_SECONDS_MAX)
        for child in children:  # Erlang's helpers lead groups of their own
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()

    def _start(self) -> subprocess.Popen[bytes]:
        return self._spawn([str(SCRIPT)], "rabbitmq.log")

    def _spawn(self, command: list[str], log: str) -> subprocess.Popen[bytes]:
        home, ports = self._home, self._ports
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home / "own"),
            "ERL_EPMD_PORT": str(ports["epmd"]),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"qt{ports['amqp']}@localhost",
            "RABBITMQ_MNESIA_BASE": str(home / "own" / "mnesia"),
            "RABBITMQ_LOG_BASE": str(home / "own" / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(home / "own" / "pid"),
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(home / "empty.conf"),
            "RABBITMQ_DIST_PORT": str(ports["distribution"]),
            "detached": "1",  # its script then becomes the server instead of waiting beside it
        }
        return spawn(
            command, environment=environment, log_path=home / log, working_directory=Path("/"), user=self._user
        )


def _service_user(home: Path) -> ServiceUser | None:
    """The package's own user when we are root, ourselves otherwise; `own` is where it may write."""
    own = home / "own"
    own.mkdir(mode=0o700)
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("rabbitmq")
    os.chown(own, entry.pw_uid, entry.pw_gid)
    home.chmod(0o755)
    return ServiceUser(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


@contextmanager
def rabbit_server() -> Iterator[Rabbit]:
    """A node that answers."""
    with server_home("qt-rabbit-") as home:
        server = Rabbit(home)
        try:
            server.wait()
            yield server
        finally:
            server.end()
