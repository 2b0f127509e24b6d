"""What a frame costs on the wire beyond the events in it, counted in bytes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.domain.events import Event, EventType, SequencedEvent
from web.live.frames import EncodedEvent, encode_event, event_batch

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
# The envelope with four numbers of up to twelve digits, and the WebSocket header.
FRAME_BYTES_MAX = 130
# "seq", "type", "at" and "payload" around what an event says.
EVENT_BYTES_MAX = 120


def events(count: int, payload: dict[str, str]) -> list[EncodedEvent]:
    return [
        encode_event(
            SequencedEvent(
                sequence=10**9 + number,
                event=Event(event_id=f"e{number}", type=EventType.SIGNAL_DECIDED, at=AT, payload=payload),
            )
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("count", [1, 10, 50])
def test_a_frame_costs_a_bounded_envelope_and_each_event_a_comma(count: int) -> None:
    encoded = events(count, {"signal_id": "x" * 400})
    frame = event_batch(encoded, after=10**9 - 1)
    payload = sum(len(each.data) for each in encoded)
    assert payload < len(frame) <= payload + count - 1 + FRAME_BYTES_MAX


def test_an_event_costs_a_bounded_frame_around_what_it_says() -> None:
    (bare,) = events(1, {})
    assert len(bare.data) <= EVENT_BYTES_MAX
    (full,) = events(1, {"signal_id": "x" * 400})
    assert len(full.data) - len(bare.data) == len('"signal_id":""') + 400
