"""Talks to a running system as programs do, and reads both records for the comparison."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson

from app.chaos.books import Books, read_books
from app.chaos.look import look_until_rest
from app.chaos.promises import Ledger, Promise, check_promises
from tests.support.system import RunningSystem

REST_SECONDS_MAX = 30.0


class Api:
    """One system's HTTP API with its operator's token, and its exchange's ledger."""

    def __init__(self, running: RunningSystem, client: httpx.Client) -> None:
        self._running = running
        self._client = client
        self.state = Path(running.system.environment["QT_STATE_DIR"])
        connection = json.loads((self.state / "run" / "connection.json").read_text())
        self.database_url: str = connection["database_url"]
        self.promised: set[str] = set()

    def get(self, path: str, **parameters: Any) -> Any:
        answer = self._client.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any) -> httpx.Response:
        return self._client.post(path, content=orjson.dumps(body), headers={"Content-Type": "application/json"})

    def send(self, signals: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Post signals as one array; their results."""
        answer = self.post("/api/signals", list(signals))
        assert answer.status_code == 202, answer.text
        results: list[dict[str, Any]] = answer.json()["results"]
        self.promised |= {result["signal_id"] for result in results}
        return results

    def exchange_faults(self, rules: Sequence[dict[str, Any]]) -> None:
        """Let the paper exchange misbehave in these ways and no other."""
        url = f"{self._running.urls['exchange']}/paper/faults"
        for answer in (httpx.delete(url, timeout=5), httpx.post(url, json=list(rules), timeout=5)):
            assert answer.status_code == 200, answer.text

    def ledger(self) -> Ledger:
        return Ledger(httpx.get(f"{self._running.urls['exchange']}/paper/ledger", timeout=30).json())

    def books(self) -> Books:
        return read_books(self.database_url)

    def wait_settled(self, seconds: float) -> Books:
        """Our record once nothing is under way."""
        books, _, why = look_until_rest(self.books, self.ledger, seconds=seconds)
        assert why is None, why
        return books

    def promises(self, promised: Sequence[str] | None = None) -> list[Promise]:
        """Every promise checked on the two records as they are now."""
        books, ledger, why = look_until_rest(self.books, self.ledger, seconds=30)
        assert why is None, why
        return check_promises(books, ledger, promised_signals=promised or sorted(self.promised))


@contextmanager
def api_of(running: RunningSystem) -> Iterator[Api]:
    """The API of a running system."""
    token = (Path(running.system.environment["QT_STATE_DIR"]) / "operator.token").read_text().strip()
    with httpx.Client(base_url=running.urls["web"], headers={"Authorization": f"Bearer {token}"}, timeout=15) as client:
        yield Api(running, client)


def signal_body(number: int, *, symbol: str, side: str, confidence: str, ttl_seconds: int = 60) -> dict[str, Any]:
    """One signal of now."""
    return {
        "signal_id": f"s-{number:06}",
        "symbol": symbol,
        "side": side,
        "confidence": confidence,
        "strategy": "test",
        "generated_at": datetime.now(UTC).isoformat(),
        "ttl_seconds": ttl_seconds,
    }


def broken(promises: Sequence[Promise]) -> dict[str, list[str]]:
    """What does not hold, for an assertion that shows it."""
    return {promise.name: promise.violations[:5] for promise in promises if not promise.holds}
