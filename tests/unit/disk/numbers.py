"""Buffers of plain numbers for the tests, and a receiver that says what it was given."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from app.adapters.disk.buffer import Bounds, DiskBuffer
from app.ports import Loss

PADDING = "x" * 40


class NumberCodec:
    """A number under its own name."""

    def key(self, item: int) -> str:
        return f"n{item}"

    def to_json(self, item: int) -> Any:
        return {"number": item, "padding": PADDING}

    def from_json(self, key: str, value: Any) -> int:
        if key != f"n{value['number']}":
            raise ValueError(key)
        return int(value["number"])


class RefusedError(Exception):
    """The receiver has had enough."""


class Receiver:
    """Takes `batches_max` batches, then refuses."""

    def __init__(self, batches_max: int = 1_000_000) -> None:
        self.batches_max = batches_max
        self.batches: list[list[int]] = []
        self.lost: list[tuple[int, Loss]] = []

    @property
    def taken(self) -> list[int]:
        return [number for batch in self.batches for number in batch]

    def deliver(self, numbers: Sequence[int]) -> None:
        if len(self.batches) >= self.batches_max:
            raise RefusedError
        self.batches.append(list(numbers))

    def replay(self, buffer: DiskBuffer[int], *, batch_max: int = 50, seconds_max: float = 30.0) -> int | None:
        return buffer.replay(
            self.deliver,
            on_lost=lambda count, loss: self.lost.append((count, loss)),
            batch_max=batch_max,
            seconds_max=seconds_max,
        )


def ticking() -> Callable[[], int]:
    """A clock for several buffers that never tells the same microsecond twice."""
    ticks = itertools.count(1_763_800_000_000_000)
    return lambda: next(ticks)


def open_numbers(
    directory: Path,
    *,
    records_max: int | None = None,
    bytes_max: int = 1 << 26,
    segment_records_max: int = 2_500,
    clock_us: Callable[[], int] | None = None,
) -> DiskBuffer[int]:
    """A buffer as a process of its own would open it."""
    return DiskBuffer(
        directory,
        NumberCodec(),
        Bounds(bytes_max=bytes_max, records_max=records_max),
        segment_records_max=segment_records_max,
        **({} if clock_us is None else {"clock_us": clock_us}),
    )


def files_in(directory: Path, suffix: str) -> list[Path]:
    return sorted(path for path in directory.iterdir() if path.suffix == suffix)
