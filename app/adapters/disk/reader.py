"""The reading side of one segment: whole lines from where the last delivery ended, with everything damaged counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from app.adapters.disk import directory as files
from app.adapters.disk.line import CorruptLineError, Record, decode

log = structlog.get_logger(__name__)

READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Read:
    """A record, where the next line begins, and how many damaged lines were passed before it since the last record."""

    record: Record
    end: int
    damaged: int


@dataclass(slots=True)
class SegmentReader:
    """Reads one segment once, from `offset` on."""

    path: Path
    offset: int
    damaged_acknowledged: int  # of all runs
    damaged_untold: int = 0  # passed since the last record

    @classmethod
    def after_acknowledged(cls, path: Path) -> SegmentReader:
        """From the first record that was not delivered yet."""
        return cls(path, *files.acknowledged_of(path))

    def reads(self) -> Iterator[Read]:
        """The records, in the order of the file. Ends before a line without its end: it is being written, or torn."""
        for line in self._lines():
            self.offset += len(line) + 1
            try:
                record = decode(line)
            except CorruptLineError as error:
                self.damaged_untold += 1
                log.warning("buffer_line_corrupt", segment=self.path.name, ends_at=self.offset, error=str(error))
                continue
            damaged, self.damaged_untold = self.damaged_untold, 0
            yield Read(record, self.offset, damaged)

    def _lines(self) -> Iterator[bytes]:
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return  # given up for newer records, or removed by hand
        with file:
            file.seek(self.offset)
            rest = b""
            while block := file.read(READ_BYTES):
                *lines, rest = (rest + block).split(b"\n")
                yield from lines


@dataclass(frozen=True, slots=True)
class SegmentFacts:
    """What waits in a segment: whole lines after the acknowledged ones, and when the first and last were appended."""

    path: Path
    waiting: int
    first_at_us: int
    last_at_us: int


def facts_of(path: Path) -> SegmentFacts | None:
    """The facts; None when nothing waits in it."""
    try:
        with path.open("rb") as file:
            file.seek(files.acknowledged_of(path)[0])
            content = file.read()
    except FileNotFoundError:
        return None
    content = content[: content.rfind(b"\n") + 1]
    if not content:
        return None
    lines = content.count(b"\n")
    first = _readable_at(iter(content.split(b"\n", 64)[:-1]))
    last = _readable_at(reversed(content[:-1].rsplit(b"\n", 64)))
    if first is None or last is None:
        first = last = int(path.name.partition("-")[0])  # damaged: as old as its name says
    return SegmentFacts(path, lines, first, last)


def _readable_at(lines: Iterator[bytes]) -> int | None:
    for line in lines:
        try:
            return decode(line).appended_at_us
        except CorruptLineError:
            continue
    return None
