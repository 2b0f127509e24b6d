"""Ids that sort by the time they were made (RFC 9562, version 7)."""

from __future__ import annotations

import uuid
from datetime import datetime


def sortable_id(now: datetime, random_bits: int) -> str:
    """A UUID version 7 as text: 48 bits of Unix milliseconds, then 74 of the given random bits."""
    milliseconds = int(now.timestamp() * 1000) & ((1 << 48) - 1)
    high = (random_bits >> 62) & 0xFFF
    low = random_bits & ((1 << 62) - 1)
    return str(uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low))
