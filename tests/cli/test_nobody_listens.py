"""`./qt up` goes on, and ends when it is asked to, after whoever read its words is gone."""

from __future__ import annotations

import signal
import subprocess
import sys

from tests.support.system import REPOSITORY

SECONDS_MAX = 20
UP = """
import asyncio
from app.cli.run_system import _handle_signals, _say

async def main():
    asked = asyncio.Event()
    _handle_signals(asked, supervisor=None)
    print("up", flush=True)
    async with asyncio.timeout(10):
        await asked.wait()
    _say("stopped")

asyncio.run(main())
"""


def test_a_system_that_nobody_listens_to_stops_when_it_is_asked() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", UP], cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "up\n"
        process.stderr.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS_MAX) == 0
