"""A producer for demonstrations (`./qt up --producer`): random signals, sent over HTTP like anybody else's."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx

from app.cli.api_client import describe_problem, open_client
from app.cli.replay_run import TRANSIENT_STATUSES
from app.ready_file import keep_touching
from app.settings import Settings

SIGNALS_PER_SECOND = 1.0
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT", "ADAUSDT", "DOGEUSDT", "LINKUSDT")
STRATEGY = "demo"


def demo_signals(chance: random.Random) -> Iterator[dict[str, Any]]:
    """Endless wishes to trade; they come from chance, not from a model, so they name no model."""
    while True:
        yield {
            "symbol": chance.choice(SYMBOLS),
            "side": chance.choice(("BUY", "SELL")),
            "confidence": round(chance.triangular(0.2, 0.98, 0.6), 4),
            "strategy": STRATEGY,
        }


def send_for_ever(
    client: httpx.Client, chance: random.Random, *, signals_per_second: float = SIGNALS_PER_SECOND
) -> str:
    """Send one after the other at a steady rate; returns what went wrong when the web process refuses for good."""
    for signal in demo_signals(chance):
        began = time.monotonic()
        try:
            response = client.post("/api/signals", json=signal | {"generated_at": datetime.now(UTC).isoformat()})
        except httpx.TransportError as error:
            # The web process is being restarted: what is lost is a demonstration's signal.
            sys.stderr.write(f"not sent: {error}\n")
        else:
            if response.is_error and response.status_code not in TRANSIENT_STATUSES:
                return describe_problem(response)
        time.sleep(max(0.0, began + 1 / signals_per_second - time.monotonic()))
    return "ran out of signals"


if __name__ == "__main__":
    settings = Settings.from_environment(os.environ)
    with open_client(url=None, token=None) as client:
        keep_touching(settings.ready_file)
        sys.exit(send_for_ever(client, random.Random()))
