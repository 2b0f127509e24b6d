"""The real door over the real system, in this process: posts signals, counts what was promised and how long it took."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask

from app.bootstrap import Adapters, System, open_system
from app.settings import Settings
from tests.fakes.celery import FakeTaskQueue
from web.application import create_app

TTL_SECONDS = 4


@dataclass
class Door:
    """A web application, a token, and what its callers were told."""

    system: System
    app: Flask
    token: str
    verdicts: Counter[str] = field(default_factory=Counter)
    promised: dict[str, float] = field(default_factory=dict)  # signal id -> when its 202 came (monotonic)
    waits: list[tuple[float, float]] = field(default_factory=list)  # when a request began, how long it took
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def post(self, *signal_ids: str, ttl_seconds: int = TTL_SECONDS) -> Any:
        """One request; its answer."""
        body = [
            {
                "signal_id": signal_id,
                "symbol": "BTCUSDT",
                "side": "BUY",
                "confidence": "0.87",
                "strategy": "outage",
                "generated_at": datetime.now(UTC).isoformat(),
                "ttl_seconds": ttl_seconds,
            }
            for signal_id in signal_ids
        ]
        began = time.monotonic()
        answer = self.app.test_client().post(
            "/api/signals", json=body, headers={"Authorization": f"Bearer {self.token}"}
        )
        ended = time.monotonic()
        with self._lock:
            self.waits.append((began, ended - began))
            if answer.status_code == 202:
                self.promised |= dict.fromkeys(signal_ids, ended)
                self.verdicts.update(result["verdict"] for result in answer.json["results"])
            else:
                self.verdicts[str(answer.status_code)] += 1
        return answer

    def seconds_of(self, *, begun_after: float) -> list[float]:
        """How long requests took, quickest first."""
        return sorted(seconds for began, seconds in self.waits if began > begun_after)

    def states(self) -> dict[str, tuple[str, str | None]]:
        """State and reason of every signal that has a row."""
        found: dict[str, tuple[str, str | None]] = {}
        after = None
        while True:
            page = self.system.console.list_signals(states=[], after=after, limit=500)
            for item in page.items:
                assert item["signal_id"] not in found
                found[item["signal_id"]] = (item["state"], item["reason"])
            after = page.next
            if after is None:
                return found


def settings_for(folder: Path, *, database_url: str, redis_url: str) -> Settings:
    return Settings.model_validate(
        {
            "state_dir": folder,
            "database_url": database_url,
            "redis_url": redis_url,
            "exchange_url": "http://127.0.0.1:1",
            "exchange_key": "key",
            "exchange_secret": "secret",
        }
    )


def open_door(folder: Path, *, database_url: str, redis_url: str, token: str | None = None) -> Door:
    """A migrated database is behind it; a token is issued unless one is given."""

    def without_broker(adapters: Adapters) -> Adapters:
        return replace(adapters, tasks=FakeTaskQueue())

    settings = settings_for(folder, database_url=database_url, redis_url=redis_url)
    system = open_system(settings, adapt=without_broker)
    if token is None:
        system.set_up()
        token = system.issue_token(name="producer", scopes=["signals"])
    return Door(system, create_app(system.console, settings), token)
