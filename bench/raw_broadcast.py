"""The least that a live stream can be: reads the same events, makes the same frames, and broadcasts them to all.

No access, no pace, no history, nobody told apart: what `bench.live_clients` compares the dashboard's stream with.
Run by it as `python -m bench.raw_broadcast PORT` with the stream's server in `QT_REDIS_URL`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

import redis.asyncio
from websockets.asyncio.server import ServerConnection, broadcast, serve

from app.adapters.redis.event_stream import event_of
from app.domain.events import SequencedEvent
from web.live.frames import EncodedEvent, encode_event
from web.live.limits import BATCH_EVENTS_MAX, BATCH_WAIT_SECONDS

STREAM = "qt:{events}:stream"


async def follow(connections: set[ServerConnection], url: str) -> None:
    """Batches of 10 events or 100 ms, to everybody."""
    client = redis.asyncio.Redis.from_url(url, protocol=2)
    waiting: list[EncodedEvent] = []
    last = await client.xrevrange(STREAM, count=1)
    newest, since = last[0][0].decode() if last else "0-0", 0.0
    while True:
        patience = BATCH_WAIT_SECONDS if not waiting else since + BATCH_WAIT_SECONDS - time.monotonic()
        answer = await client.xread({STREAM: newest}, count=500, block=max(1, round(1000 * patience)))
        for entry, fields in answer[0][1] if answer else ():
            since = since if waiting else time.monotonic()
            newest = entry.decode()
            waiting.append(
                encode_event(SequencedEvent(sequence=int(newest.partition("-")[0]), event=event_of(fields[b"event"])))
            )
        while len(waiting) >= BATCH_EVENTS_MAX or (waiting and time.monotonic() >= since + BATCH_WAIT_SECONDS):
            batch, waiting = waiting[:BATCH_EVENTS_MAX], waiting[BATCH_EVENTS_MAX:]
            broadcast(connections, text_of(batch))


def text_of(batch: list[EncodedEvent]) -> str:
    """The contract's frame without what the dashboard's stream knows of a client."""
    first, last = batch[0].seq, batch[-1].seq
    head = f'{{"type":"event_batch","count":{len(batch)},"first_seq":{first},"last_seq":{last},"dropped":0,"events":['
    return head + b",".join(event.data for event in batch).decode() + "]}"


async def main() -> None:
    connections: set[ServerConnection] = set()

    async def handle(connection: ServerConnection) -> None:
        connections.add(connection)
        try:
            await connection.wait_closed()
        finally:
            connections.discard(connection)

    async with serve(handle, "127.0.0.1", int(sys.argv[1]), compression=None, ping_interval=None):
        await follow(connections, os.environ["QT_REDIS_URL"])


if __name__ == "__main__":
    asyncio.run(main())
