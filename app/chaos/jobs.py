"""Several chaos runs beside one another: each a process with systems of its own, their reports put together."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

from app.chaos.arena import REPOSITORY
from app.chaos.report import Report, merged

STOP_SECONDS_MAX = 90.0


def shares(seed: int, seeds: int, jobs: int) -> Sequence[tuple[int, int]]:
    """(first seed, how many) of each job; no job is left without one."""
    jobs = min(jobs, seeds)
    found = []
    for number in range(jobs):
        count = seeds // jobs + (number < seeds % jobs)
        found.append((seed, count))
        seed += count
    return found


def run_jobs(
    given: Sequence[tuple[int, int]],
    *,
    arguments: Sequence[str],
    environment: dict[str, str],
    tell: Callable[[str], None],
) -> Report:
    """Run every share to its end. A job that ends without a report has run no seeds: the whole is not whole then."""
    children = [
        subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "app.cli", "chaos", "--json"),
                *("--seed", str(first), "--seeds", str(count), *arguments),
            ],
            env=environment | {"PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C reaches us alone: one that is stopping its system is not interrupted again
        )
        for first, count in given
    ]
    tellers = [
        threading.Thread(target=_pass_on, args=(child, f"from {first}: ", tell), daemon=True)
        for child, (first, _) in zip(children, given, strict=True)
    ]
    try:
        for teller in tellers:
            teller.start()
        said = [child.stdout.read() if child.stdout is not None else "" for child in children]
        for child in children:
            child.wait()
    finally:
        _end(children)
    for teller in tellers:
        teller.join()
    return merged([json.loads(text) for text in said if text.strip()])


def _pass_on(child: subprocess.Popen[str], prefix: str, tell: Callable[[str], None]) -> None:
    assert child.stderr is not None
    for line in child.stderr:
        if line.strip():
            tell(prefix + line.rstrip())


def _end(children: Sequence[subprocess.Popen[str]]) -> None:
    """Whoever still runs was interrupted: it stops its system by itself."""
    for child in children:
        if child.poll() is None:
            child.send_signal(signal.SIGINT)
    for child in children:
        try:
            child.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
