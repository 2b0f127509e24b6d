"""The machine's clock and its randomness."""

from __future__ import annotations

import random
import secrets
import uuid
from datetime import UTC, datetime
from decimal import Decimal

_RANDOM = random.SystemRandom()
_MILLIONTH = Decimal("0.000001")


class SystemClock:
    """Implements `app.ports.Clock`."""

    def now(self) -> datetime:
        """The current time, aware UTC."""
        return datetime.now(UTC)


def random_share() -> Decimal:
    """Uniform in [0, 1), in millionths."""
    return _RANDOM.randrange(1_000_000) * _MILLIONTH


def random_text() -> str:
    """256 random bits as URL-safe text."""
    return secrets.token_urlsafe(32)


def random_id() -> uuid.UUID:
    """A random UUID."""
    return uuid.uuid4()
