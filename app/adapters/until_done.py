"""A thread for work that is to be tried until it is done: started when there is some, gone when there is none."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)

STOP_SECONDS_MAX = 2.0


class UntilDone:
    """Calls `work` every `pause_seconds` from the first `wake` until it answers True. At most one thread at a time."""

    def __init__(self, work: Callable[[], bool], *, name: str, pause_seconds: float = 0.25) -> None:
        self._work = work
        self._name = name
        self._pause_seconds = pause_seconds
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._awake = False  # asked since the work was last begun
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """There is work; returns at once."""
        if self._awake and self._thread is not None:
            return  # without the lock: it is asked for every event of an outage
        with self._lock:
            self._awake = True
            if self._thread is None and not self._stopping.is_set():
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """End the thread, after the call under way; what is left is left."""
        self._stopping.set()
        thread = self._thread
        if thread is not None:
            thread.join(STOP_SECONDS_MAX)

    def _run(self) -> None:
        while not self._stopping.wait(self._pause_seconds):
            self._awake = False
            is_done = self._try()
            with self._lock:
                if is_done and not self._awake:
                    self._thread = None
                    return

    def _try(self) -> bool:
        try:
            return self._work()
        except Exception:
            log.exception("background_work_failed", work=self._name)
            return False
