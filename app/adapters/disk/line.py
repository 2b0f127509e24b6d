"""One record as one line of JSON that carries a checksum of itself."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson

_OPEN = b'{"sum":"'
_CLOSE = b'",'
_SUM_CHARACTERS = 16
_BODY_AT = len(_OPEN) + _SUM_CHARACTERS + len(_CLOSE)


class CorruptLineError(Exception):
    """The line is not what was written."""


@dataclass(frozen=True, slots=True)
class Record:
    """`appended_at_us` (microseconds since 1970) orders records across files; `key` makes applying one idempotent."""

    appended_at_us: int
    key: str
    value: Any  # JSON


def encode(key: str, value: Any, appended_at_us: int) -> bytes:
    """`{"sum":"<16 hex digits of SHA-256 of the rest>","at":...,"id":...,"value":...}` and a line feed."""
    body = orjson.dumps({"at": appended_at_us, "id": key, "value": value}, default=dict)[1:]  # any Mapping
    return b"".join((_OPEN, _sum_of(body), _CLOSE, body, b"\n"))


def decode(line: bytes) -> Record:
    """The record of a line without its line feed; `CorruptLineError` when one bit of it is not as it was written."""
    body = line[_BODY_AT:]
    if line[:_BODY_AT] != b"".join((_OPEN, _sum_of(body), _CLOSE)):
        raise CorruptLineError(f"wrong checksum in a line of {len(line)} bytes")
    values = orjson.loads(b"{" + body)
    return Record(values["at"], values["id"], values["value"])


def _sum_of(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest()[:_SUM_CHARACTERS].encode()
