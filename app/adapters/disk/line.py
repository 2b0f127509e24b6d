"""One record as one line of JSON that carries a checksum of itself: `["<crc>",<microseconds>,"<key>",<value>]`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import orjson

_HEAD_CHARACTERS = 12  # `["01234567",`


class CorruptLineError(Exception):
    """The line is not what was written."""


@dataclass(frozen=True, slots=True)
class Record:
    """`appended_at_us` (microseconds since 1970) orders records across files; `key` makes applying one idempotent."""

    appended_at_us: int
    key: str
    value: Any  # JSON


def encode(key: str, value: Any) -> bytes:
    """What of a line does not depend on the moment of appending: `"<key>",<value>]`. Times may be aware datetimes."""
    return orjson.dumps((key, value), default=dict)[1:]  # any Mapping


def lines(encoded: Sequence[bytes], appended_at_us: int) -> bytes:
    """Whole lines, each with its line feed.

    The checksum is the CRC-32 (as in zip files) of all that follows it: it sees every burst of damage of up to 32 bits,
    and all but one in four thousand million others. Against whoever may write the file no checksum helps.
    """
    at = b"%d," % appended_at_us
    begun = crc32(at)
    return b"".join([b'["%08x",%b%b\n' % (crc32(each, begun), at, each) for each in encoded])


def decode(line: bytes) -> Record:
    """The record of a line without its line feed; `CorruptLineError` when it is not as it was written."""
    rest = line[_HEAD_CHARACTERS:]
    if line[:_HEAD_CHARACTERS] != b'["%08x",' % crc32(rest) or not rest:
        raise CorruptLineError(f"wrong checksum in a line of {len(line)} bytes")
    at, key, value = orjson.loads(b"[" + rest)
    return Record(at, key, value)
