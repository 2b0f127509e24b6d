"""The load of `bench.intake`, a process of its own: posts signals over keep-alive connections, prints one JSON object.

    python -m bench.intake_load URL TOKEN CONNECTIONS SECONDS BATCH RATE RUN

RATE 0 posts as fast as answers come, on every connection. Any other posts that many requests a second by the clock,
whatever the answers do, and counts an answer's time from the moment its request was due: a server that stalls is not
spared what queued up meanwhile. Written on bare sockets, for the load shares the machine with what it measures.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import orjson

DRAIN_SECONDS_MAX = 15.0
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT")


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request on its way."""

    def __init__(self, answered: Callable[[Connection, int, float], None]) -> None:
        self._answered = answered
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._due_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def post(self, request: bytes, due_at: float) -> None:
        assert self._transport is not None
        self._due_at = due_at
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        if len(body) < int(lengths[0].split(b":")[1]):
            return
        self._buffer = b""
        self._answered(self, int(head[9:12]), time.perf_counter() - self._due_at)

    def connection_lost(self, error: Exception | None) -> None:
        self._answered(self, 0, 0.0)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def requests(url: str, token: str, *, batch: int, run: str) -> Iterator[bytes]:
    """Requests with signals that were never seen before."""
    host = urlsplit(url).netloc
    chance = random.Random(run)
    for number in itertools.count():
        now = datetime.now(UTC).isoformat()
        signals = [
            {
                "signal_id": f"{run}-{number}-{index}",
                "symbol": chance.choice(SYMBOLS),
                "side": chance.choice(("BUY", "SELL")),
                "confidence": f"0.{chance.randrange(500, 1000)}",
                "strategy": "bench",
                "generated_at": now,
                "reference_price": "42000.5",
                "models": {"xgboost": {"action": "BUY", "confidence": "0.71", "source": "LIVE"}},
            }
            for index in range(batch)
        ]
        body = orjson.dumps(signals[0] if batch == 1 else signals)
        head = (
            f"POST /api/signals HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        yield head.encode() + body


class Load:
    """Counts what comes back."""

    def __init__(self, made: Iterator[bytes], *, rate: float, ends_at: float) -> None:
        self._made = made
        self._rate = rate
        self._ends_at = ends_at
        self._idle: deque[Connection] = deque()
        self._due: deque[float] = deque()  # requests whose time has come and that found no idle connection
        self._under_way = 0
        self.statuses: Counter[int] = Counter()
        self.seconds: list[float] = []
        self.last_answer_at = 0.0
        self.late_max = 0

    def answered(self, connection: Connection, status: int, seconds: float) -> None:
        if not status and self._under_way == 0:
            return
        self._under_way -= 1
        self.statuses[status] += 1
        self.last_answer_at = time.perf_counter()
        if status:
            self.seconds.append(seconds)
            self._next(connection)

    def _next(self, connection: Connection) -> None:
        if self._rate and self._due:
            self._post(connection, self._due.popleft())
        elif not self._rate and time.perf_counter() < self._ends_at:
            self._post(connection, time.perf_counter())
        else:
            self._idle.append(connection)

    def _post(self, connection: Connection, due_at: float) -> None:
        self._under_way += 1
        request = next(self._made)
        connection.post(request, due_at if self._rate else time.perf_counter())

    async def run(self, connections: list[Connection]) -> None:
        began = time.perf_counter()
        for connection in connections:
            self._next(connection)
        if self._rate:
            number = 0
            while (due_at := began + number / self._rate) < self._ends_at:
                await asyncio.sleep(max(0.0, due_at - time.perf_counter()))
                number += 1
                self._due.append(due_at)
                while self._due and self._idle:
                    self._post(self._idle.popleft(), self._due.popleft())
                self.late_max = max(self.late_max, len(self._due))
        deadline = self._ends_at + DRAIN_SECONDS_MAX
        while (self._under_way or self._due or time.perf_counter() < self._ends_at) and time.perf_counter() < deadline:
            await asyncio.sleep(0.01)
        self.seconds_taken = self.last_answer_at - began


async def main() -> None:
    url, token, connections, seconds, batch, rate, run = sys.argv[1:]
    loop = asyncio.get_running_loop()
    parts = urlsplit(url)
    made = requests(url, token, batch=int(batch), run=run)
    load = Load(made, rate=float(rate), ends_at=float("inf"))
    opened = []
    for _ in range(int(connections)):
        _, connection = await loop.create_connection(lambda: Connection(load.answered), parts.hostname, parts.port)
        opened.append(connection)
    load._ends_at = time.perf_counter() + float(seconds)
    await load.run(opened)
    load.seconds.sort()
    for connection in opened:
        connection.close()
    print(
        orjson.dumps(
            {
                "requests": len(load.seconds),
                "unanswered": load._under_way,
                "statuses": {str(status): count for status, count in load.statuses.items()},
                "seconds": load.seconds_taken,
                "latencies_ms": [round(1000 * each, 2) for each in load.seconds],
            }
        ).decode()
    )


if __name__ == "__main__":
    asyncio.run(main())
