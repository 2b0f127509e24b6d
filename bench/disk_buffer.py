"""What the disk buffer costs beside raw appends of the same bytes with the same syncs, and how fast it replays.

Beside it the usual answers to "keep it on the disk until later": SQLite with its log synced on every commit, and
persist-queue on top of it.
Run: `./qt bench disk` (on the disk that /tmp is on).
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import orjson

from app.adapters.disk.buffer import Bounds, DiskBuffer
from app.adapters.disk.codecs import EventCodec
from app.adapters.disk.directory import sync_data
from app.adapters.disk.line import encode
from app.adapters.disk.line import lines as lines_of
from app.adapters.redis.client import connect
from app.adapters.redis.event_stream import RedisEventMending, RedisEventPublisher
from app.domain.events import Event, EventType
from app.ports import Loss
from bench.peers import as_told, installed
from bench.report.rows import Row, Series, Told, ours_at_least, ratio_at_least
from bench.run import Bench

APPENDS_PER_ROUND = 60
SIZES = (1, 10, 100, 500)
REPLAYED = 20_000
PEER_REPLAYED = 50
BATCH = 500
TARGET_SHARE = 0.50
TARGET_PER_SECOND = 20_000
AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CODEC = EventCodec()
Peers = dict[str, tuple[str, Callable[[], Callable[[], float]]]]
_numbers = count()


def make(how_many: int) -> list[Event]:
    """Events of the usual size: a line of some 400 bytes."""
    return [
        Event(
            event_id=f"{number:032x}",
            type=EventType.SIGNAL_DECIDED,
            at=AT + timedelta(microseconds=number),
            payload={
                "signal_id": f"01JDAAAA{number:018d}",
                "state": "DENIED",
                "reason_code": "CONFIDENCE_BELOW_MINIMUM",
                "reason": "confidence=0.44, minimum=0.50",
                "decided_at": AT.isoformat(),
            },
        )
        for number in (next(_numbers) for _ in range(how_many))
    ]


def lines(events: Sequence[Event]) -> bytes:
    return lines_of([encode(CODEC.key(event), CODEC.to_json(event)) for event in events], 1_763_800_000_000_000)


def rows(bench: Bench) -> Iterator[Told]:
    """Appended records a second by records a call, then replayed events a second."""
    for batch in SIZES:
        yield append_row(bench, batch)
    yield from replay_rows(bench)


def append_row(bench: Bench, batch: int) -> Row:
    """Ours and others, each making every call durable before it returns."""
    folder = bench.folder / f"append-{batch}"
    folder.mkdir()
    events = [make(batch) for _ in range(APPENDS_PER_ROUND)]
    ready = [lines(each) for each in events]
    buffer = DiskBuffer(folder / "buffer", CODEC, Bounds(bytes_max=1 << 34))
    raw = os.open(folder / "raw", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    database = sqlite3.connect(folder / "sqlite", isolation_level=None)
    database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE q (id TEXT PRIMARY KEY, e)")

    def append_raw(number: int) -> None:
        os.write(raw, ready[number])
        sync_data(raw)

    def append_sqlite(number: int) -> None:
        database.execute("BEGIN")
        database.executemany(
            "INSERT OR REPLACE INTO q VALUES (?, ?)",
            [(event.event_id, orjson.dumps(CODEC.to_json(event))) for event in events[number]],
        )
        database.execute("COMMIT")

    def append_encoded(number: int) -> None:
        os.write(raw, b"".join(orjson.dumps((e.event_id, CODEC.to_json(e))) + b"\n" for e in events[number]))
        sync_data(raw)

    others = queues_of(folder, events)
    try:
        taken = bench.in_turn(
            {
                "write + fdatasync": appending(append_raw, batch),
                "ours": appending(lambda number: buffer.append(events[number]), batch),
                "write of JSON + fdatasync": appending(append_encoded, batch),
                "SQLite, WAL, FULL": appending(append_sqlite, batch),
                **installed(others),
            },
            usual=15,
            quick=5,
        )
    finally:
        buffer.close()
        database.close()
        os.close(raw)
    return Row(
        name=f"disk-append-{batch}",
        what=f"append, {batch} a call, one sync each",
        unit="records/s",
        ours=taken["ours"],
        limit=taken["write + fdatasync"],
        peers=[taken["write of JSON + fdatasync"], taken["SQLite, WAL, FULL"], *as_told(others, taken)],
        target=ratio_at_least(TARGET_SHARE),
    )


def appending(append: Callable[[int], object], batch: int) -> Callable[[], float]:
    """Records a second of one round of appends."""

    def measure() -> float:
        began = time.perf_counter()
        for number in range(APPENDS_PER_ROUND):
            append(number)
        return APPENDS_PER_ROUND * batch / (time.perf_counter() - began)

    return measure


def queues_of(folder: Path, events: list[list[Event]]) -> Peers:
    """persist-queue on SQLite, a commit a call as the others; its file queue does not sync what it is given."""
    batch = len(events[0])

    def in_sqlite() -> Callable[[], float]:
        from persistqueue import SQLiteQueue

        queue = SQLiteQueue(str(folder / "persist-queue"), auto_commit=False)

        def append(number: int) -> None:
            for event in events[number]:
                queue.put(orjson.dumps((event.event_id, CODEC.to_json(event))))
            queue.task_done()

        return appending(append, batch)

    return {"persist-queue": ("persist-queue", in_sqlite)}


def replay_rows(bench: Bench) -> Iterator[Told]:
    """Taken out again in order, as of four processes: to nobody, and into the event stream."""
    link = connect(bench.valkey.url(), answer_seconds_max=5.0)
    try:
        mending = RedisEventMending(link)
        mending.begin_anew()
        mending.declare_whole()
        publisher = RedisEventPublisher(link)
        others = taken_out_by(bench.folder)
        taken = bench.in_turn(
            {
                "out of memory": lambda: delivering(publisher.deliver),
                "to nobody": lambda: replaying(bench.folder, lambda _: None),
                "into the stream": lambda: replaying(bench.folder, publisher.deliver),
                **installed(others),
            },
            usual=7,
            quick=3,
        )
    finally:
        link.close()
    yield Row(
        name="disk-replay",
        what="replay in order, nothing done with the events",
        unit="events/s",
        ours=taken["to nobody"],
        peers=as_told(others, taken),
        target=ours_at_least(TARGET_PER_SECOND),
    )
    yield Row(
        name="disk-replay-stream",
        what="replay into the event stream",
        unit="events/s",
        ours=taken["into the stream"],
        limit=Series("the same out of memory", taken["out of memory"].rounds),
        target=ours_at_least(TARGET_PER_SECOND),
    )


def replaying(folder: Path, deliver: Callable[[Sequence[Event]], None]) -> float:
    """Events a second; filling the buffer before is not measured."""
    directory = folder / f"replay-{next(_numbers)}"
    for _ in range(4):
        buffer = DiskBuffer(directory, CODEC, Bounds(bytes_max=1 << 34))
        for _part in range(REPLAYED // 4 // BATCH):
            buffer.append(make(BATCH))
        buffer.close()
    began = time.perf_counter()
    delivered = buffer.replay(deliver, on_lost=refuse_loss, batch_max=BATCH, seconds_max=600)
    seconds = time.perf_counter() - began
    if delivered != REPLAYED:
        raise RuntimeError(f"{delivered} of {REPLAYED} events came back")
    return REPLAYED / seconds


def refuse_loss(how_many: int, loss: Loss) -> None:
    raise RuntimeError(f"{how_many} {loss}")


def delivering(deliver: Callable[[Sequence[Event]], None]) -> float:
    """The limit of a replay: the same batches out of memory."""
    batches = [make(BATCH) for _ in range(REPLAYED // BATCH)]
    began = time.perf_counter()
    for batch in batches:
        deliver(batch)
    return REPLAYED / (time.perf_counter() - began)


def taken_out_by(folder: Path) -> Peers:
    """persist-queue's queue with acknowledgements, which is what survives a death between taking and doing."""

    def with_acks() -> Callable[[], float]:
        from persistqueue import FIFOSQLiteAckQueue

        queue = FIFOSQLiteAckQueue(str(folder / "persist-ack"), auto_commit=True)
        texts = [orjson.dumps(CODEC.to_json(event)) for event in make(PEER_REPLAYED)]

        def measure() -> float:
            for text in texts:
                queue.put(text)
            began = time.perf_counter()
            for _ in texts:
                queue.ack(queue.get(block=False))
            return PEER_REPLAYED / (time.perf_counter() - began)

        return measure

    return {"persist-queue, get and ack": ("persist-queue", with_acks)}
