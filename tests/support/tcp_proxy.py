"""A network that can be made bad: forwards TCP to a server, slowly, not at all without a word, or refuses."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

READ_BYTES = 1 << 16
CALL_SECONDS_MAX = 10.0


class Weather(StrEnum):
    """What becomes of the bytes."""

    FAIR = "fair"
    SLOW = "slow"  # every piece is `delay_seconds` late, each way
    SILENT = "silent"  # swallowed both ways, and nobody is told; connections of that time stay silent for ever
    REFUSING = "refusing"  # connections are reset, new ones refused


class TcpProxy:
    """Listens on a port of its own in front of a TCP server or a Unix socket.

    A connection that was open in SILENT weather is half-open afterwards, as one that a router has forgotten: both ends
    believe in it, and what they send arrives nowhere. The server's end is kept until the proxy is closed.
    """

    def __init__(self, target: tuple[str, int] | Path) -> None:
        self._target = target
        self._delay_seconds = 0.0
        self._weather = Weather.FAIR
        self._flows: set[_Flow] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tcp-proxy", daemon=True)
        self._thread.start()
        self.port = 0
        self._call(self._listen())

    def turn(self, weather: Weather, *, delay_seconds: float = 0.0) -> None:
        """From now on."""
        self._call(self._turn(weather, delay_seconds))

    def close(self) -> None:
        """Cut everything."""
        self._call(self._turn(Weather.REFUSING, 0.0))
        self._call(self._drop_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_SECONDS_MAX)
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_SECONDS_MAX)

    async def _listen(self) -> None:
        # The same port after a refusal: the clients know no other.
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _turn(self, weather: Weather, delay_seconds: float) -> None:
        self._weather, self._delay_seconds = weather, delay_seconds
        if weather is Weather.REFUSING and self._server is not None:
            self._server.close()
            self._server = None
            for flow in list(self._flows):
                flow.reset()
        if weather is Weather.SILENT:
            for flow in self._flows:
                flow.is_lost = True
        if weather is not Weather.REFUSING and self._server is None:
            await self._listen()

    async def _drop_all(self) -> None:
        for flow in list(self._flows):
            flow.reset()
        while self._flows:
            await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        flow = _Flow(writer, is_lost=self._weather is Weather.SILENT)
        self._flows.add(flow)
        try:
            if flow.is_lost:
                await self._pump(flow, reader, None)
                return
            there = await self._connect()
            if there is None:
                return
            flow.there = there[1]
            await asyncio.gather(self._pump(flow, reader, there[1]), self._pump(flow, there[0], writer))
        finally:
            flow.reset()
            self._flows.discard(flow)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        with suppress(OSError):
            if isinstance(self._target, Path):
                return await asyncio.open_unix_connection(str(self._target))
            return await asyncio.open_connection(*self._target)
        return None

    async def _pump(self, flow: _Flow, source: asyncio.StreamReader, sink: asyncio.StreamWriter | None) -> None:
        with suppress(OSError):
            while data := await source.read(READ_BYTES):
                if flow.is_lost or sink is None:
                    continue
                if self._delay_seconds:
                    await asyncio.sleep(self._delay_seconds)
                if not flow.is_lost:
                    sink.write(data)
                    await sink.drain()
        if flow.is_lost:
            await flow.ended.wait()  # that one end has hung up reaches the other one as little as anything else
        flow.reset()


class _Flow:
    """One connection: the client's end and the server's."""

    def __init__(self, here: asyncio.StreamWriter, *, is_lost: bool) -> None:
        self._here = here
        self.there: asyncio.StreamWriter | None = None
        self.is_lost = is_lost
        self.ended = asyncio.Event()

    def reset(self) -> None:
        """Both ends are told at once."""
        self.ended.set()
        for writer in (self._here, self.there):
            if writer is not None:
                writer.transport.abort()


@contextmanager
def tcp_proxy(target: tuple[str, int] | Path) -> Iterator[TcpProxy]:
    """A proxy in fair weather, gone afterwards."""
    proxy = TcpProxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
