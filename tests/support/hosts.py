"""Several hosts on one machine: network namespaces with addresses and names of their own, on a bridge that can be cut.

A host that is cut off keeps its link and its addresses: packets vanish both ways, so that connections stay half open,
as behind a switch that died. Needs root and iproute2; `hosts` skips otherwise and says why.
"""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app.adapters.embedded.service_user import ServiceUser
from app.adapters.processes.spawn import signal_group, spawn

COMMAND_SECONDS_MAX = 20.0
STOP_SECONDS_MAX = 15.0
SUBNETS = 250
BRIDGE_ADDRESS = "02:00:00:00:00:fe"


def run(*command: str, check: bool = True) -> bool:
    """A short command; whether it succeeded."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=COMMAND_SECONDS_MAX)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {done.stderr}")
    return done.returncode == 0


@functools.cache
def missing_hosts() -> str | None:
    """Why namespaces cannot be made here; None when they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [name for name in ("ip", "unshare", "setpriv") if shutil.which(name) is None]
    if missing:
        return f"no {', '.join(missing)} on this machine (iproute2, util-linux)"
    name = f"qtprobe{os.getpid()}"
    if not run("ip", "netns", "add", name, check=False):
        return "this machine's kernel makes no network namespaces"
    try:
        works = run("ip", "netns", "exec", name, "unshare", "--uts", "true", check=False)
    finally:
        run("ip", "netns", "delete", name)
    return None if works else "this machine lets nobody enter a network namespace"


hosts = pytest.mark.skipif(missing_hosts() is not None, reason=missing_hosts() or "")


@dataclass
class Host:
    """One namespace. `link` is the bridge's end of its cable."""

    name: str
    namespace: str
    address: str
    link: str
    bridge: str
    home: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        user: ServiceUser | None = None,
        stop_signal: signal.Signals = signal.SIGKILL,
    ) -> subprocess.Popen[bytes]:
        """Run it on this host, its output in `home/NAME.log`; it dies with us."""
        # setpriv comes last: a change of user takes back that it dies with us.
        become = ["setpriv", "--pdeathsig", stop_signal.name.removeprefix("SIG")]
        if user is not None:
            become += [f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups"]
        entering = ["ip", "netns", "exec", self.namespace, "unshare", "--uts", "sh", "-c"]
        process = spawn(
            [*entering, f'hostname {self.name}; exec "$@"', "sh", *become, "--", *command],
            environment=environment,
            log_path=self.home / f"{name}.log",
            working_directory=Path("/"),
        )
        self.processes.append(process)
        return process

    def cut_off(self) -> None:
        """Pull its cable out of the switch, not out of the host."""
        run("ip", "link", "set", self.link, "nomaster")

    def plug_in(self) -> None:
        run("ip", "link", "set", self.link, "master", self.bridge)

    def end(self) -> None:
        for process in self.processes:
            signal_group(process, signal.SIGKILL)
            process.wait(STOP_SECONDS_MAX)


@contextmanager
def network(home: Path, names: Sequence[str]) -> Iterator[dict[str, Host]]:
    """Hosts by name on one switch, to which this machine is plugged in as well; nothing of it is left afterwards."""
    tag = f"{os.getpid() % 0xFFFFF:x}"
    subnet = f"10.213.{os.getpid() % SUBNETS}"
    bridge = f"qtbr{tag}"
    with ExitStack() as stack:
        # An address of its own: otherwise it takes the lowest of its ports, a new one with every cable that is pulled.
        run("ip", "link", "add", bridge, "address", BRIDGE_ADDRESS, "type", "bridge")
        stack.callback(run, "ip", "link", "delete", bridge)
        run("ip", "address", "add", f"{subnet}.254/24", "dev", bridge)
        run("ip", "link", "set", bridge, "up")
        made = {}
        for number, name in enumerate(names, start=1):
            host = Host(name, f"qt{tag}-{name}", f"{subnet}.{number}", f"qt{tag}v{number}", bridge, home / name)
            host.home.mkdir(mode=0o711)
            _plug(host, stack)
            stack.callback(host.end)
            made[name] = host
        yield made


def _plug(host: Host, stack: ExitStack) -> None:
    run("ip", "netns", "add", host.namespace)
    stack.callback(run, "ip", "netns", "delete", host.namespace)
    inside = f"{host.link}i"
    run("ip", "link", "add", host.link, "type", "veth", "peer", "name", inside, "netns", host.namespace)
    # A namespace lives on for a while after its deletion, and its cable with it.
    stack.callback(run, "ip", "link", "delete", host.link, check=False)
    run("ip", "link", "set", host.link, "master", host.bridge, "up")
    run("ip", "-n", host.namespace, "address", "add", f"{host.address}/24", "dev", inside)
    for device in ("lo", inside):
        run("ip", "-n", host.namespace, "link", "set", device, "up")
