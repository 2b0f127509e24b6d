"""The replay: records of all segments in the order of time, in batches, each acknowledged once it was delivered."""

from __future__ import annotations

import heapq
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from operator import itemgetter
from pathlib import Path

import structlog

from app.adapters.disk import directory as files
from app.adapters.disk import ring
from app.adapters.disk.line import Record
from app.adapters.disk.reader import Read, SegmentReader, facts_of
from app.adapters.disk.totals import Totals
from app.ports import Loss

log = structlog.get_logger(__name__)

_Entry = tuple[int, int, SegmentReader, Read]  # when it was appended, the number of its reader, the reader


class Replay:
    """One run of the one replayer; made with the replay lock held."""

    def __init__(
        self,
        directory: Path,
        *,
        records_max: int | None,
        deliver: Callable[[Sequence[Record]], None],
        on_lost: Callable[[int, Loss], None],
        now_us: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._now_us = now_us
        self._records_max = records_max
        self._deliver = deliver
        self._on_lost = on_lost
        self._monotonic = monotonic
        self._totals = Totals.read(directory)
        self.delivered = 0

    def run(self, *, batch_max: int, seconds_max: float) -> None:
        """Deliver until nothing waits or the time is over."""
        deadline = self._monotonic() + seconds_max
        files.remove_leftovers(self._directory, now_us=self._now_us())
        try:
            self._count_fallen_off()
            while True:
                found = self._pass(batch_max, deadline)
                if not found or self._monotonic() >= deadline:
                    return
        finally:
            self._totals.write(self._directory)

    def _pass(self, batch_max: int, deadline: float) -> bool:
        """Everything that the segments hold now; whether there was anything."""
        readers = [SegmentReader.after_acknowledged(path) for path in files.segments(self._directory)]
        surplus = self._surplus()
        found = False
        merged = heapq.merge(*(_entries(number, reader) for number, reader in enumerate(readers)), key=itemgetter(0, 1))
        while batch := list(islice(merged, batch_max)):
            found = True
            given_up = min(surplus, len(batch))
            surplus -= given_up
            self._carry_out(batch, given_up)
            if self._monotonic() >= deadline:
                return True
        for reader in readers:
            self._finish(reader)
        return found

    def _carry_out(self, batch: list[_Entry], given_up: int) -> None:
        """Tell of losses, deliver, acknowledge. A failure in between makes all three come again, never none of them."""
        damaged: Counter[int] = Counter()
        for _, number, _, read in batch:
            damaged[number] += read.damaged
        self._lose(given_up, Loss.FELL_OFF)
        self._lose(damaged.total(), Loss.CORRUPT)
        records = [read.record for _, _, _, read in batch[given_up:]]
        if records:
            self._deliver(records)
        self.delivered += len(records)
        self._count(replayed=len(records), fell_off=given_up, corrupt=damaged.total())
        newest = {number: (reader, read.end) for _, number, reader, read in batch}
        for number, (reader, end) in newest.items():
            reader.damaged_acknowledged += damaged[number]
            files.acknowledge(reader.path, end, damaged=reader.damaged_acknowledged)

    def _finish(self, reader: SegmentReader) -> None:
        """After the last record of a segment: tell of damage behind it, and remove it unless more was written."""
        damaged, reader.damaged_untold = reader.damaged_untold, 0
        if damaged:
            self._lose(damaged, Loss.CORRUPT)
            self._count(corrupt=damaged)
            reader.damaged_acknowledged += damaged
            files.acknowledge(reader.path, reader.offset, damaged=reader.damaged_acknowledged)
        with files.locked(reader.path) as descriptor:
            if descriptor is None:
                return  # being written to, or gone
            size = os.fstat(descriptor).st_size
            tail = os.pread(descriptor, max(0, size - reader.offset), reader.offset)
            if b"\n" in tail:
                return
            if tail:
                # Nobody is writing: cut off in the middle of an append that nobody was told had succeeded.
                self._totals.torn += 1
                log.warning("buffer_line_torn", segment=reader.path.name, at=reader.offset, bytes=len(tail))
            files.remove(reader.path, keep_as_corrupt=reader.damaged_acknowledged > 0)

    def _count(self, *, replayed: int = 0, fell_off: int = 0, corrupt: int = 0) -> None:
        self._totals.replayed += replayed
        self._totals.fell_off += fell_off
        self._totals.corrupt += corrupt
        if fell_off or corrupt:
            self._totals.write(self._directory)

    def _surplus(self) -> int:
        """How many of the oldest are beyond what the ring holds."""
        if self._records_max is None:
            return 0
        waiting = sum(facts.waiting for path in files.segments(self._directory) if (facts := facts_of(path)))
        return max(0, waiting - self._records_max)

    def _count_fallen_off(self) -> None:
        """Take over what writers noted; counted once, whenever this process is killed."""
        ring.finish_interrupted(self._directory)
        noted = ring.fallen_off(self._directory)
        count = sum(number for name, number in noted.items() if name not in self._totals.counted)
        self._lose(count, Loss.FELL_OFF)
        if noted or self._totals.counted:
            self._totals.fell_off += count
            self._totals.counted = list(noted)
            self._totals.write(self._directory)
            for name in noted:
                (self._directory / name).unlink(missing_ok=True)

    def _lose(self, count: int, loss: Loss) -> None:
        if count:
            log.error("buffer_records_lost", directory=str(self._directory), count=count, loss=loss.value)
            self._on_lost(count, loss)


def _entries(number: int, reader: SegmentReader) -> Iterator[_Entry]:
    for read in reader.reads():
        yield read.record.appended_at_us, number, reader, read
