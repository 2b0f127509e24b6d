"""Reading recorded signal decisions: each line becomes a request to the API, or a reason why it does not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

LINE_BYTES_MAX = 64 * 1024
QUOTE_ASSETS = ("USDT", "USDC", "FDUSD", "BUSD")
STRATEGY = "recorded"


@dataclass(frozen=True, slots=True)
class RecordedSignal:
    """One recorded wish to trade. `models` has the API's shape; `source` is the recorded model name word for word."""

    line_number: int
    recorded_at: datetime
    recorded_decision: str | None
    symbol: str
    side: str
    confidence: float
    models: Mapping[str, Mapping[str, Any]]

    def request(self, *, signal_id: str, generated_at: datetime) -> dict[str, Any]:
        """The body for `POST /api/signals`, stamped anew: the recording's own time would have expired long ago."""
        return {
            "signal_id": signal_id,
            "symbol": self.symbol,
            "side": self.side,
            "confidence": self.confidence,
            "strategy": STRATEGY,
            "generated_at": generated_at.isoformat(),
            "models": self.models,
        }


@dataclass(frozen=True, slots=True)
class SkippedLine:
    """A line that is not sent, and why: "HOLD" or what is wrong with it."""

    line_number: int
    reason: str


def read_recorded(lines: Iterator[bytes], *, quote: str) -> Iterator[RecordedSignal | SkippedLine]:
    """Every line in turn; the quote asset of each symbol is replaced by `quote`."""
    for line_number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        yield _parse(line_number, line, quote)


def _parse(line_number: int, line: bytes, quote: str) -> RecordedSignal | SkippedLine:
    if len(line) > LINE_BYTES_MAX:
        return SkippedLine(line_number, f"longer than {LINE_BYTES_MAX} bytes")
    try:
        record = json.loads(line)
        signal = record["signal"]
        side = str(signal["action"]).upper()
        recorded = RecordedSignal(
            line_number=line_number,
            recorded_at=datetime.fromisoformat(record["timestamp"]),
            recorded_decision=record.get("actual_decision"),
            symbol=_with_quote(signal["symbol"], quote),
            side=side,
            confidence=signal["confidence"],
            models={name: _vote(vote) for name, vote in signal.get("model", {}).get("models", {}).items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return SkippedLine(line_number, f"malformed ({type(error).__name__}: {error})")
    if side == "HOLD":
        return SkippedLine(line_number, "HOLD")
    if side not in {"BUY", "SELL"}:
        return SkippedLine(line_number, f"malformed (action {side!r})")
    if isinstance(recorded.confidence, bool) or not isinstance(recorded.confidence, int | float):
        return SkippedLine(line_number, "malformed (confidence is not a number)")
    return recorded


def _vote(vote: Mapping[str, Any]) -> dict[str, Any]:
    return {"action": vote["action"], "confidence": vote["confidence"], "source": vote.get("model")}


def _with_quote(symbol: str, quote: str) -> str:
    for asset in QUOTE_ASSETS:
        if symbol.endswith(asset) and len(symbol) > len(asset):
            return symbol.removesuffix(asset) + quote
    return symbol
