"""How slow this machine is right now: a process that does a little work again and again, and tells what it had to wait.

Times that are promised for a machine with room are asserted as they are on such a machine. On a starved one they are
stretched by what this process measured in that very time, which has nothing to do with the product; the measured factor
is printed beside every time that it stretched.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

PAUSE_SECONDS = 0.05
WORK_SECONDS = 0.01  # of the processor's time
STOP_SECONDS_MAX = 10.0
SAMPLES_MAX = 20_000
QUIET_MAX = 1.3  # noise of a machine that has room


class Slowness:
    """Samples of (monotonic moment, time taken, processor's time got)."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._samples: list[tuple[float, float, float]] = []
        self._process = process
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            moment, wall, worked = map(float, line.split())
            self._samples.append((moment, wall, worked))
            del self._samples[:-SAMPLES_MAX]

    def since(self, moment: float) -> float:
        """How many times longer than on a machine with room everything took since then; 1 on one with room."""
        taken = [(wall, worked) for at, wall, worked in self._samples if at >= moment]
        if not taken:
            return 1.0
        factor = sum(wall for wall, _ in taken) / sum(worked for _, worked in taken)
        return factor if factor > QUIET_MAX else 1.0


@contextmanager
def measured_slowness() -> Iterator[Slowness]:
    """Measure from here on."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "tests.support.slowness"], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    try:
        yield Slowness(process)
    finally:
        process.kill()
        process.wait(STOP_SECONDS_MAX)


def main() -> None:
    """Work, tell, pause; until killed, or until nobody listens."""
    while True:
        began, before = time.monotonic(), time.process_time()
        while time.process_time() - before < WORK_SECONDS:
            pass
        print(began, time.monotonic() - began, time.process_time() - before)
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main()
