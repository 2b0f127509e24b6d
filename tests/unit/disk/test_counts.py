"""What a buffered record costs, counted: syncs and bytes, which no slow machine changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.adapters.disk import directory as files
from tests.unit.disk.numbers import PADDING, NumberCodec, files_in, open_numbers

# Key, checksum, time and JSON punctuation of a line, beyond what the record itself is made of.
OVERHEAD_BYTES_MAX = 60


@pytest.mark.parametrize("batch", [1, 10, 500])
def test_a_call_costs_one_sync_however_many_records_it_brings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    buffer = open_numbers(tmp_path)
    buffer.append(range(batch))  # opens the segment
    syncs = []
    sync = files.sync_data

    def counting(descriptor: int) -> None:
        syncs.append(descriptor)
        sync(descriptor)

    monkeypatch.setattr(files, "sync_data", counting)
    for number in range(1, 6):
        buffer.append(range(number * batch, (number + 1) * batch))
    assert len(syncs) == 5


def test_a_record_costs_its_own_bytes_and_a_bounded_frame(tmp_path: Path) -> None:
    open_numbers(tmp_path).append(range(1_000))
    (segment,) = files_in(tmp_path, ".jsonl")
    size = segment.stat().st_size
    own = sum(
        len(NumberCodec().key(number)) + len(f'{{"number":{number},"padding":"{PADDING}"}}') for number in range(1_000)
    )
    assert own < size <= own + 1_000 * OVERHEAD_BYTES_MAX
