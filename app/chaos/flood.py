"""The flood: signals posted at a steady rate from a seed; what got a 202 is what was promised."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from datetime import UTC, datetime

import httpx
import structlog

log = structlog.get_logger(__name__)

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT", "ADAUSDT", "DOGEUSDT", "LINKUSDT", "AVAXUSDT")
TTL_SECONDS = 10


class Flood:
    """Posts until stopped. Only a 202 counts as a promise; a refusal or a lost answer counts as neither."""

    def __init__(self, *, base_url: str, token: str, seed: int, per_second: float) -> None:
        self._client = httpx.Client(
            base_url=base_url, headers={"Authorization": f"Bearer {token}"}, timeout=httpx.Timeout(5.0)
        )
        self._generator = random.Random(f"flood {seed}")
        self._seed = seed
        self._pause = 1.0 / per_second
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="flood", daemon=True)
        self.promised: list[str] = []
        self.verdicts: Counter[str] = Counter()

    def start(self) -> None:
        """Begin to post."""
        self._thread.start()

    def stop(self) -> None:
        """No more; waits for the post under way."""
        self._stop.set()
        self._thread.join(timeout=15)
        self._client.close()

    def _run(self) -> None:
        number = 0
        due = time.monotonic()
        while not self._stop.is_set():
            self._post(number)
            number += 1
            due += self._pause
            self._stop.wait(max(0.0, due - time.monotonic()))

    def _post(self, number: int) -> None:
        signal_id = f"chaos-{self._seed}-{number}"
        body = {
            "signal_id": signal_id,
            "symbol": self._generator.choice(SYMBOLS),
            "side": self._generator.choice(("BUY", "SELL")),
            "confidence": f"0.{self._generator.randrange(50, 100)}",
            "strategy": "chaos",
            "generated_at": datetime.now(UTC).isoformat(),
            "ttl_seconds": TTL_SECONDS,
        }
        try:
            answer = self._client.post("/api/signals", json=body)
        except httpx.HTTPError as error:
            self.verdicts[type(error).__name__] += 1
            return
        if answer.status_code == 202:
            self.promised.append(signal_id)
            self.verdicts[answer.json()["results"][0]["verdict"]] += 1
        else:
            self.verdicts[f"HTTP {answer.status_code}"] += 1
