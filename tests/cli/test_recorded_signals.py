"""Recorded lines become requests that say what was recorded, or a reason why they are not sent."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.cli.recorded_signals import RecordedSignal, SkippedLine, read_recorded

NOW = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)


def line(**changes: Any) -> bytes:
    signal = {
        "symbol": "BTCUSDC",
        "action": "BUY",
        "confidence": 0.22279788851737975,
        "model": {
            "models": {
                "xgboost": {"action": "HOLD", "confidence": 0.43677636981010437, "model": "xgboost"},
                "nhits": {"action": "HOLD", "confidence": 0.5, "model": "nhits_insufficient_history"},
            }
        },
    }
    record = {"timestamp": "2025-11-22T13:32:18.282193+00:00", "signal": signal | changes, "actual_decision": "X"}
    return json.dumps(record).encode()


def read_one(text: bytes, quote: str = "USDT") -> RecordedSignal | SkippedLine:
    (one,) = read_recorded(iter([text]), quote=quote)
    return one


def test_a_line_becomes_a_request_stamped_anew_with_every_model_named_as_recorded() -> None:
    one = read_one(line())
    assert isinstance(one, RecordedSignal)
    assert one.recorded_at == datetime(2025, 11, 22, 13, 32, 18, 282193, tzinfo=UTC)
    assert one.request(signal_id="replay-1", generated_at=NOW) == {
        "signal_id": "replay-1",
        "symbol": "BTCUSDT",
        "side": "BUY",
        "confidence": 0.22279788851737975,
        "strategy": "recorded",
        "generated_at": "2026-11-22T15:00:00+00:00",
        "models": {
            "xgboost": {"action": "HOLD", "confidence": 0.43677636981010437, "source": "xgboost"},
            "nhits": {"action": "HOLD", "confidence": 0.5, "source": "nhits_insufficient_history"},
        },
    }


@pytest.mark.parametrize(
    ("recorded", "sent"), [("BTCUSDC", "BTCUSDT"), ("SOLUSDT", "SOLUSDT"), ("USDT", "USDT"), ("ETHBTC", "ETHBTC")]
)
def test_only_a_known_quote_asset_is_replaced(recorded: str, sent: str) -> None:
    one = read_one(line(symbol=recorded))
    assert isinstance(one, RecordedSignal)
    assert one.symbol == sent


def test_hold_is_not_sent() -> None:
    assert read_one(line(action="HOLD")) == SkippedLine(1, "HOLD")


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"timestamp": "yesterday", "signal": {}}',
        line(action="SIT"),
        line(confidence="high"),
        line(confidence=True),
        line(model={"models": {"nhits": "HOLD"}}),
        line(symbol=None),
        b"x" * 70_000,
    ],
)
def test_a_malformed_line_is_said_and_skipped(text: bytes) -> None:
    one = read_one(text)
    assert isinstance(one, SkippedLine)
    assert one.reason != "HOLD"


def test_line_numbers_are_those_of_the_file() -> None:
    read = list(read_recorded(iter([line(), b"\n", b"{", line()]), quote="USDT"))
    assert [one.line_number for one in read] == [1, 3, 4]


def test_the_recording_is_read_whole_with_its_fallbacks_visible(recorded_data: Path) -> None:
    with (recorded_data / "signals-2025-11-22.jsonl").open("rb") as lines:
        read = list(read_recorded(lines, quote="USDT"))
    sent = [one for one in read if isinstance(one, RecordedSignal)]
    assert (len(read), len(sent)) == (510, 510)
    assert {one.symbol[-4:] for one in sent} == {"USDT"}
    sources = Counter(one.models["nhits"]["source"] for one in sent)
    assert sources == {"nhits_insufficient_history": 420, "nhits_fallback_rules": 90}
