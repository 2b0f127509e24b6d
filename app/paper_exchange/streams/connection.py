"""One socket: what it listens to, and a bounded queue in front of it that only its own slowness can fill."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

# A reader this far behind is cut off, as the exchange does; it must reconcile by REST anyway.
QUEUE_MESSAGES_MAX: Final = 2_000
STREAMS_MAX: Final = 1_024


@dataclass(eq=False, slots=True)
class Connection:
    """Messages are queued by the hub and sent by this connection's own task."""

    socket: web.WebSocketResponse
    request: web.Request
    enveloped: bool
    # Retired URL: connects, answers SUBSCRIBE, delivers nothing.
    silent: bool
    private: bool
    streams: set[str] = field(default_factory=set)
    # listen key -> the event types wanted; empty means all.
    listen_keys: dict[str, frozenset[str]] = field(default_factory=dict)
    queue: deque[str] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    overflowed: bool = False

    def push(self, text: str) -> None:
        """Queue a message; a queue that is full ends the connection."""
        if self.overflowed:
            return
        if len(self.queue) >= QUEUE_MESSAGES_MAX:
            self.overflowed = True
            self.abort()
            return
        self.queue.append(text)
        self.wake.set()

    def push_stream(self, stream: str, text: str) -> None:
        self.push(f'{{"stream":"{stream}","data":{text}}}' if self.enveloped else text)

    def abort(self) -> None:
        """Cut the connection without a closing handshake, which a stalled peer would never answer."""
        if self.request.transport is not None:
            self.request.transport.abort()

    async def send_queued(self) -> None:
        """Send until cancelled. Only this task ever waits for the peer."""
        while True:
            await self.wake.wait()
            self.wake.clear()
            while self.queue:
                await self.socket.send_str(self.queue.popleft())
