"""One record as one line of JSON that carries a checksum of itself: `["<crc>",<microseconds>,"<key>",<value>]`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import orjson

_HEAD_CHARACTERS = 12  # `["01234567",`
_LINE_FEED = orjson.Fragment(b"\n")  # written as it is


class CorruptLineError(Exception):
    """The line is not what was written."""


@dataclass(frozen=True, slots=True)
class Record:
    """`appended_at_us` (microseconds since 1970) orders records across files; `key` makes applying one idempotent."""

    appended_at_us: int
    key: str
    value: Any  # JSON


def encode(records: Iterable[tuple[str, Any]]) -> list[bytes]:
    """What of each line does not depend on the moment of appending: `,"<key>",<value>]`.

    Values may hold aware datetimes, words of an enumeration, and any Mapping. One call of the encoder for all: a call
    each takes several times as long. They are told apart afterwards by line feeds, of which JSON text has none inside.
    """
    marked = [(_LINE_FEED, key, value) for key, value in records]
    return orjson.dumps(marked, default=dict)[3:-1].split(b",[\n") if marked else []


def lines(encoded: Sequence[bytes], appended_at_us: int) -> bytes:
    """Whole lines, each with its line feed.

    The checksum is the CRC-32 (as in zip files) of all that follows it: it sees every burst of damage of up to 32 bits,
    and all but one in four thousand million others. Against whoever may write the file no checksum helps.
    """
    begun = crc32(b"%d" % appended_at_us)
    line = b'["%%08x",%d%%b\n' % appended_at_us
    return b"".join([line % (crc32(each, begun), each) for each in encoded])


def decode(line: bytes) -> Record:
    """The record of a line without its line feed; `CorruptLineError` when it is not as it was written."""
    rest = line[_HEAD_CHARACTERS:]
    if line[:_HEAD_CHARACTERS] != b'["%08x",' % crc32(rest) or not rest:
        raise CorruptLineError(f"wrong checksum in a line of {len(line)} bytes")
    at, key, value = orjson.loads(b"[" + rest)
    return Record(at, key, value)
