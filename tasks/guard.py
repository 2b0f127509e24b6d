"""Keeps the stop going without a broker: the critical worker carries trips on and watches by its own clock too."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import structlog

from tasks.retries import TRANSIENT

log = structlog.get_logger(__name__)

GUARD_SECONDS = 1.0


def keep_guarding(
    works: Sequence[Callable[[], object]], *, stop: threading.Event, seconds: float = GUARD_SECONDS
) -> threading.Thread:
    """Run `works` in turn every `seconds` until `stop`, in a thread of its own.

    Beat hints the same work; with Redis away no hint arrives, and a trip must become safe all the same. Running twice
    is harmless: both find the row as it is.
    """

    def guard() -> None:
        while not stop.wait(seconds):
            for work in works:
                try:
                    work()
                except TRANSIENT as error:
                    log.warning("guard_waits", error=str(error))
                except Exception:  # a guard that died of one bad moment would guard nothing
                    log.exception("guard_failed")

    thread = threading.Thread(target=guard, name="guard", daemon=True)
    thread.start()
    return thread
