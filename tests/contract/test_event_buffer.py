"""What every durable buffer does, the one on the disk and the fake."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from app.adapters.disk.buffer import Bounds, DiskBuffer
from app.adapters.disk.codecs import EventCodec, SignalCodec
from app.domain.events import Event, EventType
from app.domain.signals import ModelVote
from app.ports import DurableBuffer, EventsUnavailableError, Loss
from tests.fakes.disk import FakeBuffer
from tests.unit.domain.builders import make_signal

AT = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)


def event(number: int) -> Event:
    return Event(
        event_id=f"e{number}",
        type=EventType.TRADE_EXECUTED,
        at=AT,
        payload={"number": number, "price": "61000.10", "nested": {"ü\n": [None, True, "x"]}},
    )


@dataclass
class Receiver:
    """Takes what is delivered, or not."""

    taken: list[Event] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    lost: list[tuple[int, Loss]] = field(default_factory=list)
    takes_batches: int = 1_000_000

    def deliver(self, events: Sequence[Event]) -> None:
        if len(self.batches) >= self.takes_batches:
            raise EventsUnavailableError("away again")
        self.batches.append(len(events))
        self.taken += events

    def replay(self, buffer: DurableBuffer[Event], *, batch_max: int = 100, seconds_max: float = 10) -> int | None:
        return buffer.replay(
            self.deliver,
            on_lost=lambda count, why: self.lost.append((count, why)),
            batch_max=batch_max,
            seconds_max=seconds_max,
        )


@pytest.fixture(params=["disk", "fake"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def make(kind: str, folder: Path, *, records_max: int | None = None) -> DurableBuffer[Event]:
    if kind == "fake":
        return FakeBuffer(records_max=records_max)
    return DiskBuffer(folder / "events", EventCodec(), Bounds(records_max=records_max, bytes_max=1 << 24))


@pytest.fixture
def buffer(kind: str, tmp_path: Path) -> Iterator[DurableBuffer[Event]]:
    return make(kind, tmp_path)


def test_an_untouched_buffer_has_nothing_and_says_so(buffer: DurableBuffer[Event]) -> None:
    receiver = Receiver()
    assert buffer.has_backlog() is False
    assert receiver.replay(buffer) == 0
    assert (buffer.status().depth, buffer.status().oldest_at) == (0, None)


def test_what_is_delivered_equals_what_was_appended_in_order(buffer: DurableBuffer[Event]) -> None:
    buffer.append([event(1), event(2)])
    buffer.append([])
    buffer.append([event(3)])
    assert buffer.has_backlog() is True
    assert buffer.status().depth == 3
    assert buffer.status().oldest_at is not None
    receiver = Receiver()
    assert receiver.replay(buffer, batch_max=2) == 3
    assert receiver.taken == [event(1), event(2), event(3)]
    assert receiver.batches == [2, 1]
    assert buffer.has_backlog() is False
    assert (buffer.status().depth, buffer.status().replayed) == (0, 3)


def test_what_was_delivered_is_not_delivered_again(buffer: DurableBuffer[Event]) -> None:
    buffer.append([event(1)])
    Receiver().replay(buffer)
    buffer.append([event(2)])
    receiver = Receiver()
    receiver.replay(buffer)
    assert receiver.taken == [event(2)]


def test_a_batch_that_was_not_taken_comes_again_with_all_after_it_and_nothing_before(
    buffer: DurableBuffer[Event],
) -> None:
    buffer.append([event(number) for number in range(10)])
    receiver = Receiver(takes_batches=2)
    with pytest.raises(EventsUnavailableError):
        receiver.replay(buffer, batch_max=3)
    assert buffer.status().depth == 4
    receiver.takes_batches = 100
    receiver.replay(buffer, batch_max=3)
    assert receiver.taken == [event(number) for number in range(10)]


def test_what_is_appended_during_a_replay_is_delivered_after_it(buffer: DurableBuffer[Event]) -> None:
    buffer.append([event(1), event(2)])
    receiver = Receiver()

    def deliver(events: Sequence[Event]) -> None:
        receiver.deliver(events)
        if events[0] == event(1):
            buffer.append([event(3)])

    buffer.replay(deliver, on_lost=lambda *_: None, batch_max=1, seconds_max=10)
    receiver.replay(buffer)
    assert receiver.taken == [event(1), event(2), event(3)]


def test_a_ring_keeps_the_newest_and_counts_what_fell_off(kind: str, tmp_path: Path) -> None:
    buffer = make(kind, tmp_path, records_max=5)
    buffer.append([event(number) for number in range(8)])
    receiver = Receiver()
    receiver.replay(buffer)
    assert receiver.taken == [event(number) for number in range(3, 8)]
    assert receiver.lost == [(3, Loss.FELL_OFF)]
    assert buffer.status().fell_off == 3


def test_only_one_replays_at_a_time(tmp_path: Path) -> None:
    buffer = make("disk", tmp_path)
    buffer.append([event(1)])
    began, go_on = threading.Event(), threading.Event()

    def deliver(_: Sequence[Event]) -> None:
        began.set()
        assert go_on.wait(10)

    first = threading.Thread(
        target=lambda: buffer.replay(deliver, on_lost=lambda *_: None, batch_max=1, seconds_max=10)
    )
    first.start()
    assert began.wait(10)
    assert Receiver().replay(make("disk", tmp_path)) is None
    go_on.set()
    first.join(10)
    assert Receiver().replay(buffer) == 0


def test_a_signal_comes_back_exactly_as_it_was() -> None:
    codec = SignalCodec()
    signal = make_signal(
        confidence=Decimal("0.8700"),
        reference_price=Decimal("61000.10"),
        models={
            "xgb": ModelVote(action="BUY", confidence=Decimal("0.90"), source=None),
            "nhits": ModelVote(action="HOLD", confidence=Decimal("0.5"), source="nhits_insufficient_history"),
        },
        received_at=AT,
    )
    back = codec.from_json(codec.key(signal), codec.to_json(signal))
    assert back == signal
    assert str(back.confidence) == "0.8700"
