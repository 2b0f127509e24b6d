"""Time and randomness: the machine's clock."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The machine's clock."""

    def now(self) -> datetime:
        """The current time, aware UTC."""
        ...
