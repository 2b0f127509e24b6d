"""The loop that most trading bots are: every so many seconds it looks for signals, decides, and sends.

Our own few lines, as lean as they can be: signals lie in memory, the decision is one comparison, the connection stays
open. What is left of its latency is the waiting for its next look.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import threading
import time
from collections import deque
from datetime import UTC, datetime
from itertools import count
from urllib.parse import urlencode

import httpx

from bench.report.rows import Series

SYMBOL = "BTCUSDT"
QUANTITY = "0.002"
CONFIDENCE_MINIMUM = 0.5
# Of the looping period: irrational, so that signals come at every moment of it.
SIGNAL_EVERY_SHARE = 0.381966
TIMEOUT_SECONDS = 10.0

_numbers = count()


class PollingLoop:
    """Looks every `poll_seconds` until it is stopped."""

    def __init__(self, exchange_url: str, *, key: str, secret: str, poll_seconds: float) -> None:
        self.signals: deque[tuple[str, float]] = deque(maxlen=10_000)  # client order id, confidence
        self._poll_seconds = poll_seconds
        self._secret = secret.encode()
        self._http = httpx.Client(
            base_url=exchange_url, headers={"X-MBX-APIKEY": key}, timeout=TIMEOUT_SECONDS, trust_env=False
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.refused: list[str] = []

    def __enter__(self) -> PollingLoop:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(TIMEOUT_SECONDS + self._poll_seconds)
        self._http.close()

    def _run(self) -> None:
        while not self._stopping.wait(self._poll_seconds):
            while self.signals:
                name, confidence = self.signals.popleft()
                if confidence >= CONFIDENCE_MINIMUM:
                    self._send(name)

    def _send(self, name: str) -> None:
        query = urlencode(
            {
                "symbol": SYMBOL,
                "side": "BUY",
                "type": "MARKET",
                "quantity": QUANTITY,
                "newClientOrderId": name,
                "timestamp": time.time_ns() // 1_000_000,
            }
        )
        signature = hmac.new(self._secret, query.encode(), hashlib.sha256).hexdigest()
        answer = self._http.post(f"/fapi/v1/order?{query}&signature={signature}")
        if answer.status_code != 200:
            self.refused.append(answer.text)


def measure_polling(exchange_url: str, *, key: str, secret: str, poll_seconds: float, signals: int) -> Series:
    """Milliseconds from each signal to the exchange's receipt of its order; `RuntimeError` when one was refused."""
    came: dict[str, datetime] = {}
    with PollingLoop(exchange_url, key=key, secret=secret, poll_seconds=poll_seconds) as loop:
        for _ in range(signals):
            name = f"poll-{os.getpid()}-{next(_numbers)}"
            came[name] = datetime.now(UTC)
            loop.signals.append((name, 1.0))
            time.sleep(SIGNAL_EVERY_SHARE * poll_seconds)
        deadline = time.monotonic() + poll_seconds + TIMEOUT_SECONDS
        while (received := received_at(exchange_url, came)).keys() != came.keys():
            if loop.refused or time.monotonic() > deadline:
                raise RuntimeError(f"{len(came) - len(received)} orders did not arrive: {loop.refused[:1]}")
            time.sleep(0.1)
    latencies = [1000 * (received[name] - came[name]).total_seconds() for name in came]
    return Series(f"polling every {poll_seconds:g} s", latencies)


def received_at(exchange_url: str, names: dict[str, datetime]) -> dict[str, datetime]:
    """When the exchange received the orders of these names, those that it has."""
    orders = httpx.get(f"{exchange_url}/paper/ledger", timeout=TIMEOUT_SECONDS, trust_env=False).json()["orders"]
    return {
        order["client_order_id"]: datetime.fromisoformat(order["received_at"])
        for order in orders
        if order["client_order_id"] in names
    }
