"""A line is what was written or it is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.disk.line import CorruptLineError, Record, decode, encode, lines

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)


@given(key=TEXT, value=VALUES, at=st.integers(0, 2**53))
def test_what_was_encoded_is_decoded_and_is_one_line_of_json(key: str, value: object, at: int) -> None:
    line = lines([encode(key, value)], at)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert decode(line[:-1]) == Record(at, key, value)
    assert orjson.loads(line)[1:] == [at, key, value]


@given(value=VALUES, data=st.data())
def test_no_changed_byte_and_no_missing_end_goes_unnoticed(value: object, data: st.DataObject) -> None:
    line = bytearray(lines([encode("key", value)], 1)[:-1])
    position = data.draw(st.integers(0, len(line) - 1))
    changed = bytearray(line)
    changed[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CorruptLineError):
        decode(bytes(changed))
    with pytest.raises(CorruptLineError):
        decode(bytes(line[:position]))


@pytest.mark.parametrize("text", ["\n", "],[", ',[\n"', ']],[["', "\u2028\r\n", '\\n],[\\n"'])
def test_what_looks_like_the_end_of_a_record_inside_of_one_is_none(text: str) -> None:
    records = [(text, {text: [[text], [[text]]]}), ("next", [[text], [text]])]
    assert [decode(line) for line in lines([encode(*record) for record in records], 1).split(b"\n")[:-1]] == [
        Record(1, *r) for r in records
    ]


def test_a_line_is_what_earlier_releases_wrote_and_read() -> None:
    written = b'["652c1c61",1763800000000000,"n1",{"number":1,"at":"2026-11-22T12:00:00+00:00"}]\n'
    value = {"number": 1, "at": datetime(2026, 11, 22, 12, tzinfo=UTC)}
    assert lines([encode("n1", value)], 1_763_800_000_000_000) == written
    assert decode(written[:-1]) == Record(1_763_800_000_000_000, "n1", value | {"at": value["at"].isoformat()})


def test_lines_of_one_append_stand_for_themselves() -> None:
    content = lines([encode("a", 1), encode("b", [2])], 7)
    assert [decode(line) for line in content.splitlines()] == [Record(7, "a", 1), Record(7, "b", [2])]
    assert lines([], 7) == b""
