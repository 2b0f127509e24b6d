"""The application over the in-memory system, for a real gunicorn; ten events a second keep it lively."""

from __future__ import annotations

import os
import threading

from app.domain.events import EventType
from app.settings import Settings
from tests.web.fakes import FakeSystem
from web.application import create_app

system = FakeSystem()


def _live() -> None:
    pause = threading.Event()
    while not pause.wait(0.1):
        system.events.publish(EventType.SIGNAL_RECEIVED, symbol="BTCUSDT")


threading.Thread(target=_live, daemon=True).start()
app = create_app(system, Settings.from_environment(os.environ))
