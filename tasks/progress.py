"""Notes what this process got done: a worker by the tasks that end in it, beat by the messages it sends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from app.ports import Progress

NOTE_SECONDS_MIN = 0.5


class ProgressNotes:
    """Thread-safe. Notes at most every `NOTE_SECONDS_MIN`; no thread of its own: whoever does nothing looks silent."""

    def __init__(
        self,
        note: Callable[[Progress], None],
        *,
        name: str,
        role: str,
        facts: Callable[[], Mapping[str, Any]] = dict,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._note = note
        self._name = name
        self._role = role
        self._facts = facts
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._noted_at = float("-inf")
        self._done = 0
        self._failed = 0

    def one_done(self, *, failed: bool = False) -> None:
        """Something was finished; that it failed is progress too, but is counted."""
        with self._lock:
            self._done += 1
            self._failed += failed
            now = self._monotonic()
            if now - self._noted_at < NOTE_SECONDS_MIN:
                return
            self._noted_at = now
            facts = {"done": self._done, "failed": self._failed}
        self._note(Progress(name=self._name, role=self._role, facts={**facts, **self._facts()}))
