"""A process with everything imported that forks doomed children on request: real workers, ready in a moment.

Commands on standard input, one a line, as JSON; what became of the children on standard output, one line each. It ends,
and takes its children along, when its standard input closes.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import app.listener
import tasks.account
import tasks.app
import tasks.ess
import tasks.orders
import tasks.signals
from app.bootstrap import Adapters, open_system
from app.domain.signals import Side, Signal
from app.settings import Settings
from tests.recovery.dooms import FATES, OwnTasks

REAP_SECONDS = 0.02
TTL_SECONDS = 600  # no signal of these tests may end by its age, however slow the machine is


def signal_of(values: dict[str, Any]) -> Signal:
    """A signal as the test describes it: times in seconds before and after now."""
    now = datetime.now(UTC)
    return Signal(
        signal_id=values["signal_id"],
        symbol=values["symbol"],
        side=Side(values.get("side", "BUY")),
        confidence=Decimal(values.get("confidence", "0.8")),
        strategy="recovery",
        generated_at=now,
        received_at=now,
        expires_at=now + timedelta(seconds=float(values.get("ttl_seconds", TTL_SECONDS))),
        reference_price=None,
        models={},
        correlation_id=f"c-{values['signal_id']}",
        producer="recovery",
    )


def live(order: dict[str, Any], folder: Path) -> None:
    """What a forked child does until it dies."""
    name, doom = order["name"], FATES[order["doom"]]
    log = os.open(folder / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in ((0, nothing), (1, log), (2, log)):
        os.dup2(descriptor, number)
    os.environ.update(
        order.get("environment", {}), QT_PROCESS_NAME="worker-orders", QT_READY_FILE=str(folder / f"{name}.ready")
    )
    if order["role"] == "worker":
        # Its hints go to its own queue, so that they die with it.
        def adapt(adapters: Adapters) -> Adapters:
            return doom(replace(adapters, tasks=OwnTasks(tasks.app.app, name)))

        tasks.app.open_system = lambda settings, *, celery: open_system(settings, celery=celery, adapt=adapt)
        arguments = ("worker", "--queues", name, "--hostname", f"{name}@%h", "--pool", "threads", "--concurrency", "2")
        tasks.app.app.worker_main([*arguments, "--without-gossip", "--without-mingle", "--loglevel", "INFO"])
    elif order["role"] == "listener":
        app.listener.open_system = lambda settings: open_system(settings, adapt=doom)
        app.listener.main()
    else:
        with open_system(Settings.from_environment(os.environ), celery=tasks.app.app, adapt=doom) as system:
            system.admit_signals([signal_of(order["signal"])])


def main() -> None:
    """Fork on command, report every death."""
    folder = Path(sys.argv[1])
    children: dict[int, str] = {}
    buffer = b""
    try:
        while True:
            if select.select([0], [], [], REAP_SECONDS)[0]:
                chunk = os.read(0, 65536)
                if not chunk:
                    return
                *lines, buffer = (buffer + chunk).split(b"\n")
                for line in lines:
                    order = json.loads(line)
                    pid = os.fork()
                    if pid == 0:
                        try:
                            live(order, folder)
                        finally:
                            os._exit(0)
                    children[pid] = order["name"]
                    print(json.dumps({"name": order["name"], "pid": pid}), flush=True)
            while children:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    break
                number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
                print(json.dumps({"name": children.pop(pid), "signal": number}), flush=True)
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
