"""Waiting for a condition with a deadline, instead of sleeping and hoping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
POLL_SECONDS = 0.02


def wait_until(condition: Callable[[], T], *, seconds: float, what: str) -> T:
    """The first truthy answer of `condition`; fails the test naming `what` when `seconds` pass without one.

    A condition that takes long to look at is left alone for as long: a wait must not slow down what it waits for.
    """
    deadline = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s for {what}")
        time.sleep(max(POLL_SECONDS, time.monotonic() - began))
