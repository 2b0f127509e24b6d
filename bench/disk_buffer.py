"""What the disk buffer costs beside raw appends of the same bytes with the same syncs, and how fast it replays.

Rounds are interleaved and compared by their medians, so that a noisy machine disturbs all alike. Beside it: SQLite (the
usual answer to "keep it on the disk until later") with its log synced on every commit, and persist-queue on top of
it, a well-known library for the same job, where it is installed (`pip install persist-queue`; no dependency of ours).
Run: `python -m bench.disk_buffer [DIRECTORY]` (on the disk that the state directory is on; starts a throw-away Valkey).
"""

from __future__ import annotations

import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
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
from tests.support.servers import valkey_server

try:
    import persistqueue
except ImportError:
    persistqueue = None

ROUNDS = 15
APPENDS_PER_ROUND = 60
REPLAYED = 20_000
REPLAY_ROUNDS = 7
BATCH = 500
TARGET_SHARE = 0.50
TARGET_PER_SECOND = 20_000
AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CODEC = EventCodec()
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
    return lines_of(encode((CODEC.key(event), CODEC.to_json(event)) for event in events), 1_763_800_000_000_000)


def per_second(append: Callable[[int], object], batch: int) -> float:
    began = time.perf_counter()
    for number in range(APPENDS_PER_ROUND):
        append(number)
    return APPENDS_PER_ROUND * batch / (time.perf_counter() - began)


def bench_append(folder: Path, batch: int) -> None:
    events = [make(batch) for _ in range(APPENDS_PER_ROUND)]
    ready = [lines(each) for each in events]
    buffer = DiskBuffer(folder / f"buffer-{batch}", CODEC, Bounds(bytes_max=1 << 34))
    raw = os.open(folder / f"raw-{batch}", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    database = sqlite3.connect(folder / f"sqlite-{batch}", isolation_level=None)
    database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE q (id TEXT PRIMARY KEY, e)")

    def append_raw(number: int) -> None:
        os.write(raw, ready[number])
        sync_data(raw)

    def append_json(number: int) -> None:
        os.write(raw, b"".join(orjson.dumps((e.event_id, CODEC.to_json(e))) + b"\n" for e in events[number]))
        sync_data(raw)

    def append_sqlite(number: int) -> None:
        database.execute("BEGIN")
        database.executemany(
            "INSERT OR REPLACE INTO q VALUES (?, ?)",
            [(f"{event.event_id}", orjson.dumps(CODEC.to_json(event))) for event in events[number]],
        )
        database.execute("COMMIT")

    appends: dict[str, Callable[[int], object]] = {
        "raw": append_raw,
        "ours": lambda number: buffer.append(events[number]),
        "json": append_json,
        "sqlite": append_sqlite,
    }
    if persistqueue is not None:
        # A commit for all of a call, as the others: with `auto_commit` it would be one for each.
        queue = persistqueue.SQLiteQueue(str(folder / f"persistqueue-{batch}"), auto_commit=False)

        def append_persistqueue(number: int) -> None:
            for event in events[number]:
                queue.put(orjson.dumps((event.event_id, CODEC.to_json(event))))
            queue.task_done()

        appends["persist-queue"] = append_persistqueue
    rates: dict[str, list[float]] = {name: [] for name in appends}
    for _ in range(ROUNDS):
        for name, append in appends.items():
            rates[name].append(per_second(append, batch))
    median = {name: statistics.median(found) for name, found in rates.items()}
    # Round by round: what disturbs one round disturbs both of it.
    share = statistics.median(ours / raw for ours, raw in zip(rates["ours"], rates["raw"], strict=True))
    library = f"{median['persist-queue']:>8,.0f}/s" if "persist-queue" in median else "not installed"
    print(
        f"append, {batch:>3} a call, one sync each   {median['ours']:>9,.0f}/s  raw {median['raw']:>9,.0f}/s  "
        f"share {share:4.2f} (target {TARGET_SHARE:.2f}: {'met' if share >= TARGET_SHARE else 'MISSED'})  "
        f"raw with encoding {median['json']:>9,.0f}/s, share {median['ours'] / median['json']:4.2f}  "
        f"sqlite {median['sqlite']:>8,.0f}/s  persist-queue {library}",
        flush=True,
    )
    buffer.close()
    database.close()
    os.close(raw)


def ignore_loss(how_many: int, loss: Loss) -> None:
    raise AssertionError(f"{how_many} {loss}")


def bench_replay(folder: Path, name: str, deliver: Callable[[Sequence[Event]], None]) -> None:
    rates = []
    for number in range(REPLAY_ROUNDS):
        directory = folder / f"replay-{name}-{number}"
        for _ in range(4):  # as from four processes
            buffer = DiskBuffer(directory, CODEC, Bounds(bytes_max=1 << 34))
            for _part in range(REPLAYED // 4 // BATCH):
                buffer.append(make(BATCH))
            buffer.close()
        began = time.perf_counter()
        delivered = buffer.replay(deliver, on_lost=ignore_loss, batch_max=BATCH, seconds_max=600)
        rates.append(REPLAYED / (time.perf_counter() - began))
        assert delivered == REPLAYED
    median = statistics.median(rates)
    verdict = "met" if median >= TARGET_PER_SECOND else "MISSED"
    print(f"replay {name:<28} {median:>9,.0f}/s (target {TARGET_PER_SECOND:,}/s: {verdict})", flush=True)


def bench_without_buffer(deliver: Callable[[Sequence[Event]], None]) -> None:
    """The limit of the former: the same batches out of memory."""
    rates = []
    for _ in range(REPLAY_ROUNDS):
        batches = [make(BATCH) for _ in range(REPLAYED // BATCH)]
        began = time.perf_counter()
        for batch in batches:
            deliver(batch)
        rates.append(REPLAYED / (time.perf_counter() - began))
    print(f"the same out of memory, no buffer   {statistics.median(rates):>9,.0f}/s", flush=True)


def main() -> None:
    parent = sys.argv[1] if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(prefix="qt-bench-", dir=parent) as name, valkey_server() as server:
        folder = Path(name)
        for batch in (1, 10, 100, 500):
            bench_append(folder, batch)
        bench_replay(folder, "to nobody", lambda _: None)
        link = connect(server.url(), answer_seconds_max=5.0)
        mending = RedisEventMending(link)
        mending.begin_anew()
        mending.declare_whole()
        publisher = RedisEventPublisher(link)
        bench_replay(folder, "into the event stream", publisher.deliver)
        bench_without_buffer(publisher.deliver)
        link.close()


if __name__ == "__main__":
    main()
