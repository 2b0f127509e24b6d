"""Events and frames as bytes: an event is encoded once, a frame is a join of encoded events."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from app.domain.events import EventType, SequencedEvent
from web.answers import encode, rfc3339

# Events that say how something is now: a newer one about the same thing makes an older one worthless.
_SUBJECTS: Mapping[EventType, Callable[[Mapping[str, Any]], object]] = {
    EventType.ORDER_UPDATED: lambda payload: payload.get("order_id"),
    EventType.POSITION_UPDATED: lambda payload: payload.get("symbol"),
    EventType.PNL_UPDATED: lambda payload: payload.get("symbol", "account"),
    EventType.ESS_STATE_CHANGED: lambda _: "ess",
    EventType.STRATEGY_UPDATED: lambda payload: payload.get("strategy"),
    EventType.HEALTH_ALERT: lambda payload: payload.get("component"),
}


@dataclass(frozen=True, slots=True)
class EncodedEvent:
    """An event as its JSON; `subject` is what it tells the state of (None: an event in its own right)."""

    seq: int
    data: bytes
    subject: tuple[EventType, str] | None


def encode_event(sequenced: SequencedEvent) -> EncodedEvent:
    """The event as it stands in a frame."""
    event = sequenced.event
    data = encode(
        {"seq": sequenced.sequence, "type": event.type.value, "at": rfc3339(event.at), "payload": event.payload}
    )
    find_subject = _SUBJECTS.get(event.type)
    subject = None if find_subject is None else find_subject(event.payload)
    return EncodedEvent(sequenced.sequence, data, None if subject is None else (event.type, str(subject)))


def event_batch(events: Sequence[EncodedEvent], *, after: int) -> bytes:
    """The contract's frame. `dropped` counts the events between `after` and the last one that are not in it.

    So for any two frames in a row: `last_seq - previous last_seq == count + dropped`, and nothing is ever missing
    without being counted.
    """
    first, last = events[0].seq, events[-1].seq
    head = b'{"type":"event_batch","count":%d,"first_seq":%d,"last_seq":%d,"dropped":%d,"events":[' % (
        len(events),
        first,
        last,
        last - after - len(events),
    )
    return text_frame(head + b",".join(event.data for event in events) + b"]}")


def snapshot_required(*, first_seq: int, last_seq: int, reason: str) -> bytes:
    """Tells a client that events it has not seen are gone: load the snapshot, then go on from here."""
    return text_frame(
        orjson.dumps({"type": "snapshot_required", "first_seq": first_seq, "last_seq": last_seq, "reason": reason})
    )


def text_frame(payload: bytes) -> bytes:
    """An unmasked, uncompressed WebSocket text frame (RFC 6455, section 5.2): right for every client."""
    size = len(payload)
    if size < 126:
        return b"\x81" + bytes([size]) + payload
    if size < 65_536:
        return b"\x81\x7e" + struct.pack("!H", size) + payload
    return b"\x81\x7f" + struct.pack("!Q", size) + payload


PING_FRAME = b"\x89\x00"


def close_frame(code: int, reason: str) -> bytes:
    """A WebSocket close frame; the reason must be short ASCII."""
    payload = struct.pack("!H", code) + reason.encode("ascii")[:120]
    return b"\x88" + bytes([len(payload)]) + payload
