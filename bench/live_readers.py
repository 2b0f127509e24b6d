"""A process full of dashboards that follow one server: some read all they are sent, some have stopped reading.

Started by `bench.live_clients`: reads its task as one JSON line, answers `ready` when everybody is connected, then
obeys `begin` (what comes from now on is measured), `end <sequence>` (everybody is to have come so far), and prints one
JSON line of what it saw.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

OPEN_SECONDS_MAX = 30.0
CONNECTING_MAX = 25  # at a time
CATCH_UP_SECONDS_MAX = 10.0
STALLED_RECEIVE_BYTES = 4_096
# A server parts with a client that takes nothing; a sick client comes back and stops reading again.
STALL_AGAIN_SECONDS = 25.0
NANOSECONDS_PER_MILLISECOND = 1_000_000


@dataclass
class Tally:
    """What the dashboards of one kind saw. `latencies` counts events by milliseconds from publishing to reading."""

    latencies: Counter[int] = field(default_factory=Counter)
    events: int = 0
    frames: int = 0
    dropped: int = 0  # told by the server
    lost: int = 0  # neither sent nor told
    reordered: int = 0
    snapshots: int = 0
    cut_off: int = 0
    behind: int = 0  # never came as far as they should have


class Dashboard:
    """One client. `last` is the sequence up to which it knows of everything."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.last: int | None = None
        self.is_measured = False

    def take(self, data: bytes) -> None:
        """One frame, read now."""
        read_at = time.monotonic_ns()
        frame = orjson.loads(data)
        tally = self.tally
        if frame["type"] != "event_batch":
            tally.snapshots += 1
            self.last = frame["last_seq"]
            return
        if self.is_measured:
            tally.frames += 1
            tally.dropped += frame["dropped"]
            if self.last is not None:
                tally.lost += frame["last_seq"] - self.last - frame["count"] - frame["dropped"]
        before = self.last or 0
        for event in frame["events"]:
            if event["seq"] <= before:
                tally.reordered += 1
            before = event["seq"]
            if self.is_measured:
                tally.events += 1
                waited = read_at - event["payload"]["published_ns"]
                tally.latencies[waited // NANOSECONDS_PER_MILLISECOND] += 1
        self.last = frame["last_seq"]

    async def follow(self, connection: ClientConnection) -> None:
        """Until the connection ends."""
        try:
            while True:
                self.take(await connection.recv(decode=False))
        except ConnectionClosed:
            self.tally.cut_off += 1


class Crowd:
    """All clients of this process."""

    def __init__(self, task: dict[str, Any]) -> None:
        self.task = task
        self.readers, self.stalled = Tally(), Tally()
        self.refused: Counter[str] = Counter()
        self.dashboards: list[Dashboard] = []
        self.sleepers: list[tuple[Dashboard, ClientConnection]] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._gate = asyncio.Semaphore(CONNECTING_MAX)

    async def open(self) -> None:
        await asyncio.gather(
            *(self._open_reader() for _ in range(self.task["readers"])),
            *(self._open_stalled() for _ in range(self.task["stalled"])),
        )
        if self.task["stalled"]:
            self.tasks.append(asyncio.create_task(self._stall_again()))

    async def _open_reader(self) -> None:
        try:
            connection = await self._connect()
        except InvalidStatus as error:
            self.refused[str(error.response.status_code)] += 1
            return
        dashboard = Dashboard(self.readers)
        self.dashboards.append(dashboard)
        self.tasks.append(asyncio.create_task(dashboard.follow(connection)))

    async def _open_stalled(self) -> None:
        address = urlsplit(self.task["url"])
        narrow = socket.socket()
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STALLED_RECEIVE_BYTES)
        narrow.setblocking(False)
        await asyncio.get_running_loop().sock_connect(narrow, (address.hostname, address.port))
        # One frame waits in the library, then it reads nothing more.
        connection = await self._connect(sock=narrow, max_queue=1)
        self.sleepers.append((Dashboard(self.stalled), connection))

    async def _connect(self, **options: Any) -> ClientConnection:
        async with self._gate:
            return await connect(
                self.task["url"],
                additional_headers={"Authorization": f"Bearer {self.task['token']}"} if self.task["token"] else {},
                **{"compression": None, "proxy": None, "ping_interval": None, "close_timeout": 1, **options},
                open_timeout=OPEN_SECONDS_MAX,
            )

    async def _stall_again(self) -> None:
        while True:
            await asyncio.sleep(STALL_AGAIN_SECONDS)
            gone, self.sleepers = self.sleepers, []
            for _, connection in gone:
                connection.transport.abort()
            await asyncio.gather(*(self._open_stalled() for _ in gone))

    def begin(self) -> None:
        for dashboard in (*self.dashboards, *(sleeper for sleeper, _ in self.sleepers)):
            dashboard.is_measured = True

    async def finish(self, newest: int) -> None:
        """Wait until every reader knows of `newest`; then let the stalled wake up and do the same."""
        await self._catch_up(self.dashboards, newest, self.readers)
        woken = []
        for dashboard, connection in self.sleepers:
            dashboard.is_measured = True
            woken.append(dashboard)
            self.tasks.append(asyncio.create_task(dashboard.follow(connection)))
        if self.task["wake"]:
            await self._catch_up(woken, newest, self.stalled)
        for task in self.tasks:
            task.cancel()

    async def _catch_up(self, dashboards: list[Dashboard], newest: int, tally: Tally) -> None:
        deadline = time.monotonic() + CATCH_UP_SECONDS_MAX
        while (behind := sum((each.last or 0) < newest for each in dashboards)) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        tally.behind = behind

    def report(self) -> dict[str, Any]:
        def told(tally: Tally) -> dict[str, Any]:
            return {**vars(tally), "latencies": {str(bucket): count for bucket, count in tally.latencies.items()}}

        return {"readers": told(self.readers), "stalled": told(self.stalled), "refused": self.refused}


async def main() -> None:
    async def line() -> str:
        return await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)

    crowd = Crowd(json.loads(await line()))
    await crowd.open()
    print("ready", flush=True)
    await line()
    crowd.begin()
    _, _, newest = (await line()).partition(" ")
    await crowd.finish(int(newest))
    print(json.dumps(crowd.report()), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
